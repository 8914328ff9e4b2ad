"""Steps of an epoch on fixed shapes, so that a CUDA device repeats one recorded step without the host.

Everything a step needs lies on the device: the corpus, the epoch's complete schedule, and a counter of steps. A batch
is always full (fillers have weight 0), and every position is computed (masked ones reach no logit). On a CUDA device
the step is recorded once as a CUDA graph; an epoch is a number of replays with one wait at its end. On other devices
the same operations run one by one, so the tests can compare them with the plain steps.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.func import functional_call

from sertool.core.compute.device import Precision
from sertool.core.compute.shortage import ran_out_of_memory
from sertool.core.errors import SertoolError
from sertool.core.models.build import StackModel
from sertool.core.models.inputs import Inputs, Turns
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layers import LSTM, Linear
from sertool.core.training.dialogues import pack_all
from sertool.core.training.schedule import Schedule
from sertool.core.training.steps import Stack

EVALUATION_ROWS = 128  # utterances per batch and member
WARM_UPS = 3  # runs before recording, as in torch's documentation of CUDA graphs


class UnrecordedError(SertoolError):
    """A step cannot be recorded, or its replay is wrong; the operations themselves can still be launched one by one."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="try --no-graphs, which launches every operation on its own")


class WorkingWeights:
    """bfloat16 copies of the weights that enter products, beside the float32 ones that the optimizer moves.

    Autocast would copy every weight into the smaller format at every step and every gradient back: 12 bytes a weight,
    a third of what Adam moves. Here the copies stay: products read them, their gradients stay in the smaller format,
    and Adam, which reads the weight anyway, writes both. There are no copies unless the precision is bf16.

    Args:
        model: stack whose parameters are the float32 masters.
        precision: device and number format.
    """

    def __init__(self, model: StackModel, precision: Precision) -> None:
        self._model = model
        self._copies = {
            name: torch.empty_like(parameter, dtype=torch.bfloat16).requires_grad_()
            for name, parameter in _product_weights(model).items()
            if precision.name == "bf16"
        }
        self.refresh()

    def refresh(self) -> None:
        """Copy the masters again; other code than Adam may have changed them."""
        masters = dict(self._model.named_parameters())
        with torch.no_grad():
            for name, copy in self._copies.items():
                copy.copy_(masters[name])

    def logits(self, inputs: Inputs, noise: Noise | None = None) -> Float[Tensor, "E B C"]:
        """Run the model with the copies in place of their masters."""
        result: Tensor = functional_call(self._model, self._copies, (inputs, noise))
        return result

    def zero_grad(self) -> None:
        """Drop the gradients of all parameters and copies."""
        self._model.zero_grad(set_to_none=True)
        for copy in self._copies.values():
            copy.grad = None

    def copies(self) -> Sequence[Tensor | None]:
        """Return the copy of each parameter of the model, or None."""
        return [self._copies.get(name) for name, _ in self._model.named_parameters()]


def _product_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the matrices of linear layers and LSTMs by name; biases and norms stay in float32."""
    return {
        f"{name}.{own}": parameter
        for name, module in model.named_modules()
        if isinstance(module, Linear | LSTM)
        for own, parameter in module.named_parameters(recurse=False)
        if parameter.dim() == 3
    }


class StaticSteps:
    """Recorded steps of one stack; when a member leaves, they are recorded again.

    Args:
        stack: members, corpus and settings.
        schedule: schedule of any of its epochs; only the shape counts.

    Raises:
        UnrecordedError: the step cannot be recorded.
    """

    def __init__(self, stack: Stack, schedule: Schedule) -> None:
        device = stack.tables.device
        members = len(stack.folds)
        self.stack = stack
        self.index = schedule.index.to(device)
        self.turns = None if schedule.packed is None else schedule.packed.turns.to(device)
        self.weights = torch.zeros(schedule.index.shape, device=device)
        self.sizes = torch.zeros(schedule.sizes.shape, device=device)
        self.rates = torch.zeros(schedule.rates.shape, device=device)
        self.counter = torch.zeros(1, dtype=torch.int64, device=device)
        self.updates = torch.zeros(members, dtype=torch.float64, device=device)
        self.total = torch.zeros(members, device=device)
        self.folds = torch.tensor(stack.folds, device=device)
        self.noise = Noise(0, device)  # seeded for each epoch in run
        self.working = WorkingWeights(stack.model, stack.precision)
        # All sizes are 0 here, so that the runs before recording change no weight.
        self.step = record(self.plain_step, self.counter, self.noise)
        self._evaluation: StaticForward | None = None

    def run(self, schedule: Schedule, seed: int) -> Float32[Tensor, "E"]:
        """Train for one epoch; arguments and result as of :func:`~sertool.core.training.steps.run_steps`."""
        self.load(schedule, seed)
        for _ in range(len(schedule)):
            self.step()
        self.stack.adam.steps = self.updates.to("cpu", torch.float32)
        return self.total.cpu().clone()  # clone: on a CPU this would be the running total itself

    def load(self, schedule: Schedule, seed: int) -> None:
        """Get ready for the first step of an epoch; arguments as of :meth:`run`."""
        self.working.refresh()
        # Copied in place: the graph knows the addresses of these tensors.
        self.index.copy_(schedule.index, non_blocking=True)
        self.weights.copy_(schedule.weights(), non_blocking=True)
        if self.turns is not None and schedule.packed is not None:
            self.turns.copy_(schedule.packed.turns)
        self.sizes.copy_(schedule.sizes, non_blocking=True)
        self.rates.copy_(schedule.rates, non_blocking=True)
        self.updates.copy_(self.stack.adam.steps)
        self.counter.zero_()
        self.total.zero_()
        self.noise.seed(seed)

    def plain_step(self) -> None:
        """Launch the operations of the next step one by one."""
        stack = self.stack
        index, weight, sizes, rates = (
            part.index_select(0, self.counter)[0] for part in (self.index, self.weights, self.sizes, self.rates)
        )
        turns = None if self.turns is None else self.turns.at(self.counter)
        with stack.precision.context():
            logits = self.working.logits(stack.tables.gather_full(index, self.folds, turns), self.noise)
        loss = stack.loss(logits, index, weight, self.folds)
        self.working.zero_grad()
        loss.sum().backward()  # type: ignore[no-untyped-call]
        stack.adam.update_at_once(rates, sizes, self.updates, self.working.copies())
        self.total += loss.detach()  # stays on the device until the epoch ends
        self.counter += 1

    def evaluate(self, rows: Sequence[Int64[Tensor, "_"]]) -> list[Float32[Tensor, "_ C"]]:
        """Compute each member's logits for its own utterances, on the CPU; ``rows`` must not change between calls."""
        return self.evaluation(rows).run()

    def evaluation(self, rows: Sequence[Int64[Tensor, "_"]]) -> "StaticForward":
        """Return the recorded forward passes; the first call records them."""
        if self._evaluation is None:
            self._evaluation = StaticForward(self.stack, self.working, self.folds, rows)
        return self._evaluation


