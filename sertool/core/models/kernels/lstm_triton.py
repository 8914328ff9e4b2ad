"""The element-wise part of an LSTM step as one kernel each way, not seven and eleven; ``lstm`` gives the shapes."""

from typing import Any

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 256  # values of the state per program


@triton.jit
def _tanh(x) -> Any:
    # tanh(x) = 2 sigmoid(2 x) - 1: Triton's language has a sigmoid and no tanh.
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _lstm_forward(
    gates,
    bias,
    recurrent,
    before,
    activated,
    cells,
    squashed,
    hidden,
    gates_stride,
    activated_stride,
    state_stride,
    size,
    width,
    biased: tl.constexpr,
    added: tl.constexpr,
    first: tl.constexpr,
    block: tl.constexpr,
) -> Any:
    member = tl.program_id(1).to(tl.int64)
    own = tl.program_id(0) * block + tl.arange(0, block)
    inside = own < size
    wide = (own // width) * 4 * width + own % width  # of the input gate; the others follow, width apart
    gate = gates + member * gates_stride + wide
    into = tl.load(gate, mask=inside).to(tl.float32)
    forget = tl.load(gate + width, mask=inside).to(tl.float32)
    cell = tl.load(gate + 2 * width, mask=inside).to(tl.float32)
    out = tl.load(gate + 3 * width, mask=inside).to(tl.float32)
    if added:  # the state's part of the gates comes from a product of its own
        more = recurrent + member * 4 * size + wide
        into += tl.load(more, mask=inside).to(tl.float32)
        forget += tl.load(more + width, mask=inside).to(tl.float32)
        cell += tl.load(more + 2 * width, mask=inside).to(tl.float32)
        out += tl.load(more + 3 * width, mask=inside).to(tl.float32)
    if biased:
        shift = bias + member * 4 * width + own % width
        into += tl.load(shift, mask=inside)
        forget += tl.load(shift + width, mask=inside)
        cell += tl.load(shift + 2 * width, mask=inside)
        out += tl.load(shift + 3 * width, mask=inside)
    into, forget, cell, out = tl.sigmoid(into), tl.sigmoid(forget), _tanh(cell), tl.sigmoid(out)
    state = member * state_stride + own
    c = into * cell
    if not first:  # the state before the first step is zero
        c += forget * tl.load(before + state, mask=inside).to(tl.float32)
    t = _tanh(c)  # stored as well, since the backward pass needs it twice
    act = activated + member * activated_stride + wide
    tl.store(act, into, mask=inside)
    tl.store(act + width, forget, mask=inside)
    tl.store(act + 2 * width, cell, mask=inside)
    tl.store(act + 3 * width, out, mask=inside)
    tl.store(cells + state, c, mask=inside)
    tl.store(squashed + state, t, mask=inside)
    tl.store(hidden + state, out * t, mask=inside)


@triton.jit
def _lstm_backward(
    gradient,
    d_hidden,
    d_cell,
    activated,
    squashed,
    before,
    d_gates,
    gradient_stride,
    flow_stride,
    activated_stride,
    state_stride,
    d_gates_stride,
    size,
    width,
    first: tl.constexpr,
    block: tl.constexpr,
) -> Any:
    member = tl.program_id(1).to(tl.int64)
    own = tl.program_id(0) * block + tl.arange(0, block)
    inside = own < size
    wide = (own // width) * 4 * width + own % width
    act = activated + member * activated_stride + wide
    into = tl.load(act, mask=inside).to(tl.float32)
    forget = tl.load(act + width, mask=inside).to(tl.float32)
    cell = tl.load(act + 2 * width, mask=inside).to(tl.float32)
    out = tl.load(act + 3 * width, mask=inside).to(tl.float32)
    state, flow = member * state_stride + own, member * flow_stride + own
    t = tl.load(squashed + state, mask=inside).to(tl.float32)
    dh = tl.load(gradient + member * gradient_stride + own, mask=inside).to(tl.float32)
    dh += tl.load(d_hidden + flow, mask=inside).to(tl.float32)
    dc = tl.load(d_cell + flow, mask=inside).to(tl.float32) + dh * out * (1 - t * t)
    result = d_gates + member * d_gates_stride + wide
    tl.store(result, dc * cell * into * (1 - into), mask=inside)  # sigmoid' = s (1 - s)
    tl.store(result + 2 * width, dc * into * (1 - cell * cell), mask=inside)  # tanh' = 1 - t^2
    tl.store(result + 3 * width, dh * t * out * (1 - out), mask=inside)
    if first:
        tl.store(result + width, tl.zeros_like(dc), mask=inside)
    else:
        c = tl.load(before + state, mask=inside).to(tl.float32)
        tl.store(result + width, dc * c * forget * (1 - forget), mask=inside)
        tl.store(d_cell + flow, dc * forget, mask=inside)  # for the step before


def _grid(states: Tensor) -> tuple[int, int]:
    members, rows, width = states.shape
    return triton.cdiv(rows * width, BLOCK), members


def launch_forward(
    gates: Tensor,
    bias: Tensor | None,
    recurrent: Tensor | None,
    before: Tensor | None,
    activated: Tensor,
    cells: Tensor,
    squashed: Tensor,
    hidden: Tensor,
) -> None:
    """Run the forward kernel."""
    _, rows, width = cells.shape
    _lstm_forward[_grid(cells)](
        gates,
        gates if bias is None else bias,  # some pointer, where none is read
        gates if recurrent is None else recurrent,
        cells if before is None else before,
        activated,
        cells,
        squashed,
        hidden,
        gates.stride(0),
        activated.stride(0),
        cells.stride(0),
        rows * width,
        width,
        biased=bias is not None,
        added=recurrent is not None,
        first=before is None,
        block=BLOCK,
    )


def launch_backward(
    gradient: Tensor,
    d_hidden: Tensor,
    d_cell: Tensor,
    activated: Tensor,
    squashed: Tensor,
    before: Tensor | None,
    d_gates: Tensor,
) -> None:
    """Run the backward kernel."""
    _, rows, width = squashed.shape
    _lstm_backward[_grid(squashed)](
        gradient,
        d_hidden,
        d_cell,
        activated,
        squashed,
        squashed if before is None else before,
        d_gates,
        gradient.stride(0),
        d_hidden.stride(0),
        activated.stride(0),
        squashed.stride(0),
        d_gates.stride(0),
        rows * width,
        width,
        first=before is None,
        block=BLOCK,
    )
