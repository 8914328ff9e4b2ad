"""``sertool bench``: measure training and evaluation of a recipe in rounds, beside plain PyTorch."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from torch import Tensor

from sertool.core.bench.device import Rates, describe_machine, peak_bytes, reset_peak
from sertool.core.bench.operations import Positions, forward_operations, training_operations
from sertool.core.bench.plain_side import PlainSide
from sertool.core.bench.results import Bench, Measured, Wishes
from sertool.core.bench.stack_side import StackSide
from sertool.core.bench.turns import Spread, take_turn
from sertool.core.bench.workload import Workload, fill, open_workload
from sertool.core.compute.device import Precision
from sertool.core.models.build import DataSizes
from sertool.core.recipe.schema import Model, Recipe
from sertool.core.runs.members import sizes_of
from sertool.core.training.logits import EVALUATION_ROWS
from sertool.core.training.loop import Epoch

FEW_STEPS = 2  # steps of an epoch that only serves to time a step
LEAST_ROWS = 2 * EVALUATION_ROWS  # utterances of an evaluation: some full batches


def measure(
    recipe: Recipe,
    data: Path,
    precision: Precision,
    wishes: Wishes,
    tell: Callable[[str], None] = lambda text: None,
) -> Bench:
    """Measure a recipe here.

    Args:
        recipe: the recipe to train.
        data: folder that holds the user's own corpora.
        precision: device and number format of sertool's side; the plain side computes in float32.
        wishes: members, rounds and the kinds of work to measure.
        tell: called with a sentence on the progress now and then.

    Raises:
        DataError, UsageError: the recipe's corpus is the user's own and cannot be read.
    """
    machine = describe_machine(precision.device)
    work = open_workload(recipe, data, precision)
    corpus = work.experiment.corpus
    tell(f"{corpus.name}: {sum(corpus.counts().values()):,} utterances; {precision.reason}")
    if recipe.context is not None and wishes.baseline:
        tell("plain PyTorch judges each utterance alone here, without the recipe's context")
    ours = StackSide(work, wishes.members)
    kinds = _kinds(work, ours, wishes)
    matrix, copy = _rounds(kinds, Rates(precision), wishes.rounds, tell)
    ended, finish_s = ours.finish(_teller(tell)) if wishes.finish else ([], None)
    dataset, fold = recipe.dataset, work.experiment.folds[0]
    found = {kind.name: kind.measured for kind in kinds}
    return Bench(
        recipe=recipe,
        precision=precision,
        wishes=wishes,
        machine=machine,
        corpus={"name": corpus.name, "source": corpus.source, "generated": work.generated},
        counts=corpus.counts(),
        filled=fill(corpus, dataset.max_text_length, dataset.max_audio_length),
        parameters=ours.parameters,
        groups={
            "size": ours.size,
            "side_by_side": ours.workers,
            "threads": ours.threads,
            "parts": ours.precision.parts,
        },
        steps_an_epoch=ours.steps_an_epoch,
        validated=len(fold.sets["valid"]),
        training=found.get("training"),
        evaluation=found.get("evaluation"),
        matrix=matrix,
        copy=copy,
        ended=ended,
        finish_s=finish_s,
    )


def _rounds(kinds: Sequence["_Kind"], rates: Rates, rounds: int, tell: Callable[[str], None]) -> tuple[Spread, Spread]:
    """Let every kind of work take its turns; return the matrix and copy rates measured between them."""
    matrix, copy = [], []
    for number in range(rounds + 1):
        for kind in kinds:
            kind.turn(warm_up=number == 0)
        if number:
            matrix.append(rates.matrix())
            copy.append(rates.copy())
        tell(f"round {number} of {rounds}" if number else "warmed up")
    return Spread.of(matrix), Spread.of(copy)


class _Kind:
    """One kind of work (training or evaluation): its operations, and a turn of each side."""

    def __init__(
        self,
        name: str,
        work: Workload,
        rows: Tensor,
        operations: Callable[[Model, DataSizes, Positions], float],
        ours: Callable[[], int],
        plain: Callable[[], int] | None,
    ) -> None:
        tables, model = work.tables, work.experiment.recipe.model
        sizes = sizes_of(work.experiment, work.inputs)
        real = Positions.real(tables.text_lengths[rows], tables.audio_lengths[rows])
        padded = Positions.padded(tables.text.shape[2], tables.audio.shape[1])
        self.measured = Measured(operations(model, sizes, real), operations(model, sizes, padded))
        self.name, self.device, self.ours, self.plain = name, work.precision.device, ours, plain

    def turn(self, *, warm_up: bool) -> None:
        """Take a turn of the plain side, then one of sertool's."""
        plain = take_turn(self.plain, self.device) if self.plain is not None else None
        reset_peak(self.device)
        ours = take_turn(self.ours, self.device)
        if warm_up:
            return
        if plain is not None:
            self.measured.plain.append(plain)
        self.measured.sertool.append(ours)
        self.measured.memory.append(peak_bytes(self.device))


def _kinds(work: Workload, ours: StackSide, wishes: Wishes) -> list[_Kind]:
    plain = PlainSide(work) if wishes.baseline else None
    seconds = wishes.seconds
    kinds = []
    if wishes.training:
        theirs = _plain_training_turn(plain, seconds) if plain is not None else None
        turn = _training_turn(ours, seconds)
        kinds.append(_Kind("training", work, work.train, training_operations, turn, theirs))
    if wishes.evaluation:
        theirs = _evaluation_turn(plain.evaluate, work, seconds) if plain is not None else None
        turn = _evaluation_turn(ours.evaluate, work, seconds)
        kinds.append(_Kind("evaluation", work, work.held_out, forward_operations, turn, theirs))
    return kinds


def _timed(work: Callable[[], object]) -> float:
    """Time the second call in seconds, because the first one sets things up."""
    work()
    begun = perf_counter()
    work()
    return max(perf_counter() - begun, 1e-6)


def _training_turn(ours: StackSide, seconds: float) -> Callable[[], int]:
    """Size a turn to about the given seconds: a short epoch, or several whole ones on a fast device."""
    ours.settle(FEW_STEPS)
    step = _timed(ours.train) / FEW_STEPS
    steps = min(max(FEW_STEPS, round(seconds / step)), ours.steps_an_epoch)
    ours.settle(steps)
    if ours.precision.graphs:
        step = _timed(ours.train) / steps  # of recorded steps; evaluation then finds them recorded
    epochs = max(1, round(seconds / (steps * step)))
    return lambda: ours.train(epochs)


def _plain_training_turn(plain: PlainSide, seconds: float) -> Callable[[], int]:
    few = FEW_STEPS * plain.batch_size
    rate = few / _timed(lambda: plain.train(few))
    return lambda: plain.train(max(few, round(rate * seconds)))


def _evaluation_turn(evaluate: Callable[[int], int], work: Workload, seconds: float) -> Callable[[], int]:
    """Size a turn to about the given seconds: some held-out utterances, or all of them several times."""
    whole = len(work.held_out)
    least = whole if work.precision.graphs else min(LEAST_ROWS, whole)
    rate = least / _timed(lambda: evaluate(least))  # utterances per second of each member
    rows = min(whole, max(least, round(rate * seconds)))
    times = max(1, round(rate * seconds / rows))
    return lambda: sum(evaluate(rows) for _ in range(times))


def _teller(tell: Callable[[str], None]) -> Callable[[Epoch], None]:
    def told(epoch: Epoch) -> None:
        for done in epoch.finished:
            tell(f"seed {done.member.seed} stopped after epoch {epoch.number}, best {done.progress.best:.3f}")

    return told
