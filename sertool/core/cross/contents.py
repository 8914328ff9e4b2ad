"""The matrix of a recipe over several corpora as plain data. Figures are fractions, not percent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sertool.core.metrics import Difference, Estimate

FALLS, RISES = "falls", "rises"  # verdicts on a cell beside the diagonal
NOT_SHOWN, NO_INTERVAL = "no difference shown", "no interval can be given"


@dataclass(frozen=True)
class CorpusFacts:
    """Facts on a corpus that stand beside every figure on it.

    Attributes:
        name: name of its folder, which names its row and its column.
        folder: the folder, as the user gave it.
        source: sentence on its origin; may be empty.
        caveats: such as ``synthetic speech``; often empty.
        speakers_note: sentence where it is not known who speaks; else empty.
        licences: licences that its frames are under, as those of an encoder; often empty.
        map: facts on the label map, as JSON; None without one.
        map_lines: the same in words.
    """

    name: str
    folder: str
    source: str = ""
    caveats: str = ""
    speakers_note: str = ""
    licences: tuple[str, ...] = ()
    map: Mapping[str, Any] | None = None
    map_lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """The experiment that a matrix shows.

    Attributes:
        name: name of the folder of its runs, below ``--output``.
        recipe: name of the recipe.
        about: what the recipe says of itself.
        changes: values of ``--set``.
        protocol: ``paper`` or ``honest``.
        map: name or file of the label map; None without one.
        leave_one_out: models of all corpora but one are judged on that one, too.
        corpora: facts on each corpus, in the order of rows and columns.
    """

    name: str
    recipe: str
    about: str
    changes: tuple[str, ...]
    protocol: str
    map: str | None
    leave_one_out: bool
    corpora: tuple[CorpusFacts, ...]


@dataclass(frozen=True)
class Drop:
    """Distance of a figure below the diagonal, on the same utterances.

    Attributes:
        diagonal: figure of the model of the column's own corpus, over the utterances and classes of the cell.
        difference: diagonal less cell, with its paired interval over clusters, and the p-value of no difference.
        holm: this p-value, corrected for the tests of all cells; None without one.
        verdict: ``falls``, ``rises``, ``no difference shown``, or that no interval can be given.
    """

    diagonal: float
    difference: Difference
    holm: float | None = None
    verdict: str = NO_INTERVAL


@dataclass(frozen=True)
class Cell:
    """A model on a corpus.

    Attributes:
        trained_on: names of the corpora of its training: one, or all but ``judged_on``.
        judged_on: name of the corpus that it is judged on.
        run: folder of its predictions below ``--output``.
        utterances: number of judged utterances.
        classes: judged classes, or names of the scores.
        figure: UAR, or the mean CCC of scores, with its interval.
        unit, clusters, unit_note: what the interval is over, how many there are, and a caveat.
        selected_on_test: what was selected on test; empty if nothing was.
        drop: how far it is below the diagonal; None on the diagonal.
    """

    trained_on: tuple[str, ...]
    judged_on: str
    run: str
    utterances: int
    classes: tuple[str, ...]
    figure: Estimate
    unit: str
    clusters: int
    unit_note: str
    selected_on_test: str = ""
    drop: Drop | None = None


@dataclass(frozen=True)
class Row:
    """Models of one corpus.

    Attributes:
        trained_on: name of the corpus.
        cells: a cell for each column.
        elsewhere: mean figure of the cells beside the diagonal.
    """

    trained_on: str
    cells: tuple[Cell, ...]
    elsewhere: float


@dataclass(frozen=True)
class Matrix:
    """Models of each corpus, judged on all.

    Attributes:
        setting: the experiment.
        task: label that is predicted.
        kind: ``single``, ``multi`` or ``scores``.
        metric: key of the figure: ``uar`` or ``ccc``.
        rows: a row for each corpus.
        left_out: with ``leave_one_out`` the models of all other corpora, a cell for each column; else empty.
        constant: figure of always the same answer, for each column, on the utterances of the diagonal.
        tests: number of p-values in Holm's correction, one for each cell beside the diagonal that has one.
        notes: what a reader of the figures should know, one sentence each.
        command: the command that makes it again.
        made: when it was made.
    """

    setting: Setting
    task: str
    kind: str
    metric: str
    rows: tuple[Row, ...]
    left_out: tuple[Cell, ...]
    constant: tuple[float, ...]
    tests: int
    notes: tuple[str, ...]
    command: str = ""
    made: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the corpora."""
        return tuple(corpus.name for corpus in self.setting.corpora)

    @property
    def diagonal(self) -> tuple[Cell, ...]:
        """The cell of each corpus on itself."""
        return tuple(row.cells[place] for place, row in enumerate(self.rows))
