"""The element-wise part of an LSTM step, forward and backward; the products around it are torch's.

Gates in torch's order: input, forget, cell, output. All tensors are slices of one time step of packed rows: (E, R, 4D)
or (E, R, D), contiguous but for the member axis.
"""

import torch
from torch import Tensor

from sertool.core.models.kernels import use_triton


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
