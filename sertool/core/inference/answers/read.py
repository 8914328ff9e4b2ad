"""Answers of other tools read from a table, as logits or scores for the judged utterances of a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.class_maps import ClassMap, compared
from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.formatting import first_few, names_of, plural, problem_list
from sertool.core.inference.answers.columns import Answered, Known, answered
from sertool.core.inference.answers.labels import class_finder, read_decisions
from sertool.core.inference.answers.numbers import (
    FloatArray,
    check_scores,
    checked_probabilities,
    hint_for,
    read_numbers,
)
from sertool.core.inference.answers.places import SHOWN, Row, rows_of
from sertool.core.inference.answers.table import AnswerTable
from sertool.core.inference.imported import TINY, logits_of_labels, logits_of_probabilities
from sertool.core.inference.subject import JudgedCorpus, Subject, subject_of
from sertool.core.metrics.classification import decide
from sertool.core.prepare.findings import Findings
from sertool.core.runs.imported import LABELS, PROBABILITIES, SCORES

Values = TypeVar("Values", NDArray[np.float64], NDArray[np.int64])
NOTHING = "nothing was stored"


@dataclass(frozen=True)
class ToolAnswers:
    """Answers of one tool.

    Attributes:
        tool: its name; empty for the only one of a file.
        subject: the judged utterances.
        kind: ``labels``, ``probabilities`` or ``scores``.
        logits: (N, C) as :func:`~sertool.core.inference.imported.store_imported` takes them.
        notes: sentences on what was not read as it stands.
    """

    tool: str
    subject: Subject
    kind: str
    logits: NDArray[np.float32]
    notes: tuple[str, ...]


def read_answers(
    table: AnswerTable,
    judged: JudgedCorpus,
    *,
    task: str | None = None,
    split: str | None = None,
    label_map: ClassMap | None = None,
) -> list[ToolAnswers]:
    """Read the answers of every tool of a table.

    Args:
        table: the table of answers.
        judged: the corpus.
        task: name of the label, see :func:`~sertool.core.inference.subject.open_subject`; None: as the columns say.
        split: the judged split; None: test, or all where there is none.
        label_map: labels and answers are compared through it.

    Raises:
        UsageError: there is no such task, split or class.
        DataError: the table does not answer for every judged utterance, or holds what is no answer; problems of one
            kind are listed at once, with their rows.
    """
    tools = answered(table, _known(judged, task, label_map))
    chosen = task or _task_of(table, tools, judged, label_map)
    return [_of_tool(table, own, judged, chosen, split, label_map) for own in tools]


def _known(judged: JudgedCorpus, task: str | None, label_map: ClassMap | None) -> Known:
    """Collect the names that a table may use."""
    if task is not None and label_map is None:
        own = subject_of(judged, task=task, split=None).task
        if own.kind == "scores":
            return Known(lambda name: False, own.classes, ())
        classes, tasks = list(own.classes), [own.name]
    else:
        tasks = [task] if task is not None else judged.class_tasks
        classes = [name for one in tasks for name in judged.classes.get(one, ())]
    names = set(map(compared, classes))

    def is_class(name: str) -> bool:
        if label_map is not None:
            return label_map.model_class(name) is not None or compared(name) in label_map.dropped
        return compared(name) in names

    return Known(is_class, judged.scores, tasks or ([""] if label_map is not None else ()), classes)


def _task_of(
    table: AnswerTable, tools: Sequence[Answered], judged: JudgedCorpus, label_map: ClassMap | None
) -> str | None:
    """Return the task that the columns are about; None where that is the usual one of the corpus."""
    if label_map is not None or not tools:
        return None
    first = tools[0]
    if first.kind == SCORES:
        return ", ".join(first.columns)
    names = {compared(name): name for name in judged.class_tasks}
    if first.kind == LABELS:
        # Behind the colon of a tool, as in "theirs:emotion".
        last = compared(first.columns[""].rpartition(":")[2])
        return names.get(last)
    own = set(map(compared, first.columns))
    fitting = [name for name in judged.class_tasks if own <= set(map(compared, judged.classes[name]))]
    return fitting[0] if len(fitting) == 1 else None


def _of_tool(
    table: AnswerTable,
    own: Answered,
    judged: JudgedCorpus,
    task: str | None,
    split: str | None,
    label_map: ClassMap | None,
) -> ToolAnswers:
    # Which classes a tool can answer is told by the columns of probabilities, and not by labels alone.
    answers = list(own.columns) if label_map is not None and own.kind == PROBABILITIES else None
    subject = subject_of(judged, task=task, split=split, label_map=label_map, answers=answers)
    scored = subject.task.kind == "scores"
    if scored != (own.kind == SCORES):
        kinds = {True: "scores", False: "classes"}
        raise DataError(
            f"{table.path}: {own.tool or 'the file'} answers {kinds[own.kind == SCORES]}, and the task "
            f"{subject.task.name} is one of {kinds[scored]}",
            hint="--task names another task of the corpus",
        )
    notes: list[str] = []
    rows = rows_of(table, subject, notes)
    if scored:
        values = _scores(table, own, subject, rows, notes)
    elif own.kind == LABELS:
        values = _labels(table, own.columns[""], subject, rows, label_map, notes)
    else:
        values = _probabilities(table, own, subject, rows, label_map, notes)
    return ToolAnswers(own.tool, subject, own.kind, values, tuple(notes))


def _scores(
    table: AnswerTable, own: Answered, subject: Subject, rows: Sequence[Sequence[Row]], notes: list[str]
) -> NDArray[np.float32]:
    names = subject.task.classes
    lacking = [name for name in names if name not in own.columns]
    if lacking:
        raise DataError(
            f"{table.path}: no column for the score {names_of(lacking)} (it has {names_of(own.columns)})",
            hint=f"--task '{', '.join(own.columns)}' judges those that it has",
        )
    findings = Findings()
    columns = [own.columns[name] for name in names]
    values = _numbers(table, columns, rows, notes)
    notes += check_scores(values, columns, subject.task.ranges, findings)
    _refuse(table, findings, "is it another scale? rescale the predictions to that of the corpus")
    return values.astype(np.float32)


def _labels(
    table: AnswerTable,
    column: str,
    subject: Subject,
    rows: Sequence[Sequence[Row]],
    label_map: ClassMap | None,
    notes: list[str],
) -> NDArray[np.float32]:
    findings, task = Findings(), subject.task
    flat = [row for own in rows for row in own]
    cells, numbers = [row.get(column, "") for _, row in flat], [number for number, _ in flat]
    find = class_finder(task.classes) if label_map is None else label_map.model_class
    several = task.kind == "multi"
    decisions = read_decisions(cells, numbers, task.classes, find, findings, several=several)
    hint = None
    if label_map is None:
        hint = "--map NAME|FILE brings the classes of a tool and of a corpus under common names"
    else:
        hint = "name the label under `classes` or `model` of the map; a label alone cannot be left out, as a class "
        hint += "with a probability can"
    _refuse(table, findings, hint)
    return logits_of_labels(_once(table, rows, decisions, notes), len(task.classes))


def _probabilities(
    table: AnswerTable,
    own: Answered,
    subject: Subject,
    rows: Sequence[Sequence[Row]],
    label_map: ClassMap | None,
    notes: list[str],
) -> NDArray[np.float32]:
    findings, kind = Findings(), subject.task.kind
    given = own if label_map is not None else _in_order(table, own, subject)
    columns = list(given.columns.values())
    values = _numbers(table, columns, rows, notes)
    if own.logits:
        logits = values.astype(np.float32)
    else:
        numbers = [first[0] for first, *_ in rows]
        known = checked_probabilities(values, numbers, columns, findings, single=kind == "single")
        _refuse(table, findings, hint_for(values, plain=own.plain))
        if zeros := int((known < TINY).sum()):
            notes.append(f"{plural(zeros, 'probability', 'probabilities')} of 0, stored as 1e-38")
        logits = logits_of_probabilities(known, kind)
    if label_map is not None:
        logits = label_map.model_columns(list(given.columns), subject.task.classes).apply(logits)
    _note_other_labels(own, subject, rows, logits, label_map, notes)
    return logits


def _in_order(table: AnswerTable, own: Answered, subject: Subject) -> Answered:
    """Return the columns in the order of the task's classes, under their names."""
    classes, find = subject.task.classes, class_finder(subject.task.classes)
    found = {find(name): column for name, column in own.columns.items()}
    of = f" of {own.tool}" if own.tool else ""
    map_hint = "--map NAME|FILE brings the classes of a tool and of a corpus under common names"
    unknown = [name for name in own.columns if find(name) is None]
    if unknown:
        near = did_you_mean(unknown[0], list(classes))
        raise UsageError(
            f"{table.path}: {names_of(unknown)}{of}: no such class in {subject.corpus.name}, which has "
            f"{names_of(classes)}{near}",
            hint=map_hint,
        )
    lacking = [name for name in classes if name not in found]
    if lacking:
        raise DataError(
            f"{table.path}: no column for the class {names_of(lacking)}{of} (it has {names_of(own.columns)})",
            hint=f"{map_hint}; a tool that never answers a class has a column of zeros for it",
        )
    if len(found) < len(own.columns):
        raise DataError(f"{table.path}: two columns{of} are about one class: {names_of(own.columns)}")
    return replace(own, columns={name: found[name] for name in classes})


