"""Comparison of each Triton kernel with its plain definition, on small random data, forward and backward.

``python -m sertool.core.models.kernels.compare --device cuda:0 "adam fp32"`` does one of them;
:mod:`~sertool.core.models.kernels.proof` runs them all that way. The definition computes in float32 on the numbers that
the kernel gets, rounded to its number format. Dropout is compared through the mask that the kernel itself draws.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from sertool.core.compute.device_checks import serve
from sertool.core.models.kernels import forced, interpreted
from sertool.core.models.kernels.adam import MemberNumbers, adam_step, adam_step_plain
from sertool.core.models.kernels.attention import attention, attention_plain
from sertool.core.models.kernels.lstm import recurrence
from sertool.core.models.kernels.noise import STEPS, Noise, dropped_steps
from sertool.core.models.kernels.norm import Branch, Modulation, residual_norm
from sertool.core.models.kernels.relu import relu_drop

NUMBERS = {"fp32": torch.float32, "bf16": torch.bfloat16}
# bf16 has 8 bits: each rounding costs up to 4e-3, and a result has several behind it (the interpreter: up to 1.4e-2).
ALLOWED = {torch.float32: 1e-5, torch.bfloat16: 4e-2}
ALLOWED_TF32 = 1e-2  # products of numbers with 11 bits
DROPOUT = 0.3
SEED = 1
KEY_BIAS = 5  # place of the keys' bias among attention's value and gradients


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


def differences(name: str, device: str) -> list[Difference]:
    """Compare a kernel with its definition.

    Args:
        name: kernel and number format, such as ``adam bf16``.
        device: device of torch, such as ``cuda:0``.
    """
    kernel, _, number = name.partition(" ")
    draws = _Draws(torch.device(device), NUMBERS[number])
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        return list(COMPARISONS[kernel](draws))
    finally:
        torch.set_float32_matmul_precision(before)


def fault(name: str, device: str) -> str:
    """Compare a kernel with its definition; return what is wrong, or an empty text."""
    wrong = [one for one in differences(name, device) if not one.equal]
    # NaN is worse than any number.
    worst = max((one.error for one in wrong), key=lambda error: (math.isnan(error), error), default=None)
    return "" if worst is None else f"differs by {worst:.2g}"


class _Draws:
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
def _poisoned() -> Iterator[None]:
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


def _both(
    ours: Callable[..., Tensor], theirs: Callable[..., Tensor], leaves: Sequence[Tensor], up: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each result of the kernel with that of the definition, which computes in float32."""
    with _poisoned():
        got = _results(ours, leaves, up, kernels=True)
    single = [leaf.detach().float().requires_grad_() for leaf in leaves]
    wanted = _results(theirs, single, up.float(), kernels=False)
    if got[0].dtype != up.dtype:
        raise ValueError(f"the result is {got[0].dtype}, not {up.dtype}")
    yield from zip(got, wanted, strict=True)


def _norm_of(*parts: Tensor) -> float:
    return max(float(part.detach().double().norm()) for part in parts)


def _compared(name: str, pairs: Iterator[tuple[Tensor, Tensor]], allowed: float) -> Iterator[Difference]:
    """Yield the distance of each pair, relative to the norm of what is right."""
    for place, (ours, theirs) in enumerate(pairs):
        distance = _norm_of(ours.double() - theirs.double())
        part = f"{name}: gradient {place}" if place else f"{name}: value"
        yield Difference(part, distance / max(_norm_of(theirs), 1e-12), allowed)


