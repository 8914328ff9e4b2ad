"""Weights in the number format that products take, beside the float32 ones that the optimizer moves.

Autocast would copy every weight into the smaller format at every step and every gradient back: 12 bytes a weight, a
third of what Adam moves. Here the copies stay: products read them, their gradients stay in the smaller format, and
Adam, which has the weight in its hands anyway, writes both.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sertool.core.compute.device import Precision
from sertool.core.models.inputs import Inputs
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layers import LSTM, Linear
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT


class WorkingWeights:
    """The copies of one stack's weights of products; there are none where the precision is not bf16.

    Args:
        model: whose parameters are the masters.
        precision: number format.
    """

    def __init__(self, model: MAT | MNT, precision: Precision) -> None:
        self._model = model
        self._copies = {
            name: torch.empty_like(parameter, dtype=torch.bfloat16).requires_grad_()
            for name, parameter in _product_weights(model).items()
            if precision.name == "bf16"
        }
        self.refresh()

    def refresh(self) -> None:
        """Copy the masters, which somebody else than Adam may have moved."""
        masters = dict(self._model.named_parameters())
        with torch.no_grad():
            for name, copy in self._copies.items():
                copy.copy_(masters[name])

    def logits(self, inputs: Inputs, noise: Noise | None = None) -> Tensor:
        """What the model says with these weights."""
        result: Tensor = functional_call(self._model, self._copies, (inputs, noise))
        return result

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters and copies."""
        self._model.zero_grad(set_to_none=True)
        for copy in self._copies.values():
            copy.grad = None

    def copies(self) -> Sequence[Tensor | None]:
        """For each parameter of the model its copy, or None."""
        return [self._copies.get(name) for name, _ in self._model.named_parameters()]


def _product_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    return {
        f"{name}.{own}": parameter
        for name, module in model.named_modules()
        if isinstance(module, Linear | LSTM)
        for own, parameter in module.named_parameters(recurse=False)
        if parameter.dim() == 3
    }
