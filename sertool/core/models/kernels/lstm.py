"""The LSTM's recurrence over packed rows, with its gradient written out.

Autograd would keep every step's slices and add up the weight's gradient step by step. Written out, the gradient of
the recurrent weight is one product over all rows at the end, and the factors of all steps are computed at once. On a
CUDA device the element-wise part of a step is one kernel; the products are torch's. With x_t and h_t the inputs' and
the state's part of the gates before activation,

    i, f, o = sigmoid(...), g = tanh(...);  c_t = f c_(t-1) + i g;  h_t = o tanh(c_t)

in torch's order of gates: input i, forget f, cell g, output o (Hochreiter and Schmidhuber 1997; Gers et al. 2000).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sertool.core.models.kernels import use_triton

_MINUS_ONE = torch.tensor(-1.0)
_COARSE = torch.bfloat16, torch.float16

States = tuple[Tensor, Tensor, Tensor, Tensor]  # gates after activation (E, P, G); cells, their tanh, output (E, P, D)


def recurrence(
    gates: Float[Tensor, "E P G"],
    bias: Float[Tensor, "E G"] | None,
    weight: Float[Tensor, "E G D"],
    step_sizes: tuple[int, ...],
) -> Float[Tensor, "E P D"]:
    """Compute hidden states from a zero state; G = 4 D.

    Args:
        gates: the inputs' part of the gates before activation, packed time-major.
        bias: still to be added to the gates, or None.
        weight: recurrent weight.
        step_sizes: rows of each step, never increasing; row r of a step follows row r of the step before.
    """
    hidden: Tensor = _Recurrence.apply(gates, bias, weight, step_sizes)  # type: ignore[no-untyped-call]
    return hidden


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gates: Tensor, bias: Tensor | None, weight: Tensor, step_sizes: tuple[int, ...]) -> Tensor:
        members, rows, width = gates.shape
        ctx.formats = weight.dtype, None if bias is None else bias.dtype
        weight = weight.to(gates.dtype)  # cast once, not in every step
        cells, squashed, hidden = (gates.new_empty(members, rows, width // 4) for _ in range(3))
        states = torch.empty_like(gates), cells, squashed, hidden
        compute = _forward_by_kernel if use_triton(gates, "lstm") else _forward
        compute(gates, bias, weight, step_sizes, states)
        ctx.save_for_backward(*states, weight)
        ctx.step_sizes = step_sizes
        return hidden

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor, None]:
        *states, weight = ctx.saved_tensors
        sizes = ctx.step_sizes
        compute = _backward_by_kernel if use_triton(gradient, "lstm") else _backward
        d_gates = compute(gradient, weight, sizes, tuple(states))
        d_weight = torch.bmm(d_gates[:, sizes[0] :].transpose(1, 2), _rows_before(states[-1], sizes))
        of_weight, of_bias = ctx.formats
        d_bias = None if of_bias is None else d_gates.sum(1, dtype=of_bias)
        return d_gates, d_bias, d_weight.to(of_weight), None


def _forward(gates: Tensor, bias: Tensor | None, weight: Tensor, step_sizes: tuple[int, ...], states: States) -> None:
    """Compute the states of all steps in plain torch; arguments as of :func:`recurrence`, one number format."""
    activated, cells, squashed, hidden = states
    if bias is not None:
        gates = gates + bias.unsqueeze(1).to(gates.dtype)
    transposed, width = weight.transpose(1, 2), weight.shape[2]
    # The views of all steps at once: in a small stack, making them one by one takes as long as computing.
    parts = gates, activated, *torch.split(activated, width, -1), cells, squashed, hidden
    before = None
    for gate, active, into, forget, cell, out, state, squash, output in zip(
        *(torch.split(part, list(step_sizes), 1) for part in parts), strict=True
    ):
        if before is not None:
            last_state, last_output = (part[:, : gate.shape[1]] for part in before)
            gate = torch.baddbmm(gate, last_output, transposed)
        torch.sigmoid(gate, out=active)  # of all four in one pass; the cell's gate is overwritten below
        _tanh(gate[..., 2 * width : 3 * width], cell)
        torch.mul(into, cell, out=state)
        if before is not None:
            state.addcmul_(forget, last_state)
        _tanh(state, squash)
        torch.mul(out, squash, out=output)
        before = state, output


def _tanh(values: Tensor, out: Tensor) -> None:
    """Compute tanh as 2 sigmoid(2 x) - 1, to within 1e-7: on a CPU torch's tanh takes three times as long."""
    if values.dtype in _COARSE:  # the difference would have too few digits
        torch.tanh(values, out=out)
        return
    torch.mul(values, 2, out=out).sigmoid_()
    torch.add(_MINUS_ONE, out, alpha=2, out=out)