def _compare_adam(draws: _Draws) -> Iterator[Difference]:
    infinite, allowed = float("inf"), ALLOWED[torch.float32]  # weights and moments are float32 in every format
    numbers = MemberNumbers(
        scale=draws.tensor(1.0, 0.3, 1.0),
        kept=draws.tensor(1.0, 0.99, 1.0),
        step_size=draws.tensor(1e-2, 1e-3, infinite),
        root=draws.tensor(0.1, 0.9, 0.0),
        moved=draws.tensor(1.0, 1.0, 0.0),  # the last member has no batch
    )
    for shape in ((3, 7), (3, 1500), (3, 1), (3, 16, 64)):
        # Small weights, so that a step changes them by more than their rounding.
        weight, first = (draws.single(*shape).detach() * size for size in (0.01, 0.1))
        gradient, second = draws.normal(*shape).detach(), draws.single(*shape).detach().square()
        copy = None if draws.number == torch.float32 else weight.to(draws.number)
        ours, theirs = ((weight.clone(), gradient, first.clone(), second.clone()) for _ in range(2))
        with forced(True):
            adam_step(*ours, numbers, copy)
        adam_step_plain(*theirs, numbers)
        yield from _compared(f"adam {shape}", zip(ours, theirs, strict=True), allowed)
        still = _norm_of(*(now[2] - then[2] for now, then in zip(ours[::2], (weight, first), strict=True)))
        yield Difference("adam: a member without a batch", still, 0.0)
        if copy is not None:
            yield from _compared("adam: copy", iter([(copy, ours[0])]), ALLOWED[draws.number])


LSTM = ((6, (3, 3, 2, 1)), (64, (16, 16, 12)), (6, (2,)))  # width, and rows of each step


def _compare_lstm(draws: _Draws) -> Iterator[Difference]:
    for width, sizes in LSTM:
        rows = sum(sizes)
        gates, weight = draws.normal(2, rows, 4 * width), draws.normal(2, 4 * width, width)
        small = (weight.detach() / math.sqrt(width)).requires_grad_()  # gates that are neither open nor shut
        up, bias = draws.normal(2, rows, width).detach(), draws.single(2, 4 * width)

        def biased(gates: Tensor, weight: Tensor, bias: Tensor, sizes: tuple[int, ...] = sizes) -> Tensor:
            return recurrence(gates, bias, weight, sizes)

        def unbiased(gates: Tensor, weight: Tensor, sizes: tuple[int, ...] = sizes) -> Tensor:
            return recurrence(gates, None, weight, sizes)

        name, allowed = f"lstm {width}", ALLOWED[draws.number]
        yield from _compared(name, _both(biased, biased, [gates, small, bias], up), allowed)
        if width == LSTM[0][0]:
            yield from _compared(f"{name} unbiased", _both(unbiased, unbiased, [gates, small], up), allowed)


