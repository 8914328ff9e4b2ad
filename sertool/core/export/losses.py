"""Loss of accuracy, or of CCC and MAE, by weights of less precision, measured on validation utterances."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.targets import labels_of
from sertool.core.corpora.tasks import Target, Task
from sertool.core.errors import SertoolError, UsageError
from sertool.core.metrics.classification import METRICS, decide
from sertool.core.metrics.scores import score_figures
from sertool.core.runs.predictions import clipped

MOST_POINTS = 0.5  # of accuracy, less than two seeds usually differ by
MOST_SCORE = 0.005  # of the CCC, and of the MAE as a share of the range


@dataclass(frozen=True)
class Loss:
    """Figures of graphs with weights of less precision beside those with 32 bits, on the same utterances.

    Attributes:
        full, less: figures with 32 bits, and with less, by key: ``accuracy``, a fraction; or of scores the means over
            them, ``ccc``, ``mae`` and ``mae_of_range``, the MAE as a share of the range. Empty where nothing was
            measured.
        utterances: number of utterances.
        why: reason why nothing was measured.
    """

    full: Mapping[str, float]
    less: Mapping[str, float]
    utterances: int
    why: str = "the corpus is not available"

    @property
    def points(self) -> float:
        """Loss in points of accuracy; negative for a gain."""
        return -100 * self._change("accuracy")

    @property
    def short(self) -> str:
        """The loss in a few words."""
        if not self.full:
            return "not measured"
        if "accuracy" in self.full:
            return f"{self.points:+.1f} points"
        return f"CCC {self._change('ccc'):+.3f}, MAE {self._change('mae'):+.3g}"

    @property
    def excess(self) -> tuple[str, str] | None:
        """The loss that is too large, and the largest that is accepted; None if none is too large."""
        if "accuracy" in self.full and self.points > MOST_POINTS:
            return f"loses {self.points:.1f} points of accuracy", f"{MOST_POINTS}"
        if "ccc" in self.full and -self._change("ccc") > MOST_SCORE:
            return f"loses {-self._change('ccc'):.3f} of the CCC", f"{MOST_SCORE}"
        if "mae" in self.full and self._change("mae_of_range") > MOST_SCORE:
            share = 100 * self._change("mae_of_range")
            return f"adds {share:.1f} % of the range to the MAE", f"{100 * MOST_SCORE:g} %"
        return None

    def table(self, weights: str) -> dict[str, Any]:
        """Return the figures as plain data; ``weights`` ends the keys of those with less precision.

        >>> Loss({"accuracy": 0.75}, {"accuracy": 0.5}, 12).table("int8")
        {'accuracy': 0.75, 'accuracy_int8': 0.5, 'points': 25.0, 'utterances': 12}
        """
        found: dict[str, Any] = {}
        for name in self.full:
            pair = self.full[name], self.less[name]
            found[name], found[f"{name}_{weights}"] = (value if math.isfinite(value) else None for value in pair)
        return found | ({"points": self.points} if "accuracy" in self.full else {}) | {"utterances": self.utterances}

    def _change(self, name: str) -> float:
        # Rounded, so that one utterance of 200 costs half a point and no more.
        return round(self.less[name] - self.full[name], 8)


def not_measured(why: str = "the corpus is not available") -> Loss:
    """Return the loss that could not be measured, with the reason."""
    return Loss({}, {}, 0, why)


def told(figures: Mapping[str, float]) -> str:
    """Write the figures of one precision in words.

    >>> told({"accuracy": 0.7}), told({"ccc": 0.8123, "mae": 0.41234, "mae_of_range": 0.1})
    ('accuracy 70.0 %', 'CCC 0.812 and MAE 0.412')
    """
    if "accuracy" in figures:
        return f"accuracy {100 * figures['accuracy']:.1f} %"
    return f"CCC {figures['ccc']:.3f} and MAE {figures['mae']:.3g}"


def loss_between(
    targets: Sequence[Target | None], full: NDArray[np.float32], less: NDArray[np.float32], task: Task, *, clip: bool
) -> Loss:
    """Return what two graphs reach on the same utterances.

    Args:
        targets: targets of N utterances; each has one.
        full: (N, C) logits, or predicted scores, with 32 bits.
        less: (N, C) with less.
        task: the task.
        clip: scores are cut to their ranges.
    """
    true = labels_of(targets, range(len(targets)), task.kind)
    if task.kind != "scores":
        judge, number = METRICS["accuracy"], len(task.classes)
        before, after = (judge(true, decide(own, task.kind), number) for own in (full, less))
        return Loss({"accuracy": before}, {"accuracy": after}, len(targets))
    ranges = np.array(task.ranges)
    found = []
    for values in (full, less):
        own = clipped(values, task.ranges) if clip else values
        figures = score_figures(true, own)
        shares = score_figures(*(values / (ranges[:, 1] - ranges[:, 0]) for values in (true, own)))
        found.append({"ccc": figures["ccc"], "mae": figures["mae"], "mae_of_range": shares["mae"]})
    return Loss(found[0], found[1], len(targets))


def require_small_loss(loss: Loss, option: str = "--int8") -> None:
    """Refuse weights of less precision that lose accuracy, or whose loss is not known.

    Args:
        loss: the figures.
        option: option that asked for them.

    Raises:
        SertoolError: more is lost than half a point of accuracy, 0.005 of the CCC, or half a percent of the range.
        UsageError: there are no labelled utterances to measure it on.
    """
    if not loss.full:
        raise UsageError(
            f"{option}: its loss of accuracy was not measured, {loss.why}; nothing was written",
            hint="--data names the folder that holds the corpora; --force writes it anyway",
        )
    if loss.excess:
        lost, accepted = loss.excess
        raise SertoolError(
            f"{option}: {lost} on {loss.utterances} validation utterances, at most {accepted} is accepted; nothing was "
            "written",
            hint=f"leave {option} out; --force writes it anyway",
        )
