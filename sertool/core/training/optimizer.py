"""Adam for a stack: every member has its own step count and learning rate; and the learning rate's schedules."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from sertool.core.models.kernels.adam import BETAS, EPS, MemberNumbers, adam_step
from sertool.core.recipe.schema import Training


class StackedAdam:
    """Adam (Kingma and Ba 2015), or AdamW (Loshchilov and Hutter 2019), over parameters (E, ...).

    Attributes:
        first, second: moment estimates, one tensor (E, ...) a parameter.
        steps: (E,) updates that each member has had.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], settings: Training) -> None:
        self.parameters = list(parameters)
        self.settings = settings
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = torch.zeros(len(self.parameters[0]))

    def update(self, rates: Sequence[float], batch_sizes: Sequence[int]) -> None:
        """One step of every member that had a batch.

        Args:
            rates: learning rate of each member.
            batch_sizes: utterances each member saw; 0 leaves it as it is, momentum and all.
        """
        gradients = _gradients(self.parameters)
        for member, (rate, size) in enumerate(zip(rates, batch_sizes, strict=True)):
            if size:
                self._update_member(member, rate, size, [gradient[member] for gradient in gradients])

    def _update_member(self, member: int, rate: float, size: int, gradients: list[Tensor]) -> None:
        if self.settings.clip_norm is not None:
            # The loss is summed over the batch; the bound is on the gradient of its mean.
            norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
            scale = (self.settings.clip_norm * size / (norm + 1e-6)).clamp(max=1.0)
            torch._foreach_mul_(gradients, scale)
        weights = [p.detach()[member] for p in self.parameters]
        steps = self.steps[member].to(weights[0].device)
        # The functional form of torch's fused Adam: one pass over the memory, on slices that share the stack's.
        # It counts every parameter's steps in a tensor of its own.
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
        self, rates: Tensor, batch_sizes: Tensor, steps: Tensor, copies: Sequence[Tensor | None] = ()
    ) -> None:
        """The same step, all members in one pass, by numbers that lie on the device: nothing waits for them.

        Args:
            rates: (E,) learning rates, float32.
            batch_sizes: (E,) utterances each member saw, float32; 0 leaves it as it is.
            steps: (E,) updates so far, float64; counted on in place, :attr:`steps` stays as it is.
            copies: for each parameter, where there are any, one in a smaller number format that has the gradient
                and moves along, or None.
        """
        settings, moved = self.settings, batch_sizes > 0
        copies = copies or [None] * len(self.parameters)
        both = zip(self.parameters, copies, strict=True)
        gradients = _gradients([parameter if copy is None else copy for parameter, copy in both])
        steps += moved
        first_share, second_share = (1 - beta**steps for beta in BETAS)
        scale = torch.ones_like(rates)
        if settings.clip_norm is not None:
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
    gradients = [p.grad for p in parameters if p.grad is not None]
    if len(gradients) != len(parameters):
        raise RuntimeError("a parameter has no gradient")
    return gradients
