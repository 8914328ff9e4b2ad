"""Tools of the comparison of kernels: random inputs, results both ways, distances, dropout masks."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from sertool.core.models.kernels import forced
from sertool.core.models.kernels.noise import STEPS, Noise, dropped_steps

NUMBERS = {"fp32": torch.float32, "bf16": torch.bfloat16}
# bf16 has 8 bits: each rounding costs up to 4e-3, and a result has several behind it (the interpreter: up to 1.4e-2).
ALLOWED = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
DROPOUT = 0.3
SEED = 1


@dataclass(frozen=True)
class Difference:
    """Distance of a kernel's results from those of its definition, relative to their norm.

    Attributes:
        part: values or gradients that differ.
        error: the distance; NaN where the kernel gave one.
        allowed: largest distance that rounding explains.
    """

    part: str
    error: float
    allowed: float

    @property
    def equal(self) -> bool:
        """True if rounding explains the difference; NaN never passes."""
        return self.error <= self.allowed


class Draws:
    """Random inputs, the same on every device: numbers are drawn on the CPU."""

    def __init__(self, device: torch.device, number: torch.dtype) -> None:
        self.device, self.number = device, number
        self.generator = torch.Generator().manual_seed(SEED)

    def normal(self, *shape: int, number: torch.dtype | None = None) -> Tensor:
        """Draw an input of the kernel, in its number format unless another one is given."""
        drawn = torch.randn(shape, generator=self.generator).to(number or self.number)
        return drawn.to(self.device).requires_grad_()

    def single(self, *shape: int) -> Tensor:
        """Draw an input that is float32 in every format, such as a bias."""
        return self.normal(*shape, number=torch.float32)

    def mask(self, *shape: int) -> Tensor:
        """Draw True with probability 0.6."""
        return (torch.rand(shape, generator=self.generator) < 0.6).to(self.device)

    def tensor(self, *values: float) -> Tensor:
        """Return these values as float32."""
        return torch.tensor(values, device=self.device)

    def noise(self, key: int) -> Noise:
        """Return a source of dropout masks that always gives the same key, so that the same mask can be drawn again."""
        return cast("Noise", _OneKey(torch.tensor([key], device=self.device)))


class _OneKey:
    def __init__(self, key: Tensor) -> None:
        self._key = key

    def key(self) -> Tensor:
        return self._key


@contextmanager
def poisoned() -> Iterator[None]:
    """Fill new memory with NaN inside the block, so that a value which a kernel does not write is found."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)  # torch fills new memory in this mode only
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _results(compute: Callable[..., Tensor], leaves: Sequence[Tensor], up: Tensor, *, kernels: bool) -> list[Tensor]:
    """Return a function's value and the gradients of its inputs."""
    with forced(kernels), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the deterministic mode
        result = compute(*leaves)
        return [result.detach(), *torch.autograd.grad(result, leaves, up.to(result.dtype))]


def both(
    ours: Callable[..., Tensor], theirs: Callable[..., Tensor], leaves: Sequence[Tensor], up: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each result of the kernel with that of the definition, which computes in float32."""
    with poisoned():
        got = _results(ours, leaves, up, kernels=True)
    single = [leaf.detach().float().requires_grad_() for leaf in leaves]
    wanted = _results(theirs, single, up.float(), kernels=False)
    if got[0].dtype != up.dtype:
        raise ValueError(f"the result is {got[0].dtype}, not {up.dtype}")
    yield from zip(got, wanted, strict=True)


def norm_of(*parts: Tensor) -> float:
    """Return the largest norm of some tensors."""
    return max(float(part.detach().double().norm()) for part in parts)


def compared(name: str, pairs: Iterator[tuple[Tensor, Tensor]], allowed: float) -> Iterator[Difference]:
    """Yield the distance of each pair, relative to the norm of what is right."""
    for place, (ours, theirs) in enumerate(pairs):
        distance = norm_of(ours.double() - theirs.double())
        part = f"{name}: gradient {place}" if place else f"{name}: value"
        yield Difference(part, distance / max(norm_of(theirs), 1e-12), allowed)


def draw_mask(noise: Noise, rows: int, columns: int) -> Tensor:
    """Draw the factors that a kernel draws for dropout."""
    from sertool.core.models.kernels.common_triton import dropout_factors

    return dropout_factors(noise.key(), rows, columns, dropped_steps(DROPOUT))


def check_mask(mask: Tensor) -> Iterator[Difference]:
    """Check that a mask drops the right share and scales the rest, since a comparison through it cannot see that."""
    dropped = dropped_steps(DROPOUT)
    scale = torch.tensor(STEPS / (STEPS - dropped), device=mask.device)
    share = float((mask == 0).double().mean())
    # Four standard deviations of the share.
    spread = 4 * math.sqrt(DROPOUT * (1 - DROPOUT) / mask.numel())
    yield Difference("dropout: share", abs(share - dropped / STEPS), spread)
    yield Difference("dropout: factor", float(((mask - scale) * (mask != 0)).abs().max()), 1e-6)
