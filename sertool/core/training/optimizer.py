"""Adam for a stack, in which every member has its own step count and learning rate."""

from collections.abc import Sequence

import torch
from jaxtyping import Float32, Float64
from torch import Tensor, nn
from torch.optim.adam import adam

from sertool.core.models.kernels.adam import BETAS, EPS, MemberNumbers, adam_step
from sertool.core.recipe.schema import Training


class StackedAdam:
    """Adam (Kingma and Ba 2015), or AdamW (Loshchilov and Hutter 2019), over parameters (E, ...).

    Attributes:
        first, second: moment estimates, one tensor (E, ...) per parameter.
        steps: (E,) number of updates of each member.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], settings: Training) -> None:
        self.parameters = list(parameters)
        self.settings = settings
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = torch.zeros(len(self.parameters[0]))  # on the CPU, as the schedule is

    def update(self, rates: Sequence[float], batch_sizes: Sequence[int]) -> None:
        """Update every member that had a batch, one after the other.

        Args:
            rates: learning rate of each member.
            batch_sizes: number of utterances in each member's batch; 0 leaves weights and moments unchanged.
        """
        gradients = _gradients(self.parameters)
        for member, (rate, size) in enumerate(zip(rates, batch_sizes, strict=True)):
            if size:
                self._update_member(member, rate, size, [gradient[member] for gradient in gradients])

    def _update_member(self, member: int, rate: float, size: int, gradients: list[Tensor]) -> None:
        if self.settings.clip_norm is not None:
            # The loss is summed over the batch; the bound applies to the gradient of its mean.
            norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
            scale = (self.settings.clip_norm * size / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_(gradients, scale)
        weights = [p.detach()[member] for p in self.parameters]
        steps = self.steps[member].to(weights[0].device)
        # The functional form of torch's fused Adam: one pass over the memory, on slices that share the stack's. It
        # needs a step count of its own for every parameter.
        adam(
            weights,
            gradients,
            [moment[member] for moment in self.first],
            [moment[member] for moment in self.second],
            [],
            [steps.clone() for _ in weights],
            fused=True,
            decoupled_weight_decay=self.settings.optimizer == "adamw",
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=rate,
            weight_decay=self.settings.weight_decay,
            eps=EPS,
            maximize=False,
        )
        self.steps[member] += 1

    def update_at_once(
        self,
        rates: Float32[Tensor, "E"],
        batch_sizes: Float32[Tensor, "E"],
        steps: Float64[Tensor, "E"],
        copies: Sequence[Tensor | None] = (),
    ) -> None:
        """Update all members in one pass; all numbers lie on the device, so nothing waits for the host.

        Args:
            rates: learning rate of each member.
            batch_sizes: number of utterances in each member's batch; 0 leaves the member unchanged.
            steps: updates so far, counted in place; :attr:`steps` does not change.
            copies: for each parameter None, or a copy in a smaller number format, which has the gradient and is
                updated as well; an empty sequence if there are no copies at all.
        """
        settings, moved = self.settings, batch_sizes > 0
        copies = copies or [None] * len(self.parameters)
        both = zip(self.parameters, copies, strict=True)
        gradients = _gradients([parameter if copy is None else copy for parameter, copy in both])
        steps += moved
        # In float64: 1 - 0.999^t loses digits in float32 while t is small.
        first_share, second_share = (1 - beta**steps for beta in BETAS)
        scale = torch.ones_like(rates)
        if settings.clip_norm is not None:
            # As in _update_member, but one norm for each member over all parameters.
            squares = torch.stack([g.flatten(1).float().square().sum(1) for g in gradients]).sum(0)
            scale = (settings.clip_norm * batch_sizes / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        decay = settings.weight_decay if settings.optimizer == "adamw" else 0.0
        numbers = MemberNumbers(
            scale=scale,
            kept=1 - rates * decay,
            step_size=(rates / first_share).float(),
            root=second_share.sqrt().float(),
            moved=moved.float(),
        )
        every = zip(self.parameters, copies, gradients, self.first, self.second, strict=True)
        for parameter, copy, gradient, first, second in every:
            into = None if copy is None else copy.detach()
            adam_step(parameter.detach(), gradient, first, second, numbers, into)


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return all gradients, or raise RuntimeError if one is missing."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if len(gradients) != len(parameters):
        raise RuntimeError("a parameter has no gradient")
    return gradients
