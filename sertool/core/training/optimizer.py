"""Adam for a stack, in which every member has its own step count and learning rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn
from torch.optim.adam import adam

from sertool.core.models.kernels import NAMES, use_triton
from sertool.core.models.kernels.adam import BETAS, EPS, MemberNumbers, adam_step
from sertool.core.recipe.schema import Training

# Most values of a member's parameter that joins the others: copying its gradient takes less time than a call.
SMALL = 2**15


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
        self._joined: _Joined | None = None

    def join(self) -> None:
        """Move the small parameters and their moments into one buffer each, (E, S), of which they become views.

        On a CPU an update then takes one call for a member's small parameters, and not one for each: in a stack of
        small members the calls took four times as long as Adam. Where kernels run, which compute addresses
        themselves, parameters stay as they are.
        """
        weights = [parameter.detach() for parameter in self.parameters]
        if weights[0].is_cuda or any(use_triton(weights[0], name) for name in NAMES):
            return
        if self._joined is not None and self._joined.holds(weights, self.first, self.second):
            return
        places = [place for place, weight in enumerate(weights) if weight[0].numel() <= SMALL]
        if not places:
            return
        self._joined = _Joined(places, *(_join(tensors, places) for tensors in (weights, self.first, self.second)))
        for parameter, weight in zip(self.parameters, weights, strict=True):
            parameter.data = weight

    def update(self, rates: Sequence[float], batch_sizes: Sequence[int]) -> None:
        """Update every member that had a batch, one after the other.

        Args:
            rates: learning rate of each member.
            batch_sizes: number of utterances in each member's batch; 0 leaves weights and moments unchanged.
        """
        tensors = [p.detach() for p in self.parameters], _gradients(self.parameters), self.first, self.second
        if self._joined is not None:
            tensors = self._joined.replace(*tensors)
        for member, (rate, size) in enumerate(zip(rates, batch_sizes, strict=True)):
            if size:
                self._update_member(member, rate, size, *([tensor[member] for tensor in part] for part in tensors))

    def _update_member(
        self,
        member: int,
        rate: float,
        size: int,
        weights: list[Tensor],
        gradients: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
    ) -> None:
        shrink = None
        if self.settings.clip_norm is not None:
            # The loss is summed over the batch; the bound applies to the gradient of its mean.
            norm = torch.nn.utils.get_total_norm(gradients)
            shrink = ((norm + 1e-6) / (self.settings.clip_norm * size)).clamp(min=1.0).float()
        steps = self.steps[member].to(weights[0].device)
        # The functional form of torch's fused Adam: one pass over the memory, on slices that share the stack's. It
        # needs a step count of its own for every tensor, and divides gradients by grad_scale on its way.
        adam(
            weights,
            gradients,
            first,
            second,
            [],
            [steps.clone() for _ in weights],
            fused=True,
            grad_scale=shrink,
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


@dataclass(frozen=True)
class _Joined:
    """Small parameters and their moments in one buffer each.

    Attributes:
        places: positions of the parameters that are views of the buffers.
        weights, first, second: the buffers, (E, S).
    """

    places: list[int]
    weights: Float[Tensor, "E S"]
    first: Float[Tensor, "E S"]
    second: Float[Tensor, "E S"]

    def holds(self, *parts: Sequence[Tensor]) -> bool:
        """Check that weights and moments are still views of the buffers; members that leave replace them."""
        buffers = self.weights, self.first, self.second
        return all(
            part[place].untyped_storage().data_ptr() == buffer.untyped_storage().data_ptr()
            for part, buffer in zip(parts, buffers, strict=True)
            for place in self.places
        )

    def replace(
        self, weights: list[Tensor], gradients: list[Tensor], first: list[Tensor], second: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Replace the small tensors of each list by their buffer, and their gradients by a copy in its order."""
        joined = torch.cat([gradients[place].flatten(1) for place in self.places], dim=1)
        apart = [place for place in range(len(weights)) if place not in self.places]
        lists = zip((self.weights, joined, self.first, self.second), (weights, gradients, first, second), strict=True)
        one, two, three, four = ([buffer, *(own[place] for place in apart)] for buffer, own in lists)
        return one, two, three, four


def _join(tensors: list[Tensor], places: Sequence[int]) -> Tensor:
    """Copy tensors (E, ...) into one buffer (E, S), and replace them in the list by views of it."""
    buffer = torch.cat([tensors[place].flatten(1) for place in places], dim=1)
    views = torch.split(buffer, [tensors[place][0].numel() for place in places], dim=1)
    for place, view in zip(places, views, strict=True):
        tensors[place] = view.view(tensors[place].shape)
    return buffer
