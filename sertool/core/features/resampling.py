"""The sampling rate of a recording is changed by soxr at quality "HQ", block by block."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_PIECE = 8192  # samples resampled at a time; with more, soxr's buffers grow anew and it is a third slower


class Resampler:
    """Changes the sampling rate of blocks, through all of some rates in turn.

    Args:
        rates: sampling rates in Hz, the first that of the blocks, the last that of the result; equal neighbours are
            passed over.
    """

    def __init__(self, *rates: int) -> None:
        # Imported here: reports that name recordings need no soxr.
        import soxr

        self._steps = [soxr.ResampleStream(own, new, 1, quality="HQ") for own, new in pairwise(rates) if own != new]

    def add(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Yield what a further block (N,) adds to the result."""
        if not self._steps:
            yield block
            return
        for at in range(0, len(block), _PIECE):
            piece = block[at : at + _PIECE]
            for step in self._steps:
                piece = step.resample_chunk(piece)
            yield piece

    def rest(self) -> NDArray[np.float32]:
        """Return the end of the result, after the last block."""
        piece = np.zeros(0, np.float32)
        for step in self._steps:
            piece = step.resample_chunk(piece, last=True)
        return piece
