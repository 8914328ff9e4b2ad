"""Hide the test labels until they are asked for, and log every read.

An experiment is opened without the labels that only evaluation may see: those of utterances that are tested in some
fold and neither trained nor validated on in any. Training, the choice of epochs and ensemble size, and calibration
work without them. Code that needs the labels asks for them, which adds an entry to the run's log. The entry says
whether classes were counted, or decisions compared with the labels. If a recipe validates on its test utterances (the
paper's protocol), nothing is left to hide, and the reads are logged all the same.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sertool.core.corpora.corpus import Corpus, Ratings
from sertool.core.corpora.splits import Fold
from sertool.core.corpora.tasks import Target

READ = "test labels"
COUNTS = "class counts"  # the data were described; nothing was predicted, and nothing can be chosen by it
DECISIONS = "decisions"  # predictions were compared with the labels


@dataclass
class Seal:
    """Hidden labels, and the reads of them.

    Attributes:
        labels: raw labels of the hidden utterances, by position in the corpus.
        ratings: what their raters said, by position in the corpus.
        targets: their targets, by position in the corpus.
        reads: log entries that are not written yet.
    """

    labels: dict[int, Mapping[str, Any]]
    targets: dict[int, Target]
    ratings: dict[int, Ratings | None]
    reads: list[dict[str, Any]] = field(default_factory=list)

    def note(self, reader: str, purpose: str, use: str, utterances: int) -> None:
        """Record a read of the test labels: the reader, its purpose, the use, and the number of utterances."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"read": READ, "time": now, "by": reader, "purpose": purpose, "use": use, "utterances": utterances}
        self.reads.append(entry)


def seal(corpus: Corpus, targets: Sequence[Target | None], folds: Sequence[Fold]) -> Seal:
    """Make the seal of a divided corpus; :func:`without_labels` applies it."""
    tested = {row for fold in folds for row in fold.sets.get("test", ())}
    used = {row for fold in folds for name in ("train", "valid") for row in fold.sets[name]}
    rows = sorted(tested - used)  # what some member trains or validates on cannot be hidden
    labels = {row: corpus.utterances[row].labels for row in rows}
    ratings = {row: corpus.utterances[row].ratings for row in rows}
    return Seal(labels, {row: target for row in rows if (target := targets[row]) is not None}, ratings)


def without_labels(
    corpus: Corpus, targets: Sequence[Target | None], hidden: Seal
) -> tuple[Corpus, tuple[Target | None, ...]]:
    """Return the corpus and the targets with the hidden labels removed."""
    visible = tuple(None if row in hidden.labels else target for row, target in enumerate(targets))
    return _relabelled(corpus, {row: {} for row in hidden.labels}, {}), visible


def with_labels(
    corpus: Corpus, targets: Sequence[Target | None], hidden: Seal
) -> tuple[Corpus, tuple[Target | None, ...]]:
    """Return the corpus and the targets with the hidden labels restored; the caller records it by :meth:`Seal.note`."""
    visible = tuple(hidden.targets.get(row, target) for row, target in enumerate(targets))
    return _relabelled(corpus, hidden.labels, hidden.ratings), visible


def _relabelled(
    corpus: Corpus, labels: Mapping[int, Mapping[str, Any]], ratings: Mapping[int, Ratings | None]
) -> Corpus:
    utterances = list(corpus.utterances)
    for row, own in labels.items():
        utterances[row] = replace(utterances[row], labels=own, ratings=ratings.get(row))
    return replace(corpus, utterances=tuple(utterances))
