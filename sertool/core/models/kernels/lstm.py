"""The LSTM's recurrence over packed rows, with its gradient written out.

Autograd would keep every step's slices and add up the weight's gradient step by step. Written out, the gradient of
the recurrent weight is one product over all rows at the end. On a CUDA device the element-wise part of a step is one
kernel; the products are torch's. With x_t and h_t the inputs' and the state's part of the gates before activation,

    i, f, o = sigmoid(...), g = tanh(...);  c_t = f c_(t-1) + i g;  h_t = o tanh(c_t)

in torch's order of gates: input i, forget f, cell g, output o (Hochreiter and Schmidhuber 1997; Gers et al. 2000).
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sertool.core.models.kernels import use_triton


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
    def forward(
        ctx: Any,
        gates: Tensor,
        bias: Tensor | None,
        weight: Tensor,
        step_sizes: tuple[int, ...],
    ) -> Tensor:
        members, rows, width = gates.shape
        width //= 4
        ctx.formats = weight.dtype, None if bias is None else bias.dtype
        weight = weight.to(gates.dtype)  # cast once, not in every step
        transposed = weight.transpose(1, 2)
        activated = torch.empty_like(gates)
        cells, squashed, hidden = (gates.new_empty(members, rows, width) for _ in range(3))
        # The kernel adds the two parts of the gates; elsewhere the product adds them.
        separate = use_triton(gates, "lstm")
        start, previous = 0, 0
        for size in step_sizes:
            now = slice(start, start + size)
            gate, recurrent = gates[:, now], None
            if start:
                before = slice(previous, previous + size)
                if separate:
                    recurrent = torch.bmm(hidden[:, before], transposed)
                else:
                    gate = torch.baddbmm(gate, hidden[:, before], transposed)
            step_forward(
                gate,
                bias,
                recurrent,
                cells[:, before] if start else None,
                activated[:, now],
                cells[:, now],
                squashed[:, now],
                hidden[:, now],
            )
            start, previous = start + size, start
        ctx.save_for_backward(activated, cells, squashed, hidden, weight)
        ctx.step_sizes = step_sizes
        return hidden

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor, None]:
        activated, cells, squashed, hidden, weight = ctx.saved_tensors
        members, rows, width = hidden.shape
        sizes = ctx.step_sizes
        d_gates = torch.empty_like(activated)
        # Gradients that flow from step t + 1 into step t; they are 0 for rows that end at t.
        d_hidden = gradient.new_zeros(members, sizes[0], width)
        d_cell = gradient.new_zeros(members, sizes[0], width)
        end = rows
        for step in range(len(sizes) - 1, -1, -1):
            size = sizes[step]
            now = slice(end - size, end)
            before = None
            if step:
                first = end - size - sizes[step - 1]
                before = slice(first, first + size)
            step_backward(
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
        d_weight = torch.bmm(d_gates[:, sizes[0] :].transpose(1, 2), _rows_before(hidden, sizes))
        of_weight, of_bias = ctx.formats
        d_bias = None if of_bias is None else d_gates.sum(1, dtype=of_bias)
        return d_gates, d_bias, d_weight.to(of_weight), None


def _rows_before(hidden: Tensor, step_sizes: tuple[int, ...]) -> Tensor:
    """Return (E, P - R, D): for each row after the first step the row that it follows."""
    rows = hidden.shape[1]
    if step_sizes[0] == step_sizes[-1]:  # steps of equal size, as in a full layout: a slice, no gather
        return hidden[:, : rows - step_sizes[0]]
    sizes = torch.tensor(step_sizes)
    steps = torch.repeat_interleave(torch.arange(len(sizes)), sizes)[step_sizes[0] :]
    before = torch.arange(step_sizes[0], rows) - sizes[steps - 1]
    return hidden.index_select(1, before.to(hidden.device))


def step_forward(
    gates: Float[Tensor, "E R G"],
    bias: Float[Tensor, "E G"] | None,
    recurrent: Float[Tensor, "E R G"] | None,
    before: Float[Tensor, "E R D"] | None,
    activated: Float[Tensor, "E R G"],
    cells: Float[Tensor, "E R D"],
    squashed: Float[Tensor, "E R D"],
    hidden: Float[Tensor, "E R D"],
) -> None:
    """Compute one step's state from its gates, in place. Tensors are slices of one step, contiguous but for members.

    Args:
        gates: the inputs' part, before activation.
        bias: still to be added, or None.
        recurrent: the state's part, contiguous; None in the first step, or where it is added already.
        before: cells of the step before; None in the first step.
        activated: receives the gates after activation.
        cells: receives the cells.
        squashed: receives their tanh.
        hidden: receives the output.
    """
    if use_triton(gates, "lstm"):
        from sertool.core.models.kernels.lstm_triton import launch_forward

        launch_forward(gates, bias, recurrent, before, activated, cells, squashed, hidden)
        return
    for part in (recurrent, None if bias is None else bias.unsqueeze(1).to(gates.dtype)):
        gates = gates if part is None else gates + part
    width = cells.shape[-1]
    torch.sigmoid(gates, out=activated)  # of all four in one pass; the cell's gate is overwritten below
    torch.tanh(gates[..., 2 * width : 3 * width], out=activated[..., 2 * width : 3 * width])
    into, forget, cell, out = activated.chunk(4, dim=-1)
    torch.mul(into, cell, out=cells)
    if before is not None:
        cells.addcmul_(forget, before)
    torch.tanh(cells, out=squashed)
    torch.mul(out, squashed, out=hidden)


def step_backward(
    gradient: Float[Tensor, "E R D"],
    d_hidden: Float[Tensor, "E R D"],
    d_cell: Float[Tensor, "E R D"],
    activated: Float[Tensor, "E R G"],
    squashed: Float[Tensor, "E R D"],
    before: Float[Tensor, "E R D"] | None,
    d_gates: Float[Tensor, "E R G"],
) -> None:
    """Compute the gradient of a step's gates, in place; ``d_cell`` becomes the gradient for the step before.

    Args:
        gradient: gradient of the step's output, from the layer above.
        d_hidden: gradient of its output, from the next step.
        d_cell: gradient of its cells, from the next step.
        activated: gates as the forward pass left them.
        squashed: tanh of the cells.
        before: cells of the step before; None in the first step.
        d_gates: receives the result.
    """
    if use_triton(activated, "lstm"):
        from sertool.core.models.kernels.lstm_triton import launch_backward

        launch_backward(gradient, d_hidden, d_cell, activated, squashed, before, d_gates)
        return
    into, forget, cell, out = activated.chunk(4, dim=-1)
    d_into, d_forget, d_in, d_out = d_gates.chunk(4, dim=-1)
    d_h = gradient + d_hidden
    # dc += dh * o * (1 - tanh(c)^2)
    d_cell += torch.ops.aten.tanh_backward(d_h * out, squashed)
    d_out.copy_(torch.ops.aten.sigmoid_backward(d_h * squashed, out))
    d_into.copy_(torch.ops.aten.sigmoid_backward(d_cell * cell, into))
    d_in.copy_(torch.ops.aten.tanh_backward(d_cell * into, cell))
    if before is not None:
        d_forget.copy_(torch.ops.aten.sigmoid_backward(d_cell * before, forget))
        d_cell *= forget
    else:
        d_forget.zero_()  # the forget gate of the first step acts on a zero state
