"""The inspection of a corpus: all checks, one after the other, and a one-line summary."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sertool.core.corpora.agreement import Agreement
from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.load import load_for, mapped, own_folder, task_of
from sertool.core.corpora.sound_codes import read_sounds
from sertool.core.corpora.splits import Fold, make_folds
from sertool.core.corpora.splitting import describe_splitting
from sertool.core.corpora.targets import targets_of
from sertool.core.corpora.tasks import Target, Task
from sertool.core.doctor import completeness as content
from sertool.core.doctor import (
    contamination,
    counts,
    duplicates,
    leakage,
    names,
    published,
    raters,
    speakers,
    splitting,
    texts,
)
from sertool.core.doctor import reader_errors as reading
from sertool.core.doctor import vectors as words
from sertool.core.doctor.against import Against, Other, compare_with
from sertool.core.doctor.counts import SplitCount
from sertool.core.doctor.findings import KINDS, SEVERITIES, Finding, Severity
from sertool.core.doctor.locate import doctor_command
from sertool.core.doctor.published import Comparison, compare
from sertool.core.doctor.splitting import KnownWords
from sertool.core.doctor.subject import Subject
from sertool.core.errors import DataError, UsageError
from sertool.core.formatting import plural, printable
from sertool.core.recipe.schema import Recipe

NAMED = 4  # findings that the summary names
# Findings that decide what figures will be worth, so they are told in full before any time is spent on training.
TOLD = ("published", "speakers-unknown", "few-speakers", "text-cannot-tell", "raters-disagree", "shares-distorted")


@dataclass(frozen=True)
class Inspection:
    """The result of an inspection.

    Attributes:
        name: name of the corpus.
        recipe: name of the recipe.
        task: label that the recipe predicts.
        classes: classes of the task.
        speakers: number of speakers, 0 where they are unknown.
        synthetic: True for speech made by a machine.
        counts: counts of each split that has utterances.
        findings: all findings, the most severe first.
        command: command that shows this inspection.
        test_words: the words of test that are known from training; None without any, or where they were not counted.
        words: sentence on the splitting of texts in scripts without spaces; empty without any.
        caveats: put behind the name, see :attr:`~sertool.core.corpora.corpus.Corpus.caveats`.
        published: the corpus compared with its owner's counts; None where none are known.
        agreement: agreement of raters by task, of each task of the corpus that anyone rated.
        against: the corpus compared with another one, or with what a run was trained on; None if it was not asked for.
        shown: the task and its number of classes, or the scores with their ranges, for people.
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
    test_words: KnownWords | None = None
    words: str = ""
    caveats: str = ""
    published: Comparison | None = None
    agreement: Mapping[str, Agreement] = field(default_factory=dict)
    shown: str = ""
    against: Against | None = None

    def number(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for finding in self.findings)

    @property
    def as_published(self) -> bool:
        """True if published counts are known for at least one split, and all that are known agree."""
        known = [split for split in self.counts if split.published is not None]
        return bool(known) and not any(split.differences(self.classes) for split in known)

    def to_json(self) -> dict[str, Any]:
        """Return the inspection as plain data for a JSON file."""
        return {
            "name": self.name,
            "dataset": self.name,
            "recipe": self.recipe,
            "task": self.task,
            "classes": list(self.classes),
            "speakers": self.speakers,
            "synthetic": self.synthetic,
            "counts": [split.to_json() for split in self.counts],
            "as_published": self.as_published,
            **({"published": self.published.to_json()} if self.published else {}),
            **({"agreement": {task: own.to_json() for task, own in self.agreement.items()}} if self.agreement else {}),
            **({"against": self.against.to_json()} if self.against else {}),
            "test_words": self.test_words.to_json() if self.test_words else None,
            "words": self.words,
            "errors": self.number("error"),
            "warnings": self.number("warning"),
            "notes": self.number("note"),
            "findings": [finding.to_json() for finding in self.findings],
            "command": self.command,
        }