class StaticForward:
    """Recorded forward passes for evaluation: batches of fixed size, the last one filled up."""

    def __init__(self, stack: Stack, working: WorkingWeights, folds: Tensor, rows: Sequence[Tensor]) -> None:
        device = stack.tables.device
        self.stack, self.working, self.folds = stack, working, folds
        index, turns, self.places = _passes(stack, rows)
        self.index, self.turns = index.to(device), None if turns is None else turns.to(device)
        self.counter = torch.zeros(1, dtype=torch.int64, device=device)
        with torch.no_grad():
            like = self._logits()
            self.logits = torch.zeros(len(index), *like.shape, device=device)
            self.step = record(self.plain_step, self.counter, None)

    @torch.no_grad()
    def run(self) -> list[Tensor]:
        """Compute each member's logits, on the CPU."""
        self.working.refresh()
        self.counter.zero_()
        for _ in range(len(self.logits)):
            self.step()
        every = self.logits.transpose(0, 1).flatten(1, 2).cpu()
        return [own[places] for own, places in zip(every, self.places, strict=True)]

    def _logits(self) -> Tensor:
        index = self.index.index_select(0, self.counter)[0]
        turns = None if self.turns is None else self.turns.at(self.counter)
        with self.stack.precision.context():
            logits = self.working.logits(self.stack.tables.gather_full(index, self.folds, turns))
        return logits.float()

    @torch.no_grad()
    def plain_step(self) -> None:
        """Launch the operations of the next batch one by one."""
        self.logits.index_copy_(0, self.counter, self._logits().unsqueeze(0))
        self.counter += 1


def _passes(stack: Stack, rows: Sequence[Tensor]) -> tuple[Tensor, Turns | None, list[Tensor]]:
    """Divide each member's utterances into batches of a fixed size.

    Returns:
        The utterances (S, E, B); their turns, for a model with context; and for each member the places of its own
        utterances among the S * B.
    """
    batch = min(EVALUATION_ROWS, max(map(len, rows)))
    if (dialogues := stack.tables.dialogues) is not None:
        packed = pack_all(dialogues, rows, batch)
        return packed.index, packed.turns, packed.places()
    steps = -(-max(map(len, rows)) // batch)
    padded = torch.stack([torch.cat([own, own[:1].expand(steps * batch - len(own))]) for own in rows])
    index = padded.view(len(rows), steps, batch).transpose(0, 1).contiguous()
    return index, None, [torch.arange(len(own)) for own in rows]


def record(step: Callable[[], None], counter: Tensor, noise: Noise | None) -> Callable[[], None]:
    """Record a step as a CUDA graph and return its replay; on other devices rehearse and return the step itself."""
    if not counter.is_cuda:
        _rehearse(step, counter)
        return step
    try:
        # A stream of its own for the runs before recording, as torch's documentation asks for.
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
        if ran_out_of_memory(error):  # a smaller stack may be recorded
            raise
        raise UnrecordedError(f"the step cannot be recorded as a CUDA graph ({error!s:.200})") from error
    replay: Callable[[], None] = graph.replay
    return replay


def _rehearse(step: Callable[[], None], counter: Tensor) -> None:
    """Run the first step several times: kernels are compiled and memory is reserved before recording."""
    for _ in range(WARM_UPS):
        counter.zero_()
        step()