def _note_other_labels(
    own: Answered,
    subject: Subject,
    rows: Sequence[Sequence[Row]],
    logits: NDArray[np.float32],
    label_map: ClassMap | None,
    notes: list[str],
) -> None:
    """Say how often a label beside probabilities is another class than the most probable one, which is used."""
    if own.decided is None or subject.task.kind != "single":
        return
    find = class_finder(subject.task.classes) if label_map is None else label_map.model_class
    named = [find(first[1].get(own.decided, "")) for first, *_ in rows]
    likeliest = [subject.task.classes[number] for number in decide(logits, "single").tolist()]
    other = sum(name is not None and name != best for name, best in zip(named, likeliest, strict=True))
    if other:
        notes.append(
            f"column {own.decided!r} names another class than the most probable one in {other:,} of "
            f"{plural(len(rows), 'row')}; the most probable one is judged"
        )


def _numbers(table: AnswerTable, columns: Sequence[str], rows: Sequence[Sequence[Row]], notes: list[str]) -> FloatArray:
    """Read the numbers (N, C) of the judged utterances; rows that say the same twice count once."""
    flat = [row for own in rows for row in own]
    findings = Findings()
    cells = [[row.get(column, "") for column in columns] for _, row in flat]
    values = read_numbers(cells, [number for number, _ in flat], columns, findings)
    _refuse(table, findings)
    return _once(table, rows, values, notes)


