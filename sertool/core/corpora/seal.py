"""The labels of the test split under seal, and a log of everybody who broke it.

An experiment is opened without the labels that only judging may see: those of utterances that test in some fold and
neither train nor validate in any. Training, the choice of epochs and of the ensemble's size, and calibration work on
that; whoever needs the labels asks for them, which is one entry in the run's log. Where a recipe validates on its test
utterances (the paper's protocol) there is nothing left to seal, and the reads are entries all the same.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.splits import Fold
from sertool.core.corpora.tasks import Target

READ = "test labels"


@dataclass
class Seal:
    """What is kept from sight, and who asked for it.

    Attributes:
        labels: raw labels of the sealed utterances, by their position in the corpus.
        targets: their targets.
        reads: entries that are not in a log yet.
    """

    labels: dict[int, Any]
    targets: dict[int, Target]
    reads: list[dict[str, Any]] = field(default_factory=list)

    def note(self, reader: str, purpose: str, utterances: int) -> None:
        """Put down that somebody reads test labels, and what for."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = {"read": READ, "time": now, "by": reader, "purpose": purpose, "utterances": utterances}
        self.reads.append(entry)


def seal(corpus: Corpus, targets: Sequence[Target | None], folds: Sequence[Fold]) -> Seal:
    """The seal of a divided corpus; :func:`without_labels` gives what is to be seen."""
    tested = {row for fold in folds for row in fold.sets.get("test", ())}
    used = {row for fold in folds for name in ("train", "valid") for row in fold.sets[name]}
    rows = sorted(tested - used)
    labels = {row: corpus.utterances[row].labels for row in rows}
    return Seal(labels, {row: target for row in rows if (target := targets[row]) is not None})


def without_labels(
    corpus: Corpus, targets: Sequence[Target | None], hidden: Seal
) -> tuple[Corpus, tuple[Target | None, ...]]:
    """The corpus and the targets as they look with the seal whole."""
    utterances = list(corpus.utterances)
    for row in hidden.labels:
        utterances[row] = replace(utterances[row], labels={})
    seen = tuple(None if row in hidden.labels else target for row, target in enumerate(targets))
    return replace(corpus, utterances=tuple(utterances)), seen


def with_labels(
    corpus: Corpus, targets: Sequence[Target | None], hidden: Seal
) -> tuple[Corpus, tuple[Target | None, ...]]:
    """The same with the seal broken; the caller has told so by :meth:`Seal.note`."""
    utterances = list(corpus.utterances)
    for row, labels in hidden.labels.items():
        utterances[row] = replace(utterances[row], labels=labels)
    seen = tuple(hidden.targets.get(row, target) for row, target in enumerate(targets))
    return replace(corpus, utterances=tuple(utterances)), seen
