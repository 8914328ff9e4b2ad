"""The inspection of a corpus: all checks, one after the other, and their result in a line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.load import load_corpus, task_for
from sertool.core.corpora.splits import Fold, make_folds, targets_of
from sertool.core.corpora.tasks import Target, Task
from sertool.core.doctor import completeness as content
from sertool.core.doctor import counts, duplicates, leakage
from sertool.core.doctor import reader_errors as reading
from sertool.core.doctor import vectors as words
from sertool.core.doctor.counts import SplitCount
from sertool.core.doctor.findings import KINDS, SEVERITIES, Finding, Severity
from sertool.core.doctor.locate import doctor_command
from sertool.core.doctor.subject import Subject
from sertool.core.errors import DataError, UsageError
from sertool.core.formatting import plural, printable
from sertool.core.recipe.schema import Recipe

NAMED = 4  # kinds of finding that a summary names


@dataclass(frozen=True)
class Inspection:
    """What an inspection found.

    Attributes:
        name: of the corpus.
        recipe: its name.
        task: what the recipe predicts.
        classes: of the task.
        speakers: how many, 0 where they are not known.
        synthetic: whether the speech was made by a machine.
        counts: of each split that is there.
        findings: errors first.
        command: that shows it.
        caveats: said behind the name, see :attr:`~sertool.core.corpora.corpus.Corpus.caveats`.
    """

    name: str
    recipe: str
    task: str
    classes: tuple[str, ...]
    speakers: int
    synthetic: bool
    counts: tuple[SplitCount, ...]
    findings: tuple[Finding, ...]
    command: str
    caveats: str = ""

    def number(self, severity: Severity) -> int:
        """How many findings have a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def as_published(self) -> bool:
        """Whether the published counts are known, of at least one split that is there, and agree."""
        known = [split for split in self.counts if split.published is not None]
        return bool(known) and not any(split.differences(self.classes) for split in known)

    def to_json(self) -> dict[str, Any]:
        """As plain data for a JSON file."""
        return {
            "name": self.name,
            "recipe": self.recipe,
            "task": self.task,
            "classes": list(self.classes),
            "speakers": self.speakers,
            "synthetic": self.synthetic,
            "counts": [split.to_json() for split in self.counts],
            "as_published": self.as_published,
            "errors": self.number("error"),
            "warnings": self.number("warning"),
            "notes": self.number("note"),
            "findings": [finding.to_json() for finding in self.findings],
            "command": self.command,
        }


def inspect(
    recipe: Recipe, folder: Path, *, vectors: bool = True, data_dir: Path, command: str | None = None
) -> Inspection:
    """Read the corpus in ``folder`` as far as it can be read, and check it.

    Args:
        recipe: what it is for; decides reader, task, division, lengths and what was published.
        folder: where the corpus lies.
        vectors: whether to look up the words' vectors, which may take some seconds.
        data_dir: where word vectors may lie.
        command: that shows the inspection in full; by default the one for the recipe's name.

    Raises:
        UsageError: the corpus does not know the recipe's task.
    """
    faults: list[DataError] = []
    command = command or doctor_command(recipe.name, (), recipe.dataset.path, folder)
    try:
        corpus = load_corpus(recipe.dataset.reader, folder, faults.append)
    except DataError as error:
        return _unread(recipe, folder, command, [*faults, error])
    dataset = recipe.dataset
    try:
        task = task_for(dataset.reader, dataset.task, dataset.num_classes, corpus)
    except UsageError:
        if faults and not corpus.utterances:  # nothing is left that could tell the tasks
            return _unread(recipe, folder, command, faults)
        raise
    targets = targets_of(corpus, task, faults.append)
    subject = Subject(recipe, corpus, task, targets, (), faults)
    try:
        subject = replace(subject, folds=make_folds(corpus, targets, recipe.splits))
    except (DataError, UsageError) as error:
        subject = replace(subject, undivided=error)
    return _inspection(subject, command, vectors, data_dir)


def _unread(recipe: Recipe, folder: Path, command: str, faults: Sequence[DataError]) -> Inspection:
    """The inspection of a corpus of which nothing could be read."""
    name, findings = printable(folder.resolve().name), tuple(reading.unreadable(faults))
    return Inspection(name, recipe.name, recipe.dataset.task, (), 0, False, (), findings, command)


def inspect_opened(
    recipe: Recipe,
    corpus: Corpus,
    task: Task,
    targets: Sequence[Target | None],
    folds: Sequence[Fold],
    command: str,
) -> Inspection:
    """Check a corpus that was read and divided (an experiment's), without looking up word vectors.

    Args:
        recipe: the settings.
        corpus: the utterances.
        task: what is predicted.
        targets: of every utterance; None where it has none.
        folds: the recipe's division.
        command: that shows the inspection in full.
    """
    return _inspection(Subject(recipe, corpus, task, targets, folds), command, False, Path())


def _inspection(subject: Subject, command: str, vectors: bool, data_dir: Path) -> Inspection:
    checks: list[Iterable[Finding]] = [
        module.check(subject) for module in (reading, counts, leakage, content, duplicates)
    ]
    if vectors:
        checks.append(words.check(subject, data_dir))
    findings = [finding for check in checks for finding in check]
    order = list(KINDS)
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), order.index(finding.kind)))
    corpus = subject.corpus
    return Inspection(
        name=printable(corpus.name),
        recipe=subject.recipe.name,
        task=subject.task.name,
        classes=tuple(map(printable, subject.task.classes)),
        speakers=len({utterance.speaker for utterance in corpus.utterances} - {None}),
        synthetic=bool(corpus.synthetic),
        counts=counts.counts(subject),
        findings=tuple(findings),
        command=command,
        caveats=corpus.caveats,
    )


def summary_line(inspection: Inspection) -> str:
    """Errors and warnings in a line, and the command that shows them; empty where there are none.

    Notes are left to the command: recordings that the recipe cuts are what it asks for.
    """
    shown = [finding for finding in inspection.findings if finding.severity != "note"]
    if not shown:
        return ""
    numbers = [
        plural(number, severity) for severity in SEVERITIES[:2] if (number := inspection.number(severity))
    ]
    named = [finding.short for finding in shown[:NAMED]] + ["..."] * (len(shown) > NAMED)
    return f"doctor: {', '.join(numbers)} ({', '.join(named)}) · {inspection.command}"
