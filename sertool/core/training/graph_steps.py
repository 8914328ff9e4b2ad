"""The steps of an epoch on fixed shapes, so that a CUDA device repeats one recorded step without the host.

Everything a step needs lies on the device: the corpus, the epoch's whole schedule, and a counter that says which
step it is. A batch is always full (fillers weigh nothing), every position is computed (masked ones reach no logit).
On a CUDA device the step is recorded once as a CUDA graph, and an epoch is so many replays and one wait at its end;
elsewhere the same operations run one by one, which is how the tests hold them to the plain steps.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sertool.core.compute.device import Precision
from sertool.core.errors import SertoolError
from sertool.core.models.inputs import Inputs
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layers import LSTM, Linear
from sertool.core.models.mat import MAT
from sertool.core.models.mnt import MNT
from sertool.core.training.schedule import Schedule
from sertool.core.training.steps import Stack

EVALUATION_ROWS = 128  # utterances a batch and member
WARM_UPS = 3  # as torch's documentation of CUDA graphs does


class WorkingWeights:
    """bfloat16 copies of the weights that enter products, beside the float32 ones that the optimizer moves.

    Autocast would copy every weight into the smaller format at every step and every gradient back: 12 bytes a weight,
    a third of what Adam moves. Here the copies stay: products read them, their gradients stay in the smaller format,
    and Adam, which has the weight in its hands anyway, writes both. There are no copies where the precision is not
    bf16.

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


class StaticSteps:
    """Recorded steps of one stack; they end with it, when a member leaves.

    Args:
        stack: members, corpus and settings.
        schedule: of any of its epochs; only its shape counts.

    Raises:
        SertoolError: the step cannot be recorded.
    """

    def __init__(self, stack: Stack, schedule: Schedule) -> None:
        device = stack.tables.device
        members = len(stack.folds)
        self.stack = stack
        self.index = schedule.index.to(device)
        self.weights = torch.zeros(schedule.index.shape, device=device)
        self.sizes = torch.zeros(schedule.sizes.shape, device=device)
        self.rates = torch.zeros(schedule.rates.shape, device=device)
        self.counter = torch.zeros(1, dtype=torch.int64, device=device)
        self.updates = torch.zeros(members, dtype=torch.float64, device=device)
        self.total = torch.zeros(members, device=device)
        self.folds = torch.tensor(stack.folds, device=device)
        self.noise = Noise(0, device)
        self.working = WorkingWeights(stack.model, stack.precision)
        # Nobody has a batch yet (all sizes are 0), so that rehearsing the step moves nothing.
        self.step = _record(self._step, self.counter, self.noise)
        self._evaluation: _StaticForward | None = None

    def run(self, schedule: Schedule, seed: int) -> Tensor:
        """An epoch; as :func:`~sertool.core.training.steps.run_steps`."""
        adam = self.stack.adam
        self.working.refresh()
        self.index.copy_(schedule.index, non_blocking=True)
        self.weights.copy_(schedule.weights(), non_blocking=True)
        self.sizes.copy_(schedule.sizes, non_blocking=True)
        self.rates.copy_(schedule.rates, non_blocking=True)
        self.updates.copy_(adam.steps)
        self.counter.zero_()
        self.total.zero_()
        self.noise.seed(seed)
        for _ in range(len(schedule)):
            self.step()
        adam.steps = self.updates.to("cpu", torch.float32)
        return self.total.cpu().clone()  # on a CPU it would be the running total itself

    def _step(self) -> None:
        stack = self.stack
        index, weight, sizes, rates = (
            part.index_select(0, self.counter)[0]
            for part in (self.index, self.weights, self.sizes, self.rates)
        )
        with stack.precision.context():
            logits = self.working.logits(stack.tables.gather_full(index, self.folds), self.noise)
        loss = stack.loss(logits, index, weight, self.folds)
        self.working.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        stack.adam.update_at_once(rates, sizes, self.updates, self.working.copies())
        self.total += loss.detach()
        self.counter += 1

    def evaluate(self, rows: Sequence[Tensor]) -> list[Tensor]:
        """Logits (N_e, C) on the CPU of each member for its own utterances; the same rows at every call."""
        if self._evaluation is None:
            self._evaluation = _StaticForward(self.stack, self.working, self.folds, rows)
        return self._evaluation.run()


class _StaticForward:
    """The same for evaluation: batches of fixed size, the last one filled up."""

    def __init__(self, stack: Stack, working: WorkingWeights, folds: Tensor, rows: Sequence[Tensor]) -> None:
        device = stack.tables.device
        self.stack, self.working, self.folds = stack, working, folds
        self.lengths = [len(own) for own in rows]
        batch = min(EVALUATION_ROWS, max(self.lengths))
        steps = -(-max(self.lengths) // batch)
        padded = torch.stack([torch.cat([own, own[:1].expand(steps * batch - len(own))]) for own in rows])
        self.index = padded.view(len(rows), steps, batch).transpose(0, 1).contiguous().to(device)
        self.counter = torch.zeros(1, dtype=torch.int64, device=device)
        with torch.no_grad():
            like = self._logits()
            self.logits = torch.zeros(steps, *like.shape, device=device)
            self.step = _record(self._step, self.counter, None)

    @torch.no_grad()
    def run(self) -> list[Tensor]:
        self.working.refresh()
        self.counter.zero_()
        for _ in range(len(self.logits)):
            self.step()
        every = self.logits.transpose(0, 1).flatten(1, 2).cpu()
        return [own[:length] for own, length in zip(every, self.lengths, strict=True)]

    def _logits(self) -> Tensor:
        index = self.index.index_select(0, self.counter)[0]
        with self.stack.precision.context():
            logits = self.working.logits(self.stack.tables.gather_full(index, self.folds))
        return logits.float()

    def _step(self) -> None:
        self.logits.index_copy_(0, self.counter, self._logits().unsqueeze(0))
        self.counter += 1


def _record(step: Callable[[], None], counter: Tensor, noise: Noise | None) -> Callable[[], None]:
    """A step as a CUDA graph's replay; the step itself, rehearsed all the same, on any other device."""
    if not counter.is_cuda:
        _rehearse(step, counter)
        return step
    try:
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            _rehearse(step, counter)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        if noise is not None:
            noise.register(graph)
        with torch.cuda.graph(graph):
            step()
    except RuntimeError as error:
        raise SertoolError(
            f"the training step cannot be recorded as a CUDA graph ({error!s:.200})",
            hint="--no-graphs launches every operation on its own",
        ) from error
    replay: Callable[[], None] = graph.replay
    return replay


def _rehearse(step: Callable[[], None], counter: Tensor) -> None:
    """Always the first step, as there may be no other."""
    for _ in range(WARM_UPS):
        counter.zero_()
        step()
