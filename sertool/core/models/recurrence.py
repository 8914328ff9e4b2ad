"""The LSTM's recurrence over packed rows, with its gradient written out.

Autograd would keep every step's slices and add up the weight's gradient step by step. Written out, the gradient of
the recurrent weight is one product over all rows at the end, and a step is two products and a few element-wise
passes. Gates in torch's order: input, forget, cell, output (Hochreiter and Schmidhuber 1997, with forget gates).
"""

import torch
from torch import Tensor


def recurrence(gates: Tensor, weight: Tensor, step_sizes: tuple[int, ...]) -> Tensor:
    """Run the recurrence from a zero state.

    Args:
        gates: (E, P, 4D) the inputs' part of the gates before their activation, packed time-major.
        weight: (E, 4D, D) the recurrent weight.
        step_sizes: rows of each step, never increasing; row r of a step follows row r of the one before.

    Returns:
        (E, P, D) hidden states.
    """
    hidden: Tensor = _Recurrence.apply(gates, weight, step_sizes)  # type: ignore[no-untyped-call]
    return hidden


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gates: Tensor, weight: Tensor, step_sizes: tuple[int, ...]) -> Tensor:  # type: ignore[no-untyped-def]  # noqa: ANN001
        members, rows, width = gates.shape
        width //= 4
        weight = weight.to(gates.dtype)
        transposed = weight.transpose(1, 2)
        activated = torch.empty_like(gates)
        cells, squashed, hidden = (gates.new_empty(members, rows, width) for _ in range(3))
        start, previous = 0, 0
        for size in step_sizes:
            now = slice(start, start + size)
            gate = gates[:, now]
            if start:
                before = slice(previous, previous + size)
                gate = torch.baddbmm(gate, hidden[:, before], transposed)
            act = activated[:, now]
            torch.sigmoid(gate, out=act)
            torch.tanh(gate[..., 2 * width : 3 * width], out=act[..., 2 * width : 3 * width])
            into, forget, cell, out = act.chunk(4, dim=-1)
            torch.mul(into, cell, out=cells[:, now])
            if start:
                cells[:, now].addcmul_(forget, cells[:, before])
            torch.tanh(cells[:, now], out=squashed[:, now])
            torch.mul(out, squashed[:, now], out=hidden[:, now])
            start, previous = start + size, start
        ctx.save_for_backward(activated, cells, squashed, hidden, weight)
        ctx.step_sizes = step_sizes
        return hidden

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        activated, cells, squashed, hidden, weight = ctx.saved_tensors
        members, rows, width = hidden.shape
        largest = ctx.step_sizes[0]
        d_gates = torch.empty_like(activated)
        # Gradients that flow from step t + 1 into step t; rows that end at t have none.
        d_hidden = gradient.new_zeros(members, largest, width)
        d_cell = gradient.new_zeros(members, largest, width)
        before_rows = torch.empty(rows, dtype=torch.int64, device=hidden.device)
        end = rows
        for step in range(len(ctx.step_sizes) - 1, -1, -1):
            size = ctx.step_sizes[step]
            now = slice(end - size, end)
            into, forget, cell, out = activated[:, now].chunk(4, dim=-1)
            d_into, d_forget, d_in, d_out = d_gates[:, now].chunk(4, dim=-1)
            tanh_cell = squashed[:, now]
            d_h = gradient[:, now] + d_hidden[:, :size]
            d_c = d_cell[:, :size]
            # dc += dh * o * (1 - tanh(c)^2)
            d_c += torch.ops.aten.tanh_backward(d_h * out, tanh_cell)
            d_out.copy_(torch.ops.aten.sigmoid_backward(d_h * tanh_cell, out))
            d_into.copy_(torch.ops.aten.sigmoid_backward(d_c * cell, into))
            d_in.copy_(torch.ops.aten.tanh_backward(d_c * into, cell))
            if step:
                first = end - size - ctx.step_sizes[step - 1]
                before = slice(first, first + size)
                torch.arange(first, first + size, out=before_rows[now])
                d_forget.copy_(torch.ops.aten.sigmoid_backward(d_c * cells[:, before], forget))
                d_c *= forget
                torch.bmm(d_gates[:, now], weight, out=d_hidden[:, :size])
            else:
                d_forget.zero_()
            end -= size
        first_step = ctx.step_sizes[0]
        before_hidden = hidden.index_select(1, before_rows[first_step:])
        d_weight = torch.bmm(d_gates[:, first_step:].transpose(1, 2), before_hidden)
        return d_gates, d_weight, None
