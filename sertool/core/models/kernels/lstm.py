"""The LSTM's recurrence over packed rows, with its gradient written out.

Autograd would keep every step's slices and add up the weight's gradient step by step. Written out, the gradient of
the recurrent weight is one product over all rows at the end, and a step is two products and a few element-wise
passes, forward and backward. On a CUDA device one kernel does the element-wise part; the products are torch's.

Gates in torch's order: input, forget, cell, output (Hochreiter and Schmidhuber 1997, with forget gates).
"""

import torch
from torch import Tensor

from sertool.core.models.kernels import use_triton


def recurrence(gates: Tensor, bias: Tensor | None, weight: Tensor, step_sizes: tuple[int, ...]) -> Tensor:
    """Run the recurrence from a zero state.

    Args:
        gates: (E, P, 4D) the inputs' part of the gates before their activation, packed time-major.
        bias: (E, 4D) that is still to be added to it, or None.
        weight: (E, 4D, D) the recurrent weight.
        step_sizes: rows of each step, never increasing; row r of a step follows row r of the one before.

    Returns:
        (E, P, D) hidden states.
    """
    hidden: Tensor = _Recurrence.apply(gates, bias, weight, step_sizes)  # type: ignore[no-untyped-call]
    return hidden


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx,  # noqa: ANN001
        gates: Tensor,
        bias: Tensor | None,
        weight: Tensor,
        step_sizes: tuple[int, ...],
    ) -> Tensor:
        members, rows, width = gates.shape
        width //= 4
        ctx.formats = weight.dtype, None if bias is None else bias.dtype
        weight = weight.to(gates.dtype)
        transposed = weight.transpose(1, 2)
        activated = torch.empty_like(gates)
        cells, squashed, hidden = (gates.new_empty(members, rows, width) for _ in range(3))
        # The kernel adds the two parts of the gates, elsewhere the product does.
        apart = use_triton(gates, "lstm")
        start, previous = 0, 0
        for size in step_sizes:
            now = slice(start, start + size)
            gate, recurrent = gates[:, now], None
            if start:
                before = slice(previous, previous + size)
                if apart:
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
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        activated, cells, squashed, hidden, weight = ctx.saved_tensors
        members, rows, width = hidden.shape
        sizes = ctx.step_sizes
        d_gates = torch.empty_like(activated)
        # Gradients that flow from step t + 1 into step t; rows that end at t have none.
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
    """(E, P - R, D): of each row but those of the first step the one that it follows."""
    rows = hidden.shape[1]
    if step_sizes[0] == step_sizes[-1]:
        return hidden[:, : rows - step_sizes[0]]
    sizes = torch.tensor(step_sizes)
    steps = torch.repeat_interleave(torch.arange(len(sizes)), sizes)[step_sizes[0] :]
    before = torch.arange(step_sizes[0], rows) - sizes[steps - 1]
    return hidden.index_select(1, before.to(hidden.device))


def step_forward(
    gates: Tensor,
    bias: Tensor | None,
    recurrent: Tensor | None,
    before: Tensor | None,
    activated: Tensor,
    cells: Tensor,
    squashed: Tensor,
    hidden: Tensor,
) -> None:
    """From gates before their activation to the step's state, in place.

    Args:
        gates: (E, R, 4D), the inputs' part.
        bias: (E, 4D) that is still to be added, or None.
        recurrent: (E, R, 4D), the state's part, contiguous; None in the first step, or where it is added already.
        before: (E, R, D) cells of the step before; None in the first step.
        activated: (E, R, 4D), takes the gates.
        cells: (E, R, D), takes the cells.
        squashed: (E, R, D), takes their tanh.
        hidden: (E, R, D), takes the output.
    """
    if use_triton(gates, "lstm"):
        from sertool.core.models.kernels.lstm_triton import launch_forward

        launch_forward(gates, bias, recurrent, before, activated, cells, squashed, hidden)
        return
    for part in (recurrent, None if bias is None else bias.unsqueeze(1).to(gates.dtype)):
        gates = gates if part is None else gates + part
    width = cells.shape[-1]
    torch.sigmoid(gates, out=activated)
    torch.tanh(gates[..., 2 * width : 3 * width], out=activated[..., 2 * width : 3 * width])
    into, forget, cell, out = activated.chunk(4, dim=-1)
    torch.mul(into, cell, out=cells)
    if before is not None:
        cells.addcmul_(forget, before)
    torch.tanh(cells, out=squashed)
    torch.mul(out, squashed, out=hidden)


def step_backward(
    gradient: Tensor,
    d_hidden: Tensor,
    d_cell: Tensor,
    activated: Tensor,
    squashed: Tensor,
    before: Tensor | None,
    d_gates: Tensor,
) -> None:
    """The gradient of the gates of a step, in place; ``d_cell`` becomes that of the step before.

    Args:
        gradient: (E, R, D) of the step's output, from above.
        d_hidden: (E, R, D) of its output, from the step behind.
        d_cell: (E, R, D) of its cells, from the step behind.
        activated: (E, R, 4D) as the forward pass left them.
        squashed: (E, R, D) tanh of the cells.
        before: (E, R, D) cells of the step before; None in the first step.
        d_gates: (E, R, 4D), takes the result.
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
        d_forget.zero_()
