"""Columns of a table of answers: ids, and what each tool answers.

A column is named as what it holds::

    id (or utterance)                     as in the corpus
    split                                 of the corpus, where ids repeat; set: written by `sertool ensemble`
    label (or predicted, prediction, class, or the name of the task)
    CLASS, prob_CLASS, probability_CLASS  probability of a class
    logit_CLASS                           its logit
    SCORE, predicted_SCORE                a predicted score

A file with several tools has ``TOOL:`` before each of these names but the first two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sertool.core.corpora.class_maps import compared
from sertool.core.errors import DataError
from sertool.core.formatting import first_few
from sertool.core.inference.answers.table import AnswerTable
from sertool.core.runs.imported import LABELS, PROBABILITIES, SCORES

IDS = ("utterance", "id")
SPLIT, SET = "split", "set"
# The first that is there: in a file with `predicted` and `label`, the label is the true one.
DECIDED = ("predicted", "prediction", "class", "label")
LOGIT, PROBABILITY = "logit_", ("prob_", "probability_")
PREDICTED = "predicted_"
TOOL = ":"  # between the name of a tool and that of its column
_NONE = "a label, a probability for each class, or a score"


@dataclass(frozen=True)
class Answered:
    """Columns of one tool.

    Attributes:
        tool: its name; empty for the only one.
        kind: ``labels``, ``probabilities`` or ``scores``.
        columns: column of each class or score, by the name that the file gives it; of labels the one column.
        logits: the numbers are logits, not probabilities.
        plain: the columns are named by the classes alone, so that they might hold something else.
        decided: column of the labels beside probabilities; None without one.
    """

    tool: str
    kind: str
    columns: Mapping[str, str]
    logits: bool = False
    plain: bool = False
    decided: str | None = None


@dataclass(frozen=True)
class Known:
    """Names that a table may use.

    Attributes:
        is_class: function that tells whether a name is one of a class.
        scores: names of scores.
        tasks: names of tasks of classes.
        classes: names of classes, for messages.
    """

    is_class: Callable[[str], bool]
    scores: Sequence[str]
    tasks: Sequence[str]
    classes: Sequence[str] = ()


def id_column(table: AnswerTable) -> str:
    """Return the column of ids.

    Raises:
        DataError: there is none.
    """
    found = [name for wanted in IDS for name in table.names if compared(name) == wanted]
    if not found:
        raise DataError(
            f"{table.path}: no column 'id' or 'utterance' (columns: {first_few(table.names, 20)})",
            hint="--columns id=COLUMN says which column holds the ids",
        )
    return found[0]


def named(table: AnswerTable, name: str) -> str | None:
    """Return the column of a name, in any case; None where there is none."""
    return next((own for own in table.names if compared(own) == name), None)


def answered(table: AnswerTable, known: Known) -> list[Answered]:
    """Find the columns of each tool, in the order of the file.

    Args:
        table: the table of answers.
        known: names that it may use; without tasks of classes only scores are looked for.

    Raises:
        DataError: there are no answers, or those of a tool cannot be told.
    """
    groups: dict[str, dict[str, str]] = {}
    for column in table.names:
        tool, sign, rest = column.partition(TOOL)
        if sign and tool.strip() and not known.is_class(column) and _is_answer(rest.strip(), known):
            groups.setdefault(tool.strip(), {})[rest.strip()] = column
    if not groups:
        groups[""] = {column: column for column in table.names}
    found = [(tool, _of_tool(tool, columns, known)) for tool, columns in groups.items()]
    for tool, own in found:
        if own is None:
            whose = f" of {tool}" if tool else ""
            raise DataError(
                f"{table.path}: no column holds answers{whose}, expected {_NONE} "
                f"(columns: {first_few(table.names, 20)})",
                hint="--columns label=COLUMN, or CLASS=COLUMN for each class, says which columns hold them; classes of "
                "other names than the corpus has need --map, or columns named prob_CLASS" + _classes(known),
            )
    return [own for _, own in found if own is not None]


def _classes(known: Known) -> str:
    return f". The corpus has {first_few(known.classes, 20)}" if known.classes else ""


def _is_answer(name: str, known: Known) -> bool:
    own = compared(name)
    prefixed = own.startswith((LOGIT, *PROBABILITY, PREDICTED))
    words = (*DECIDED, *map(compared, known.tasks), *map(compared, known.scores))
    return prefixed or own in words or known.is_class(name)


def _of_tool(tool: str, columns: Mapping[str, str], known: Known) -> Answered | None:
    """Find what a tool answers, given its columns by their names without that of the tool."""
    decided = _first(columns, (*DECIDED, *map(compared, known.tasks))) if known.tasks else None
    for prefixes in ((LOGIT,), PROBABILITY) if known.tasks else ():
        own = {
            name[len(prefix) :].strip(): column
            for name, column in columns.items()
            for prefix in prefixes
            if compared(name).startswith(prefix) and name[len(prefix) :].strip()
        }
        if own:
            return Answered(tool, PROBABILITIES, own, logits=prefixes == (LOGIT,), decided=decided)
    own = {name: column for name, column in columns.items() if known.is_class(name)}
    if len(own) > 1:
        return Answered(tool, PROBABILITIES, own, plain=True, decided=decided)
    if decided is not None:
        return Answered(tool, LABELS, {"": decided})
    # A column behind `predicted_` is the answer, and one without the true score.
    scores = {name: _first(columns, (PREDICTED + compared(name), compared(name))) for name in known.scores}
    given = {name: column for name, column in scores.items() if column is not None}
    return Answered(tool, SCORES, given) if given else None


def _first(columns: Mapping[str, str], wanted: Sequence[str]) -> str | None:
    names = {compared(name): column for name, column in columns.items()}
    return next((names[one] for one in wanted if one in names), None)