def _compare_norm(draws: _Draws) -> Iterator[Difference]:
    allowed = ALLOWED[draws.number]
    # Each variant of a kernel is compiled anew, so not every size has all of them.
    for members, utterances, length, width in ((2, 3, 5, 12), (1, 2, 1, 7), (2, 5, 9, 512)):
        size = utterances * length
        rows, values = (draws.normal(members, size, width) for _ in range(2))
        own, gain, bias = (draws.single(members, width) for _ in range(3))
        pieces = draws.normal(members, utterances, 4 * width)  # gamma and beta are slices of one tensor
        utterance = (torch.arange(size, device=draws.device) % utterances).expand(members, -1)
        up = draws.normal(members, size, width).detach()

        def norm(*leaves: Tensor, drop: float = 0.0, of: Noise | None = None, utterance: Tensor = utterance) -> Tensor:
            rows, values, own, gain, bias, *pieces = leaves
            spoken = None
            if pieces:
                gamma, beta = pieces[0].chunk(4, dim=-1)[1:3]
                spoken = Modulation(gamma, beta, utterance, full=True)
            return residual_norm(rows, Branch(values, own), gain, bias, drop, of, spoken)

        def unbiased(rows: Tensor, values: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
            return residual_norm(rows, Branch(values, None), gain, bias, 0.0, None)

        leaves = [rows, values, own, gain, bias]
        name = f"norm {width}"
        yield from _compared(name, _both(norm, norm, leaves, up), allowed)
        if width > 7:
            yield from _compared(f"{name} modulated", _both(norm, norm, [*leaves, pieces], up), allowed)
        if width == 12:
            yield from _compared(f"{name} unbiased", _both(unbiased, unbiased, [rows, values, gain, bias], up), allowed)
        yield from _compare_dropped_norm(draws, leaves, up)
    yield from _compare_flat_norm(draws)


def _compare_dropped_norm(draws: _Draws, leaves: list[Tensor], up: Tensor) -> Iterator[Difference]:
    from sertool.core.models.kernels.norm_triton import tile

    members, size, width = up.shape
    noise, columns = draws.noise(-7), tile(width)[1]
    mask = _mask(noise, members * size, columns)
    yield from _check_mask(mask)
    kept = mask[:, :width].view(up.shape)

    def ours(rows: Tensor, values: Tensor, own: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        return residual_norm(rows, Branch(values, own), gain, bias, DROPOUT, noise)

    def theirs(rows: Tensor, values: Tensor, own: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        masked = Branch((values + own.unsqueeze(1)) * kept, None)
        return residual_norm(rows, masked, gain, bias, 0.0, None)

    yield from _compared(f"norm {width} with dropout", _both(ours, theirs, leaves, up), ALLOWED[draws.number])


def _compare_flat_norm(draws: _Draws) -> Iterator[Difference]:
    """Check that rows whose values are all the same, which have no deviation, give finite numbers."""
    flat = torch.full((1, 2, 6), 3.0, device=draws.device, dtype=draws.number).requires_grad_()
    ones = torch.ones(1, 6, device=draws.device)
    with forced(True), _poisoned():
        result = residual_norm(flat, Branch(torch.zeros_like(flat), None), ones, ones, 0.0, None)
        (gradient,) = torch.autograd.grad(result.sum(), flat)
    for part in (result, gradient):
        yield Difference("norm of equal values", _norm_of(part * 0), 0.0)  # NaN unless all are finite


def _compare_relu(draws: _Draws) -> Iterator[Difference]:
    from sertool.core.models.kernels.relu_triton import COLUMNS

    for members, size, width in ((2, 33, 150), (3, 1, 5), (2, 16, 256)):
        values, bias = draws.normal(members, size, width), draws.single(members, width)
        up, noise = draws.normal(members, size, width).detach(), draws.noise(11)
        mask = _mask(noise, members * size * -(-width // COLUMNS), COLUMNS)
        yield from _check_mask(mask)
        kept = mask.view(members, size, -1)[..., :width]

        def ours(values: Tensor, bias: Tensor | None = None) -> Tensor:
            return relu_drop(values, bias, 0.0, None)

        def dropped(values: Tensor, bias: Tensor, noise: Noise = noise) -> Tensor:
            return relu_drop(values, bias, DROPOUT, noise)

        def theirs(values: Tensor, bias: Tensor, kept: Tensor = kept) -> Tensor:
            return relu_drop(values, bias, 0.0, None) * kept

        name, allowed, leaves = f"relu {width}", ALLOWED[draws.number], [values, bias]
        yield from _compared(name, _both(ours, ours, leaves, up), allowed)
        if width == 150:
            yield from _compared(f"{name} unbiased", _both(ours, ours, [values], up), allowed)
        yield from _compared(f"{name} with dropout", _both(dropped, theirs, leaves, up), allowed)


@dataclass(frozen=True)
class _Sizes:
    """Sizes of attention: E, B, H, T, T', K."""

    members: int
    batch: int
    heads: int
    length: int
    keys: int
    width: int
    dropout: float = 0.0


ATTENTION = (
    _Sizes(2, 2, 2, 5, 3, 3),
    _Sizes(1, 1, 1, 17, 40, 72),
    _Sizes(1, 1, 1, 1, 1, 1),
    _Sizes(1, 2, 2, 16, 32, 64),
)


def _compare_attention(draws: _Draws) -> Iterator[Difference]:
    for sizes in ATTENTION:
        yield from _compare_heads(draws, sizes, ALLOWED[draws.number])
        if sizes.length > 1:
            yield from _compare_heads(draws, replace(sizes, dropout=DROPOUT), ALLOWED[draws.number])
    if draws.number == torch.float32:
        torch.set_float32_matmul_precision("high")  # reset by differences
        yield from _compare_heads(draws, ATTENTION[1], ALLOWED_TF32)


def _compare_heads(draws: _Draws, sizes: _Sizes, allowed: float) -> Iterator[Difference]:
    from sertool.core.models.kernels.attention_triton import tile

    members, batch, heads, length, keys = sizes.members, sizes.batch, sizes.heads, sizes.length, sizes.keys
    whole = heads * sizes.width
    leaves = [draws.normal(members, n * batch, whole) for n in (length, keys, keys)]
    leaves += [draws.single(members, whole) for _ in range(3)]
    mask = draws.mask(members, batch, keys)
    mask[:, :, 0] = True
    mask[0, 0] = False  # an utterance in which everything is masked
    up = draws.normal(members, length * batch, whole).detach()
    noise, kept = None, None
    if sizes.dropout:
        noise, rows, columns = draws.noise(7), tile(length), tile(keys)
        factors = _mask(noise, members * batch * heads * rows, columns)
        yield from _check_mask(factors)
        kept = factors.view(members, batch, heads, rows, columns)[..., :length, :keys]

    def ours(q: Tensor, k: Tensor, v: Tensor, bq: Tensor, bk: Tensor, bv: Tensor) -> Tensor:
        return attention(q, k, v, (bq, bk, bv), mask, heads, sizes.dropout, noise)

    def theirs(q: Tensor, k: Tensor, v: Tensor, bq: Tensor, bk: Tensor, bv: Tensor) -> Tensor:
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            return attention_plain(q, k, v, (bq, bk, bv), mask, heads, kept)
        finally:
            torch.set_float32_matmul_precision(precision)

    pairs = list(_both(ours, theirs, leaves, up))
    largest = _norm_of(*(theirs for _, theirs in pairs))
    for place, (own, wanted) in enumerate(pairs):
        # The gradient of the keys' bias is nothing but rounding: a shift of all scores changes no softmax.
        scale = largest if place == KEY_BIAS else max(_norm_of(wanted), 1e-12)
        error = _norm_of(own.double() - wanted.double()) / scale
        yield Difference(f"attention {sizes}: {'gradient' if place else 'value'} {place}", error, allowed)
    for place in (1, 2):
        masked = pairs[place][0][0, 0::batch]
        yield Difference("attention: gradient where all is masked", _norm_of(masked), 0.0)


def _mask(noise: Noise, rows: int, columns: int) -> Tensor:
    """Draw the factors that a kernel draws for dropout."""
    from sertool.core.models.kernels.common_triton import dropout_factors

    return dropout_factors(noise.key(), rows, columns, dropped_steps(DROPOUT))


def _check_mask(mask: Tensor) -> Iterator[Difference]:
    """Check that a mask drops the right share and scales the rest, since a comparison through it cannot see that."""
    dropped = dropped_steps(DROPOUT)
    scale = torch.tensor(STEPS / (STEPS - dropped), device=mask.device)
    share = float((mask == 0).double().mean())
    # Four standard deviations of the share.
    spread = 4 * math.sqrt(DROPOUT * (1 - DROPOUT) / mask.numel())
    yield Difference("dropout: share", abs(share - dropped / STEPS), spread)
    yield Difference("dropout: factor", float(((mask - scale) * (mask != 0)).abs().max()), 1e-6)


COMPARISONS: dict[str, Callable[[_Draws], Iterator[Difference]]] = {
    "adam": _compare_adam,
    "attention": _compare_attention,
    "lstm": _compare_lstm,
    "norm": _compare_norm,
    "relu": _compare_relu,
}


def main() -> None:
    """Do the comparisons that the command line names."""
    if interpreted():
        from sertool.core.models.kernels.interpreter import let_dot_take_bfloat16

        let_dot_take_bfloat16()
    serve(fault)


if __name__ == "__main__":
    main()
