"""Numbers of utterances in each split and class, compared with the published ones."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sertool.core.corpora.corpus import SPLITS
from sertool.core.corpora.targets import classes_in
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import plural


@dataclass(frozen=True)
class SplitCount:
    """Counts of one of the corpus's own splits.

    Attributes:
        split: name of the split.
        utterances: number that are part of the task; all of an unlabelled split.
        classes: number in each class, in a multi-label task those where it is present; empty for an unlabelled split.
        published: the published value of ``utterances``, where known.
        published_classes: the published value of ``classes``, where known.
        left_out: utterances that a published corpus in its owner's layout lacks, and that are listed; a count that is
            lower by no more than their number does not differ.
    """

    split: str
    utterances: int
    classes: tuple[int, ...]
    published: int | None = None
    published_classes: tuple[int, ...] | None = None
    left_out: int = 0

    def differences(self, names: tuple[str, ...]) -> list[str]:
        """List the numbers that differ from the published ones, as in ``train neutral: 4,709, published 4,710``."""
        pairs = [("", self.utterances, self.published)]
        if self.published_classes is not None:
            pairs += [(f" {n}", c, p) for n, c, p in zip(names, self.classes, self.published_classes, strict=False)]
        return [
            f"{self.split}{name}: {own:,}, published {published:,}"
            for name, own, published in pairs
            if published is not None and not published - self.left_out <= own <= published
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain data for a JSON file."""
        plain = asdict(self)
        if not self.left_out:
            del plain["left_out"]
        return plain


def counts(subject: Subject) -> tuple[SplitCount, ...]:
    """Count the utterances of each split that has any."""
    number: Counter[str] = Counter()
    of_class: Counter[tuple[str, int]] = Counter()
    for utterance, target in zip(subject.corpus.utterances, subject.targets, strict=True):
        if target is None and utterance.split != "private":
            continue  # it can neither train nor test; private utterances need no label
        number[utterance.split] += 1
        if target is not None:
            of_class.update((utterance.split, c) for c in classes_in(target, subject.task))
    left_out = Counter(item.split for item in subject.corpus.left_out if subject.corpus.layout)
    result = []
    published = {str(split): expected for split, expected in subject.recipe.expected.items()}
    for split in SPLITS:
        expected = published.get(split)
        if not number[split]:
            continue
        classes = tuple(of_class[split, c] for c in range(len(subject.task.classes)))
        # A recipe of scores may extend one of classes, whose counts are of something else.
        comparable = expected is not None and expected.classes is not None and subject.task.kind != "scores"
        result.append(
            SplitCount(
                split,
                number[split],
                classes if any(classes) else (),
                expected.utterances if expected else None,
                tuple(expected.classes or ()) if expected and comparable else None,
                left_out[split],
            )
        )
    return tuple(result)


def check(subject: Subject) -> Iterator[Finding]:
    """Report splits without utterances, and numbers that differ from the published ones."""
    own = counts(subject)
    if missing := _missing(subject, {split.split for split in own}):
        held = ", ".join(f"{name} {number:,}" for name, number in subject.corpus.counts().items()) or "nothing"
        text = f"no labelled utterance in {', '.join(missing)}, which the recipe needs (the corpus holds {held})"
        yield found("empty-split", len(missing), text)
    elif subject.undivided is not None:
        text = f"the recipe cannot divide it: {subject.undivided}"
        yield found("division", 1, text, (), subject.undivided.hint or "")
    differing = {split.split: split.differences(subject.task.classes) for split in own}
    if splits := [name for name, differences in differing.items() if differences]:
        examples = [difference for differences in differing.values() for difference in differences]
        differ = "differs from the published one" if len(examples) == 1 else "differ from the published ones"
        text = f"{plural(len(examples), 'count')} of {', '.join(splits)} {differ}"
        yield found("counts", len(splits), text, examples)


def _missing(subject: Subject, there: set[str]) -> list[str]:
    """Return the corpus's own splits that the recipe needs and that hold no labelled utterance."""
    splits = subject.recipe.splits
    if splits.scheme == "folds":
        return [] if there - {"private"} else ["any split"]
    # holdout cuts validation, and if need be test, from train.
    needed = ["train", splits.valid, splits.test] if splits.scheme == "corpus" else ["train"]
    return [split for split in dict.fromkeys(needed) if split not in there]
