"""Random numbers of dropout; a probability is rounded to a multiple of 2**-16."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

STEPS = 65536  # number of values of 16 bits


def dropped_steps(probability: float) -> int:
    """Return how many of the 65,536 values of 16 random bits stand for "drop"."""
    return round(probability * STEPS)


class Noise:
    """Generator of dropout masks: 16 random bits per value.

    Args:
        seed: determines all masks.
        device: device of the tensors that dropout acts on.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def seed(self, seed: int) -> None:
        """Restart from a seed."""
        self._generator.manual_seed(seed)

    def register(self, graph: torch.cuda.CUDAGraph) -> None:
        """Make a graph that is about to be recorded draw new numbers at every replay."""
        graph.register_generator_state(self._generator)

    def key(self) -> Int64[Tensor, "1"]:
        """Draw a number on the device from which a kernel computes a mask."""
        return self._bits(1)

    def dropout(self, values: Float[Tensor, "*S"], probability: float) -> Float[Tensor, "*S"]:
        """Zero each value with ``probability`` (to 2**-17) and scale the others so that the mean stays."""
        if probability == 0:
            return values
        return values * self.factors(values.numel(), probability, values.dtype).view(values.shape)

    def factors(self, count: int, probability: float, number: torch.dtype = torch.float32) -> Float[Tensor, "N"]:
        """Draw the factors of ``count`` values: 0 with ``probability``, else what keeps the mean."""
        # One 64-bit number serves four values, and integer passes are cheap: one float for each value, as in torch's
        # dropout on a CPU, costs ten times as much.
        dropped = dropped_steps(probability)
        # Bits as int16 are uniform from -32768 on; clamped to two neighbouring values they become 0 (drop) and 1.
        bound = dropped - STEPS // 2 - 1
        keep = self._bits((count + 3) // 4).view(torch.int16)[:count].clamp_(bound, bound + 1).sub_(bound)
        return keep.to(number).mul_(STEPS / (STEPS - dropped))

    def _bits(self, count: int) -> Tensor:
        draws = torch.empty(count, dtype=torch.int64, device=self._device)
        return draws.random_(-(2**63), None, generator=self._generator)


def drop(values: Float[Tensor, "*S"], probability: float, noise: Noise | None) -> Float[Tensor, "*S"]:
    """Apply dropout while training (``noise`` given); otherwise return the values."""
    return values if noise is None else noise.dropout(values, probability)
