"""The interface of an engine, which computes the states of one family of speech encoders."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from sertool.core.errors import DataError
from sertool.core.features.encoders.libraries import quiet
from sertool.core.features.encoders.pieces import Piece
from sertool.core.features.encoders.source import ModelFiles
from sertool.core.formatting import first_few

PIECE_SECONDS, CONTEXT_SECONDS = 40, 3  # of a long recording; longer pieces take more memory and more time a second
# States of a batch. A core computes them no faster when there are more; a GPU needs many to be busy.
BATCH_STATES = {"cpu": 500, "cuda": 24_000}


class Engine(Protocol):
    """A loaded speech encoder.

    Attributes:
        padded: whether recordings of several lengths in a batch get the states that each of them gets alone.
    """

    padded: bool

    def pieces(self, waveform: Tensor) -> list[Piece]:
        """Prepare a waveform (samples,) for the encoder; a long one in overlapping pieces of equal length."""

    def states(self, pieces: Sequence[Piece]) -> list[Tensor]:
        """Compute the kept states (T, layers, D) of a batch, float32 on the CPU."""


def filled(waveform: Tensor, samples: int) -> Tensor:
    """Return a waveform with zeros behind it, if it is shorter than so many samples."""
    missing = samples - len(waveform)
    # Not padded by nothing: that would copy an hour of sound.
    return waveform if missing <= 0 else torch.cat([waveform, waveform.new_zeros(missing)])


def load_extractor(files: ModelFiles, makes: str) -> Any:
    """Load a model's own feature extractor.

    Args:
        files: the model.
        makes: the input that the model takes, ``input_values`` or ``input_features``.

    Raises:
        DataError: its settings are damaged, or it is made for another model.
    """
    from transformers import AutoFeatureExtractor

    try:
        with quiet():
            extractor = AutoFeatureExtractor.from_pretrained(
                files.folder, trust_remote_code=False, local_files_only=True
            )
    except Exception as error:  # transformers has errors of many kinds
        raise DataError(f"{files.name}: its feature extractor cannot be loaded ({error!s:.200})") from error
    if makes not in extractor.model_input_names:
        raise DataError(
            f"{files.name}: its feature extractor makes {first_few(extractor.model_input_names)}, but the model takes "
            f"{makes}",
            hint="use the feature extractor of the model that it was made from",
        )
    return extractor
