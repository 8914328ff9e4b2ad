"""Comparison of each Triton kernel with its plain definition, on small random data, forward and backward.

``python -m sertool.core.models.kernels.compare --device cuda:0 "adam fp32"`` does one of them;
:mod:`~sertool.core.models.kernels.proof` runs them all that way. The definition computes in float32 on the numbers that
the kernel gets, rounded to its number format. Dropout is compared through the mask that the kernel itself draws.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sertool.core.compute.device_checks import serve
from sertool.core.models.kernels import forced, interpreted
from sertool.core.models.kernels.adam import MemberNumbers, adam_step, adam_step_plain
from sertool.core.models.kernels.attention import attention, attention_plain
from sertool.core.models.kernels.compare_tools import (
    ALLOWED,
    DROPOUT,
    NUMBERS,
    Difference,
    Draws,
    both,
    check_mask,
    compared,
    draw_mask,
    norm_of,
    poisoned,
)
from sertool.core.models.kernels.lstm import recurrence
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.kernels.norm import Branch, Modulation, residual_norm
from sertool.core.models.kernels.relu import relu_drop


def differences(name: str, device: str) -> list[Difference]:
    """Compare a kernel with its definition.

    Args:
        name: kernel and number format, such as ``adam bf16``.
        device: device of torch, such as ``cuda:0``.
    """
    kernel, _, number = name.partition(" ")
    draws = Draws(torch.device(device), NUMBERS[number])
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


def _compare_adam(draws: Draws) -> Iterator[Difference]:
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
        yield from compared(f"adam {shape}", zip(ours, theirs, strict=True), allowed)
        still = norm_of(*(now[2] - then[2] for now, then in zip(ours[::2], (weight, first), strict=True)))
        yield Difference("adam: a member without a batch", still, 0.0)
        if copy is not None:
            yield from compared("adam: copy", iter([(copy, ours[0])]), ALLOWED[draws.number])


LSTM = ((6, (3, 3, 2, 1)), (64, (16, 16, 12)), (6, (2,)))  # width, and rows of each step


def _compare_lstm(draws: Draws) -> Iterator[Difference]:
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
        yield from compared(name, both(biased, biased, [gates, small, bias], up), allowed)
        if width == LSTM[0][0]:
            yield from compared(f"{name} unbiased", both(unbiased, unbiased, [gates, small], up), allowed)


def _compare_norm(draws: Draws) -> Iterator[Difference]:
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
        yield from compared(name, both(norm, norm, leaves, up), allowed)
        if width > 7:
            yield from compared(f"{name} modulated", both(norm, norm, [*leaves, pieces], up), allowed)
        if width == 12:
            yield from compared(f"{name} unbiased", both(unbiased, unbiased, [rows, values, gain, bias], up), allowed)
        yield from _compare_dropped_norm(draws, leaves, up)
    yield from _compare_flat_norm(draws)


def _compare_dropped_norm(draws: Draws, leaves: list[Tensor], up: Tensor) -> Iterator[Difference]:
    from sertool.core.models.kernels.norm_triton import tile

    members, size, width = up.shape
    noise, columns = draws.noise(-7), tile(width)[1]
    mask = draw_mask(noise, members * size, columns)
    yield from check_mask(mask)
    kept = mask[:, :width].view(up.shape)

    def ours(rows: Tensor, values: Tensor, own: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        return residual_norm(rows, Branch(values, own), gain, bias, DROPOUT, noise)

    def theirs(rows: Tensor, values: Tensor, own: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        masked = Branch((values + own.unsqueeze(1)) * kept, None)
        return residual_norm(rows, masked, gain, bias, 0.0, None)

    yield from compared(f"norm {width} with dropout", both(ours, theirs, leaves, up), ALLOWED[draws.number])


def _compare_flat_norm(draws: Draws) -> Iterator[Difference]:
    """Check that rows whose values are all the same, which have no deviation, give finite numbers."""
    flat = torch.full((1, 2, 6), 3.0, device=draws.device, dtype=draws.number).requires_grad_()
    ones = torch.ones(1, 6, device=draws.device)
    with forced(True), poisoned():
        result = residual_norm(flat, Branch(torch.zeros_like(flat), None), ones, ones, 0.0, None)
        (gradient,) = torch.autograd.grad(result.sum(), flat)
    for part in (result, gradient):
        yield Difference("norm of equal values", norm_of(part * 0), 0.0)  # NaN unless all are finite


def _compare_relu(draws: Draws) -> Iterator[Difference]:
    from sertool.core.models.kernels.relu_triton import COLUMNS

    for members, size, width in ((2, 33, 150), (3, 1, 5), (2, 16, 256)):
        values, bias = draws.normal(members, size, width), draws.single(members, width)
        up, noise = draws.normal(members, size, width).detach(), draws.noise(11)
        mask = draw_mask(noise, members * size * -(-width // COLUMNS), COLUMNS)
        yield from check_mask(mask)
        kept = mask.view(members, size, -1)[..., :width]

        def ours(values: Tensor, bias: Tensor | None = None) -> Tensor:
            return relu_drop(values, bias, 0.0, None)

        def dropped(values: Tensor, bias: Tensor, noise: Noise = noise) -> Tensor:
            return relu_drop(values, bias, DROPOUT, noise)

        def theirs(values: Tensor, bias: Tensor, kept: Tensor = kept) -> Tensor:
            return relu_drop(values, bias, 0.0, None) * kept

        name, allowed, leaves = f"relu {width}", ALLOWED[draws.number], [values, bias]
        yield from compared(name, both(ours, ours, leaves, up), allowed)
        if width == 150:
            yield from compared(f"{name} unbiased", both(ours, ours, [values], up), allowed)
        yield from compared(f"{name} with dropout", both(dropped, theirs, leaves, up), allowed)


KEY_BIAS = 5  # place of the keys' bias among attention's value and gradients
ALLOWED_TF32 = 1e-2  # products of numbers with 11 bits


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


def _compare_attention(draws: Draws) -> Iterator[Difference]:
    for sizes in ATTENTION:
        yield from _compare_heads(draws, sizes, ALLOWED[draws.number])
        if sizes.length > 1:
            yield from _compare_heads(draws, replace(sizes, dropout=DROPOUT), ALLOWED[draws.number])
    if draws.number == torch.float32:
        torch.set_float32_matmul_precision("high")  # reset by differences
        yield from _compare_heads(draws, replace(ATTENTION[1], dropout=DROPOUT), ALLOWED_TF32)


def _compare_heads(draws: Draws, sizes: _Sizes, allowed: float) -> Iterator[Difference]:
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
        factors = draw_mask(noise, members * batch * heads * rows, columns)
        yield from check_mask(factors)
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

    pairs = list(both(ours, theirs, leaves, up))
    largest = norm_of(*(theirs for _, theirs in pairs))
    for place, (own, wanted) in enumerate(pairs):
        # The gradient of the keys' bias is nothing but rounding: a shift of all scores changes no softmax.
        scale = largest if place == KEY_BIAS else max(norm_of(wanted), 1e-12)
        error = norm_of(own.double() - wanted.double()) / scale
        yield Difference(f"attention {sizes}: {'gradient' if place else 'value'} {place}", error, allowed)
    for place in (1, 2):
        masked = pairs[place][0][0, 0::batch]
        yield Difference("attention: gradient where all is masked", norm_of(masked), 0.0)


COMPARISONS: dict[str, Callable[[Draws], Iterator[Difference]]] = {
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