def _backward(gradient: Tensor, weight: Tensor, step_sizes: tuple[int, ...], states: States) -> Tensor:
    """Compute the gradient of the gates in plain torch.

    All that the gradients are multiplied by depends on the states alone, so it is computed for all steps at once.
    """
    activated, cells, squashed, _ = states
    members, rows, width = cells.shape
    first = step_sizes[0]
    into, forget, cell, out = torch.split(activated, width, -1)
    # Derivatives of c_t by the gates i, f and g, and of h_t by o, before activation; they become the result in place.
    d_gates = torch.empty_like(activated)
    d_into, d_forget, d_cell, d_out = torch.split(d_gates, width, -1)
    sigmoid, tanh = torch.ops.aten.sigmoid_backward.grad_input, torch.ops.aten.tanh_backward.grad_input
    sigmoid(cell, into, grad_input=d_into)
    d_forget[:, :first] = 0  # the forget gate of the first step acts on a zero state
    sigmoid(_rows_before(cells, step_sizes), forget[:, first:], grad_input=d_forget[:, first:])
    tanh(into, cell, grad_input=d_cell)
    sigmoid(squashed, out, grad_input=d_out)
    to_state = torch.ops.aten.tanh_backward(out, squashed)  # derivative of h_t by c_t
    d_hidden = gradient.clone(memory_format=torch.contiguous_format)
    # Gradient of the cells that flows from step t + 1 into step t; it is 0 for rows that end at t.
    d_state = gradient.new_zeros(members, first, width)
    by_state = d_gates.view(members, rows, 4, width)[:, :, :3]
    parts = d_gates, by_state, d_out, forget, to_state, d_hidden
    steps = list(zip(*(torch.split(part, list(step_sizes), 1) for part in parts), strict=True))
    for step in range(len(steps) - 1, -1, -1):
        d_gate, by_own_state, by_output, kept, factor, d_output = steps[step]
        own = d_state[:, : step_sizes[step]].addcmul_(d_output, factor)
        by_own_state.mul_(own.unsqueeze(2))
        by_output.mul_(d_output)
        if step:
            own.mul_(kept)
            steps[step - 1][-1][:, : step_sizes[step]].add_(torch.bmm(d_gate, weight))
    return d_gates


def _forward_by_kernel(
    gates: Tensor, bias: Tensor | None, weight: Tensor, step_sizes: tuple[int, ...], states: States
) -> None:
    """Compute the states of all steps with one kernel and one product a step; arguments as of :func:`_forward`."""
    from sertool.core.models.kernels.lstm_triton import launch_forward

    activated, cells, squashed, hidden = states
    transposed = weight.transpose(1, 2)
    start, previous = 0, 0
    for size in step_sizes:
        now, before = slice(start, start + size), slice(previous, previous + size)
        launch_forward(
            gates[:, now],
            bias,
            torch.bmm(hidden[:, before], transposed) if start else None,
            cells[:, before] if start else None,
            activated[:, now],
            cells[:, now],
            squashed[:, now],
            hidden[:, now],
        )
        start, previous = start + size, start


def _backward_by_kernel(gradient: Tensor, weight: Tensor, step_sizes: tuple[int, ...], states: States) -> Tensor:
    """Compute the gradient of the gates with one kernel and one product a step."""
    from sertool.core.models.kernels.lstm_triton import launch_backward

    activated, cells, squashed, _ = states
    members, end, width = cells.shape
    d_gates = torch.empty_like(activated)
    # Gradients that flow from step t + 1 into step t; they are 0 for rows that end at t.
    d_hidden = gradient.new_zeros(members, step_sizes[0], width)
    d_cell = gradient.new_zeros(members, step_sizes[0], width)
    for step in range(len(step_sizes) - 1, -1, -1):
        size = step_sizes[step]
        now, before = slice(end - size, end), None
        if step:
            first = end - size - step_sizes[step - 1]
            before = slice(first, first + size)
        launch_backward(
            gradient[:, now],
            d_hidden[:, :size],
            d_cell[:, :size],
            activated[:, now],
            squashed[:, now],
            cells[:, before] if before is not None else None,
            d_gates[:, now],
        )
        if step:
            torch.bmm(d_gates[:, now], weight, out=d_hidden[:, :size])
        end -= size
    return d_gates


def _rows_before(hidden: Tensor, step_sizes: tuple[int, ...]) -> Tensor:
    """Return (E, P - R, D): for each row after the first step the row that it follows."""
    rows = hidden.shape[1]
    if step_sizes[0] == step_sizes[-1]:  # steps of equal size, as in a full layout: a slice, no gather
        return hidden[:, : rows - step_sizes[0]]
    sizes = torch.tensor(step_sizes)
    steps = torch.repeat_interleave(torch.arange(len(sizes)), sizes)[step_sizes[0] :]
    before = torch.arange(step_sizes[0], rows) - sizes[steps - 1]
    return hidden.index_select(1, before.to(hidden.device))
