"""The LSTM's recurrence over packed rows, with its gradient written out.

Autograd would keep every step's slices and add up the weight's gradient step by step. Written out, the gradient of
the recurrent weight is one product over all rows at the end, and a step is two products and a few element-wise
passes. Gates in torch's order: input, forget, cell, output (Hochreiter and Schmidhuber 1997, with forget gates).
"""

import torch
from torch import Tensor

from sertool.core.kernels.lstm import step_backward, step_forward


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
            step_forward(
                gate,
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
            before = None
            if step:
                first = end - size - ctx.step_sizes[step - 1]
                before = slice(first, first + size)
                torch.arange(first, first + size, out=before_rows[now])
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
        first_step = ctx.step_sizes[0]
        before_hidden = hidden.index_select(1, before_rows[first_step:])
        d_weight = torch.bmm(d_gates[:, first_step:].transpose(1, 2), before_hidden)
        return d_gates, d_weight, None
