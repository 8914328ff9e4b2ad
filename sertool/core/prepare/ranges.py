"""Ranges of scores that the user states: ``--range 1:5``, or ``--range arousal=1:5,valence=-1:1``.

A score of a table keeps its own scale, and the corpus holds its range. Without one the column ``score`` goes from -3 to
3, as MOSI's and MOSEI's, or is mapped there by ``--rescale``; no other column of scores has a usual range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sertool.core.corpora.names import normal
from sertool.core.corpora.score_tasks import OTHER_UNIT, range_problem
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.formatting import first_few
from sertool.core.prepare.label_columns import ALL, folded, task_of
from sertool.core.prepare.scale import Scale, scale_of

OPTION = "--range"
EXAMPLE = f"{OPTION} 1:5 for all scores, or {OPTION} arousal=1:5,valence=-1:1"


@dataclass(frozen=True)
class Ranges:
    """Lowest and highest score that the user states.

    Attributes:
        named: range by task.
        others: range of every other score; None where the user gave none.
    """

    named: Mapping[str, Scale] = field(default_factory=dict)
    others: Scale | None = None

    def of(self, task: str) -> Scale | None:
        """Return the range of a score; None where it is not stated."""
        return self.named.get(task, self.others)

    def check(self, tasks: Sequence[str]) -> None:
        """Refuse ranges of scores that are not there.

        Args:
            tasks: scores of the table.

        Raises:
            UsageError: there is no such score.
        """
        absent = [task for task in self.named if task not in tasks]
        if absent:
            near = did_you_mean(absent[0], list(tasks))
            held = f"the scores are {first_few(tasks, 20)}" if tasks else "the table has no columns of scores"
            raise UsageError(f"{OPTION}: there is no score {first_few(map(repr, absent))}{near}", hint=held)
        if not tasks:
            raise UsageError(f"{OPTION}: there is no column of scores", hint=f"leave out {OPTION}")

    def to_json(self) -> dict[str, list[float]]:
        """Return the ranges by task, and under ``all`` that of the others."""
        given = {**({} if self.others is None else {ALL: self.others}), **self.named}
        return {task: [scale.low, scale.high] for task, scale in given.items()}


NONE_STATED = Ranges()


def parse_ranges(text: str) -> Ranges:
    """Parse the value of ``--range``.

    >>> parse_ranges("1:5,score=-3:3").of("arousal"), parse_ranges("arousal=1:5").of("valence")
    (Scale(low=1.0, high=5.0), None)

    Raises:
        UsageError: a part is no ``LOW:HIGH``, or two are about one score.
    """
    named: dict[str, Scale] = {}
    others = None
    for part in text.split(","):
        name, equals, ends = part.rpartition("=")
        task = task_of(folded(normal(name)))
        scale = scale_of(ends)
        if scale is None or (equals and not task):
            raise UsageError(f"{OPTION} {text}: {part!r} is not the lowest and the highest score", hint=EXAMPLE)
        if problem := range_problem(scale.low, scale.high):
            raise UsageError(f"{OPTION} {text}: {part!r} {problem}", hint=OTHER_UNIT)
        if task in named or (not equals and others is not None):
            raise UsageError(f"{OPTION} {text}: two ranges for {task or 'all scores'}", hint="keep one of them")
        if equals:
            named[task] = scale
        else:
            others = scale
    return Ranges(named, others)
