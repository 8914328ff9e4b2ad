"""Dropout: where its random numbers come from, and how a probability becomes a number of 16 random bits."""

import torch
from torch import Tensor

STEPS = 65536  # values that 16 bits have


def dropped_steps(probability: float) -> int:
    """How many of the 65,536 values of 16 random bits drop a value."""
    return round(probability * STEPS)


class Noise:
    """Where dropout masks come from: a generator, 16 random bits a value.

    Args:
        seed: decides all masks drawn from it.
        device: of the tensors that are dropped.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def seed(self, seed: int) -> None:
        """Start anew."""
        self._generator.manual_seed(seed)

    def register(self, graph: torch.cuda.CUDAGraph) -> None:
        """Let a graph that is about to be recorded draw new numbers at every replay."""
        graph.register_generator_state(self._generator)

    def key(self) -> Tensor:
        """(1,) int64 on the device: all that a kernel needs to draw a mask of its own."""
        return self._bits(1)

    def dropout(self, values: Tensor, probability: float) -> Tensor:
        """Zero each value with ``probability`` (to 2**-17) and scale the others so that the mean stays."""
        if probability == 0:
            return values
        count = values.numel()
        # One 64-bit draw serves four values, and integer passes are cheap: drawing a float for each value, as
        # torch's dropout does on a CPU, costs ten times as much.
        dropped = dropped_steps(probability)
        bound = dropped - STEPS // 2 - 1
        draws = self._bits((count + 3) // 4).view(torch.int16)[:count]
        keep = draws.clamp_(bound, bound + 1).sub_(bound).view(values.shape)
        return values * keep.to(values.dtype).mul_(STEPS / (STEPS - dropped))

    def _bits(self, count: int) -> Tensor:
        draws = torch.empty(count, dtype=torch.int64, device=self._device)
        return draws.random_(-(2**63), None, generator=self._generator)
