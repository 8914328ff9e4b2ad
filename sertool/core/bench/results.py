"""The results of ``sertool bench``, and the figures derived from them: step time, rates, floors, time to finish."""

from dataclasses import asdict, dataclass, field
from typing import Any

from sertool.core.bench.operations import BYTES_OF_ADAM
from sertool.core.bench.stack_side import Ended
from sertool.core.bench.turns import Comparison, Spread, Turn
from sertool.core.bench.workload import Fill
from sertool.core.compute.device import Precision
from sertool.core.recipe.schema import Recipe


@dataclass(frozen=True)
class Wishes:
    """The settings of a benchmark.

    Attributes:
        members: number of members E.
        rounds: number of rounds that count.
        seconds: approximate length of a turn; at least an epoch or a batch.
        training, evaluation: the kinds of work to measure.
        baseline: also measure the plain side.
        finish: train all members to their natural end.
    """

    members: int = 10
    rounds: int = 5
    seconds: float = 5.0
    training: bool = True
    evaluation: bool = True
    baseline: bool = True
    finish: bool = False


@dataclass
class Measured:
    """The turns of one kind of work, and the operations it needs.

    Attributes:
        sertool, plain: the turns of both sides; plain is empty without the baseline.
        memory: peak memory in each of sertool's turns, in bytes.
        operations, padded_operations: operations per utterance without padding, and with all padding computed.
    """

    operations: float
    padded_operations: float
    sertool: list[Turn] = field(default_factory=list)
    plain: list[Turn] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def rate(self) -> Spread:
        """Utterances per second over all members."""
        return Spread.of([turn.wall for turn in self.sertool])

    def share(self, matrix: Spread) -> float:
        """Return the share of the device's matrix rate that is reached, without padding."""
        return self.rate.median * self.operations / matrix.median

    def comparison(self, members: int) -> Comparison | None:
        """Compare with the baseline pair by pair; None without one."""
        return Comparison(members, self.plain, self.sertool) if self.plain else None


@dataclass(frozen=True)
class Bench:
    """The result of a benchmark.

    Attributes:
        recipe, precision, wishes: the settings.
        machine: see :func:`describe_machine`.
        corpus: name and source of the corpus.
        counts: number of utterances by split.
        filled: real share of the padded positions.
        parameters: number of parameters of a member.
        groups: members per group, groups side by side, threads of each, parts of a lone member's batch.
        steps_an_epoch: number of steps in a whole epoch.
        validated: number of validation utterances of a member.
        training, evaluation: the measured turns; None if not measured.
        matrix, copy: operations and bytes per second that the device reached between the turns.
        ended: the members that were trained to their natural end.
        finish_s: seconds until their natural end; None if not measured.
    """

    recipe: Recipe
    precision: Precision
    wishes: Wishes
    machine: dict[str, Any]
    corpus: dict[str, Any]
    counts: dict[str, int]
    filled: Fill
    parameters: int
    groups: dict[str, int]
    steps_an_epoch: int
    validated: int
    training: Measured | None
    evaluation: Measured | None
    matrix: Spread
    copy: Spread
    ended: list[Ended]
    finish_s: float | None

    @property
    def step_utterances(self) -> int:
        """Number of utterances in a step of all members."""
        return self.wishes.members * self.recipe.training.batch_size

    @property
    def step_s(self) -> Spread | None:
        """Seconds in which every member makes one step."""
        if self.training is None:
            return None
        rate = self.training.rate
        return Spread(*(self.step_utterances / value for value in (rate.max, rate.median, rate.min)))

    @property
    def matrix_floor_s(self) -> float | None:
        """Seconds that the matrix products of such a step would take at the measured rate, padding left out."""
        if self.training is None:
            return None
        return self.step_utterances * self.training.operations / self.matrix.median

    @property
    def adam_floor_s(self) -> float:
        """Seconds that reading and writing weights, gradients and moments would take at the measured rate."""
        return self.wishes.members * self.parameters * BYTES_OF_ADAM / self.copy.median

    @property
    def epoch_s(self) -> float | None:
        """Seconds of an epoch of all members, its validation included where evaluation was measured."""
        if self.step_s is None:
            return None
        seconds = self.steps_an_epoch * self.step_s.median
        if self.evaluation is not None:
            seconds += self.validated * self.wishes.members / self.evaluation.rate.median
        return seconds

    def to_json(self) -> dict[str, Any]:
        """Return plain data: figures with their spread, and all turns."""
        wishes, settings = self.wishes, self.recipe.training
        ended = {"seconds": self.finish_s, "members": [asdict(member) for member in self.ended]}
        return {
            "recipe": self.recipe.name,
            "dataset": self.corpus["name"],
            "task": self.recipe.dataset.task,
            "members": wishes.members,
            "machine": self.machine,
            "device": self.precision.reason,
            "precision": self.precision.name,
            "graphs": self.precision.graphs,
            "rounds": wishes.rounds,
            "corpus": {**self.corpus, "counts": self.counts, "fill": asdict(self.filled)},
            "parameters": self.parameters,
            "groups": self.groups,
            "matrix_tflops": self.matrix.scaled(1e-12).to_json(),
            "copy_gb_per_second": self.copy.scaled(1e-9).to_json(),
            "training": self._row(self.training),
            "evaluation": self._row(self.evaluation),
            "step_ms": self.step_s.scaled(1e3).to_json() if self.step_s is not None else None,
            "floor_ms": {
                "matrix_products": _ms(self.matrix_floor_s),
                "adam_memory": _ms(self.adam_floor_s),
            },
            "steps_an_epoch": self.steps_an_epoch,
            "epoch_s": self.epoch_s,
            "most_epochs": settings.max_epochs,
            "finished": ended if self.ended else None,
        }

    def _row(self, measured: Measured | None) -> dict[str, Any] | None:
        if measured is None:
            return None
        comparison = measured.comparison(self.wishes.members)
        return {
            "utterances_per_second": measured.rate.to_json(),
            "tflops": measured.rate.scaled(measured.operations * 1e-12).to_json(),
            "tflops_with_padding": measured.rate.scaled(measured.padded_operations * 1e-12).to_json(),
            "share_of_matrix_rate": measured.share(self.matrix),
            "gigaflop_per_utterance": measured.operations * 1e-9,
            "gigaflop_per_utterance_with_padding": measured.padded_operations * 1e-9,
            "peak_memory_gb": Spread.of([own * 1e-9 for own in measured.memory]).to_json(),
            "turns": [[turn.wall, turn.cpu] for turn in measured.sertool],
            "baseline": {
                **comparison.row(),
                "utterances_per_second": Spread.of([turn.wall for turn in measured.plain]).to_json(),
                "turns": [[turn.wall, turn.cpu] for turn in measured.plain],
            }
            if comparison is not None
            else None,
        }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else float(f"{seconds * 1e3:.4g}")
