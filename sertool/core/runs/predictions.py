"""What members say of a set of utterances: their logits, and the decisions of the first k of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import METRICS, decide, report_text


@dataclass(frozen=True)
class MemberScore:
    """A member on a set.

    Attributes:
        name: of its folder or file.
        fold: whose utterances are its own to judge.
        accuracy: on them; None on an unlabelled set.
        validation: the score it was selected by.
    """

    name: str
    fold: int
    accuracy: float | None
    validation: float


@dataclass(frozen=True)
class Predictions:
    """What E members say of a set.

    Attributes:
        set: ``valid``, ``test`` or ``private``.
        utterances: (N,) positions in the corpus.
        ids: (N,) utterance ids.
        logits: (E, N, C); row k holds the k-th best member, of each utterance's own fold in cross-validation.
        targets: (N,) or (N, C); None on an unlabelled set.
        kind: ``single`` or ``multi``.
        classes: names of the C classes.
        members: the members one by one.
        scores: (N,) raw labels from -3 to 3, where the task makes its classes of such.
    """

    set: str
    utterances: tuple[int, ...]
    ids: tuple[str, ...]
    logits: NDArray[np.float32]
    targets: NDArray[np.int64] | None
    kind: str
    classes: tuple[str, ...]
    members: tuple[MemberScore, ...]
    scores: NDArray[np.float64] | None = None

    def ensemble_logits(self, k: int) -> NDArray[np.float32]:
        """(N, C) mean of the first k members' logits."""
        mean: NDArray[np.float32] = self.logits[:k].mean(0)
        return mean

    def decisions(self, k: int) -> NDArray[np.int64]:
        """(N,) classes or (N, C) 0/1 of the first k members."""
        return decide(self.ensemble_logits(k), self.kind)

    def metric(self, name: str, k: int) -> float:
        """A metric of the first k members; a key of ``METRICS``."""
        if self.targets is None:
            raise ValueError("an unlabelled set has no metrics")
        return METRICS[name](self.targets, self.decisions(k), len(self.classes))

    def report(self, k: int, *, numbered: bool) -> str:
        """Scikit-learn's classification report; ``numbered`` as the reference printed it, else by class name."""
        if self.targets is None:
            raise ValueError("an unlabelled set has no report")
        return report_text(self.targets, self.decisions(k), None if numbered else self.classes)


def prediction_rows(predictions: Predictions, k: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the first k members' predictions: set, utterance, label, predicted, and a logit a class."""
    logits, decisions = predictions.ensemble_logits(k), predictions.decisions(k)
    header = ["set", "utterance", "label", "predicted", *(f"logit_{name}" for name in predictions.classes)]
    rows = []
    for place, utterance in enumerate(predictions.ids):
        label = "" if predictions.targets is None else _written(predictions.targets[place], predictions)
        values = [repr(float(value)) for value in logits[place]]
        rows.append([predictions.set, utterance, label, _written(decisions[place], predictions), *values])
    return header, rows


def _written(decision: Any, predictions: Predictions) -> str:
    if predictions.kind == "multi":
        return "|".join(str(int(value)) for value in decision)
    return predictions.classes[int(decision)]