def _once(table: AnswerTable, rows: Sequence[Sequence[Row]], values: Values, notes: list[str]) -> Values:
    """Return the first of the answers for each utterance.

    Args:
        table: the table of answers.
        rows: rows of each utterance.
        values: (R, ...) answers of all rows, in that order.
        notes: receives the number of rows that say the same again.

    Raises:
        DataError: two rows about one utterance differ.
    """
    starts = np.cumsum([0, *(len(own) for own in rows)])
    first = np.repeat(starts[:-1], np.diff(starts))
    differs = (values != values[first]).reshape(len(values), -1).any(1)
    if differs.any():
        flat = [row for own in rows for row in own]
        told = [f"rows {flat[first[place]][0]} and {flat[place][0]}" for place in np.flatnonzero(differs)]
        raise DataError(
            f"{table.path}: {plural(len(told), 'utterance')} with two answers that differ: {first_few(told, SHOWN)}",
            hint="each utterance needs one row; several tools are columns, TOOL:label",
        )
    if len(values) > len(rows):
        more = len(values) - len(rows)
        notes.append(f"{plural(more, 'row')} {'repeats' if more == 1 else 'repeat'} another one")
    kept: Values = values[starts[:-1]]
    return kept


def _refuse(table: AnswerTable, findings: Findings, hint: str | None = None) -> None:
    """Raise the problems that were found, if any."""
    if findings:
        told = f"{hint}; {NOTHING}" if hint else f"correct the file; {NOTHING}"
        raise DataError(problem_list(table.path, findings.lines()), hint=told)