def inspect(
    recipe: Recipe,
    folder: Path,
    *,
    vectors: bool = True,
    data_dir: Path,
    command: str | None = None,
    other: Other | None = None,
) -> Inspection:
    """Read the corpus in ``folder`` as far as it can be read, and check it.

    Args:
        recipe: names reader, task, division, longest inputs and published counts.
        folder: folder of the corpus.
        vectors: look up the word vectors too, which may take some seconds.
        data_dir: folder that may hold word vectors.
        command: command that shows the inspection in full; None: the one for the recipe's name.
        other: another corpus, or the training of a run, in which copies of its utterances are looked for.

    Raises:
        UsageError: the corpus does not have the recipe's task.
    """
    faults: list[DataError] = []
    command = command or doctor_command(recipe.name, (), recipe.dataset.path, folder)
    try:
        corpus = load_for(recipe, folder, faults.append)
    except DataError as error:
        return _unread(recipe, folder, command, [*faults, error])
    dataset = recipe.dataset
    try:
        corpus, _ = mapped(dataset, corpus)
        task = task_of(dataset, corpus)
    except UsageError:
        if faults and not corpus.utterances:  # its tasks are unknown, not wrong
            return _unread(recipe, folder, command, faults)
        raise
    targets = targets_of(corpus, task, faults.append)
    sounds = read_sounds(own_folder(folder), corpus.utterances, faults.append)
    subject = Subject(recipe, corpus, task, targets, (), faults, folder=folder, sounds=sounds)
    try:
        subject = replace(subject, folds=make_folds(corpus, targets, recipe.splits))
    except (DataError, UsageError) as error:
        subject = replace(subject, undivided=error)  # a finding; the other checks still run
    # Counted for people who look at the corpus, not before each training.
    own = _inspection(subject, command, vectors, data_dir, other)
    return replace(own, test_words=splitting.known_words(subject), agreement=subject.agreements)


def _unread(recipe: Recipe, folder: Path, command: str, faults: Sequence[DataError]) -> Inspection:
    """Make the inspection of a corpus of which nothing could be read."""
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
    """Check an experiment's corpus, which is read and divided already, without looking up word vectors.

    Args:
        recipe: settings of the experiment.
        corpus: the utterances.
        task: the task to predict.
        targets: target of each utterance; None where it has none.
        folds: the recipe's division.
        command: command that shows the inspection in full.
    """
    return _inspection(Subject(recipe, corpus, task, targets, folds), command, False, Path())


def _inspection(
    subject: Subject, command: str, vectors: bool, data_dir: Path, other: Other | None = None
) -> Inspection:
    checks: list[Iterable[Finding]] = [
        module.check(subject)
        for module in (
            reading,
            counts,
            published,
            names,
            texts,
            raters,
            leakage,
            speakers,
            content,
            splitting,
            duplicates,
        )
    ]
    against = None if other is None else compare_with(subject, other)
    if against is not None:
        checks.append(contamination.check(subject, against))
    if vectors:
        checks.append(words.check(subject, data_dir))  # last and optional: it may load spaCy
    findings = [finding for check in checks for finding in check]
    order = list(KINDS)
    # Most severe first; within a severity in the order of KINDS, whatever check found it.
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
        words=describe_splitting(corpus) if subject.uses("text") else "",
        caveats=corpus.caveats,
        published=compare(corpus),
        shown=printable(subject.task.shown),
        against=against,
    )


def summary_line(inspection: Inspection) -> str:
    """Summarise errors and warnings in one line with the command that shows them; empty where there are none.

    Notes are left to the command: recordings are cut because the recipe asks for it.
    """
    shown = [finding for finding in inspection.findings if finding.severity != "note"]
    if not shown:
        return ""
    numbers = [plural(number, severity) for severity in SEVERITIES[:2] if (number := inspection.number(severity))]
    named = [finding.short for finding in shown[:NAMED]] + ["..."] * (len(shown) > NAMED)
    return f"doctor: {', '.join(numbers)} ({', '.join(named)}) · {inspection.command}"


def warning_lines(inspection: Inspection) -> list[str]:
    """Return a line for each of the findings that decide what figures will be worth, with what to do about it."""
    told = [finding for finding in inspection.findings if finding.kind in TOLD]
    return [f"warning: {finding.text}; {finding.advice} [{finding.kind}]" for finding in told]
