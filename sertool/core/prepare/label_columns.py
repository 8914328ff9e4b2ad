"""Columns of scores and of raters: ``arousal``, ``score_warmth``, ``rater_1``, ``arousal_rater_1``, ``votes``.

Their names are free in part, so they are recognised by their form. Case, and spaces, hyphens and underscores, do not
count: ``Rater 1``, ``rater-1`` and ``rater1`` are one rater.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sertool.core.prepare.findings import Findings
from sertool.core.prepare.labels import SCORE, TASKS
from sertool.core.recipe.dataset import ALL_SCORES, NO_SCORES

EMOTION, SENTIMENT = "emotion", "sentiment"  # the task of raters' classes, and that of the column score
DIMENSIONS = ("arousal", "valence", "dominance")
VOTES, RATERS = "votes", "raters"
ALL = ALL_SCORES  # of --range: every score
LONGEST = 40  # characters of the name of a score

_BETWEEN = re.compile(r"[ _-]+")
_OF_SCORE = "score_"
_RATER = re.compile(r"(?:(.+)_)?rater(?:_(.+)|(\d+))")
_NAME = re.compile(rf"\w{{1,{LONGEST}}}")
_NO_SCORES = frozenset((*TASKS, *NO_SCORES))  # names that mean something else
# Last words of columns about a rater, which do not hold what the rater said.
_ABOUT = (
    *("id", "ids", "name", "names", "count", "counts", "number", "comment", "comments", "note", "notes"),
    *("gender", "sex", "age", "agreement", "confidence", "time"),
)


@dataclass(frozen=True)
class LabelColumn:
    """A column of scores, or of what one rater said.

    Attributes:
        task: its task: ``emotion``, ``sentiment``, or the name of the score.
        rater: name of the rater; None: the cells are the scores of the utterances.
        is_sure: False for a name such as ``warmth_rater_1``, which counts only if there is a score ``warmth``.
    """

    task: str
    rater: str | None = None
    is_sure: bool = True

    @property
    def is_score(self) -> bool:
        """True if the cells are numbers; otherwise they are classes."""
        return self.task != EMOTION


@lru_cache(maxsize=4096)
def label_column(name: str) -> LabelColumn | None:
    """Return the column of scores or of a rater that a name means; None for others, such as ``votes`` and ``label``.

    >>> label_column("score_warmth"), label_column("rater 1").rater, label_column("text")
    (LabelColumn(task='warmth', rater=None, is_sure=True), '1', None)
    """
    short = folded(name)
    if match := _RATER.fullmatch(short):
        rater = match[2] or match[3]
        if rater.rpartition("_")[2] in _ABOUT:
            return None
        of = match[1]
        if of is None:
            return LabelColumn(EMOTION, rater)
        task = task_of(of)
        is_sure = of in (*DIMENSIONS, *TASKS) or of.startswith(_OF_SCORE)
        return LabelColumn(task, rater, is_sure) if is_sure or _NAME.fullmatch(task) else None
    if short in DIMENSIONS or (short.startswith(_OF_SCORE) and len(short) > len(_OF_SCORE)):
        return LabelColumn(task_of(short))
    return None


def folded(name: str) -> str:
    """Write a name in lower case, with one underscore for what stands between its words.

    >>> folded("Rater - 1")
    'rater_1'
    """
    return _BETWEEN.sub("_", name.lower()).strip("_")


def task_of(name: str) -> str:
    """Return the task of a score by its name or that of its column.

    >>> task_of("score"), task_of("score_warmth"), task_of("arousal")
    ('sentiment', 'warmth', 'arousal')
    """
    own = name.removeprefix(_OF_SCORE)
    return TASKS.get(name) or (name if own in _NO_SCORES else own)  # such a name is refused as it stands


def is_label_column(name: str) -> bool:
    """Check whether a column certainly holds scores, or what raters said, or their number."""
    column = label_column(name)
    return name in (VOTES, RATERS) or (column is not None and column.is_sure)


def is_rater(name: str) -> bool:
    """Check whether a column holds what one rater said."""
    column = label_column(name)
    return column is not None and column.rater is not None


def holds_classes(name: str) -> bool:
    """Check whether the cells of a column are the classes that one rater chose."""
    column = label_column(name)
    return column is not None and not column.is_score


@dataclass(frozen=True)
class LabelColumns:
    """Columns of scores and of raters in a table.

    Attributes:
        scores: column by task of the scores themselves, ``score`` (task sentiment) among them.
        raters: column by task and rater.
        votes: the table has the column ``votes``.
        unused: columns of raters of a score that the table does not have.
    """

    scores: dict[str, str]
    raters: dict[str, dict[str, str]]
    votes: bool
    unused: tuple[str, ...]

    @property
    def score_tasks(self) -> list[str]:
        """Return the tasks of scores, with those that raters alone have."""
        return list(dict.fromkeys([*self.scores, *(task for task in self.raters if task != EMOTION)]))

    @property
    def names(self) -> list[str]:
        """Return the names of all columns that give an utterance a label, but for the column ``score``."""
        own = [column for column in self.scores.values() if column != SCORE]
        of_raters = [column for columns in self.raters.values() for column in columns.values()]
        return [*own, *of_raters, *([VOTES] * self.votes)]


def label_columns(header: Sequence[str], named: Collection[str] = (), findings: Findings | None = None) -> LabelColumns:
    """Find the columns of scores and raters of a header.

    Args:
        header: names of all columns in lower case.
        named: scores that the user names, with --range.
        findings: receives columns that contradict each other; None: they are not looked for.
    """
    found = {name: column for name in dict.fromkeys(header) if (column := label_column(name))}
    known = {*named, *(column.task for column in found.values() if column.is_sure)}
    scores: dict[str, list[str]] = defaultdict(list, {SENTIMENT: [SCORE]} if SCORE in header else {})
    raters: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    unused = []
    for name, column in found.items():
        if column.task not in known:
            unused.append(name)
        elif column.rater is None:
            scores[column.task].append(name)
        else:
            raters[column.task][column.rater].append(name)
    if findings is not None:
        _check(header, scores, raters, findings)
    return LabelColumns(
        {task: names[0] for task, names in scores.items()},
        {task: {rater: names[0] for rater, names in own.items()} for task, own in raters.items()},
        VOTES in header,
        tuple(unused),
    )


def _check(
    header: Sequence[str],
    scores: dict[str, list[str]],
    raters: dict[str, dict[str, list[str]]],
    findings: Findings,
) -> None:
    for task, names in scores.items():
        if len(names) > 1:
            findings.add(f"columns {names[0]!r} and {names[1]!r} are both present, and both are the score {task!r}")
        if task != SENTIMENT:
            _check_name(names[0], task, findings)
    for task, own in raters.items():
        for rater, names in own.items():
            if len(names) > 1:
                findings.add(f"rater {rater!r} is named twice: columns {names[0]!r} and {names[1]!r}")
        first = next(iter(own.values()))[0]
        if task == EMOTION and VOTES in header:
            findings.add(
                f"columns {VOTES!r} and {first!r} are both present: the raters' classes stand in one column {VOTES!r}, "
                "or in a column for each rater"
            )
        elif task == SENTIMENT and SENTIMENT in header:
            findings.add(f"column {SENTIMENT!r} holds classes, and {first!r} a rater's scores of the same task")
        elif task not in (EMOTION, SENTIMENT, *scores):
            _check_name(first, task, findings)


def _check_name(column: str, task: str, findings: Findings) -> None:
    """Refuse names of scores that a recipe could not name, or that mean something else."""
    own = task.removeprefix(_OF_SCORE)
    if own in _NO_SCORES:
        instead = f" (scores of {SENTIMENT} belong in the column {SCORE!r})" if own in (SCORE, SENTIMENT) else ""
        findings.add(f"column {column!r}: {own!r} cannot be the name of a score, rename the column{instead}")
    elif not _NAME.fullmatch(task):
        rule = f"expected letters, digits and underscores, at most {LONGEST}"
        findings.add(f"column {column!r}: is not named as a score can be, {rule}")
