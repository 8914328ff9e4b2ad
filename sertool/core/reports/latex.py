r"""The tables of a report as LaTeX: a file per table, with booktabs rules and a caption that says how it was made.

A paper takes a file in by ``\\input``. It needs the package booktabs alone, and compiles with pdfLaTeX, XeLaTeX and
LuaLaTeX; names in other scripts than Latin need one of the latter two, with a font that has them.
"""

import re
from collections.abc import Iterator, Sequence

from sertool.core.formatting import INTERVAL, file_name, printable
from sertool.core.recipe.schema import ARCHITECTURES
from sertool.core.reports.contents import Report, RunReport, SetReport
from sertool.core.reports.text.blocks import Table
from sertool.core.reports.text.sections import set_tables
from sertool.core.reports.text.task_sections import task_section
from sertool.core.reports.wording import NONE, capitalised, in_percent, over_clusters
from sertool.core.runs.ensemble_size import how_chosen

WIDE = 5  # columns; a table with more of them spans both columns of a paper
# Signs that LaTeX obeys, and signs that the usual fonts of pdfLaTeX lack.
_SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': r"\char34{}",
    "`": r"\char96{}",
    "'": r"\char39{}",
    "-": "{-}",  # two of them side by side would become a dash
    "≠": r"$\neq$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "–": "--",
}
_INTERVAL = re.compile(r"(\d) - (?=-?\d)")  # between the ends, as in 69.8 - 75.0
_SIGN = re.compile(r"^([+-])(?=\d)")


def latex_files(report: Report) -> Iterator[tuple[str, str]]:
    """Return the path, below the folder of tables, and the text of each table: of tasks, then of the sets of runs."""
    for task in report.tasks:
        section = task_section(task, full=False)  # all metrics with their spread would be wider than a page
        (table,) = section.tables
        if table.rows:
            name = file_name(f"{task.dataset}-{task.name}")
            notes = [*table.notes, units_of(task.kind)]
            yield f"{name}.tex", _float(table, name, [section.title], notes, report)
    for run in report.runs:
        for own in run.sets.values():
            for name, table in _named(own, set_tables(run, own, full=True)):
                place = f"{file_name(run.name)}/{file_name(own.set)}-{name}"
                yield f"{place}.tex", _float(table, place, _subject(run, own, table), _notes(run, own, table), report)


def _named(own: SetReport, tables: list[Table]) -> Iterator[tuple[str, Table]]:
    """Return the tables that have rows, each with its part of a file name; the first one holds the metrics."""
    for place, table in enumerate(tables):
        if table.rows:
            title = table.title.removeprefix(f"{own.set} · ")
            yield "metrics" if place == 0 else file_name(re.split("[:,]", title)[0]), table


def _subject(run: RunReport, own: SetReport, table: Table) -> list[str]:
    """Say what the table shows: the run, its data with caveats, and the set."""
    data = run.dataset + (f" ({run.caveats})" if run.caveats else "")
    title = table.title if table.title.startswith(f"{own.set} · ") else f"{own.set} · {table.title}"
    return [f"{run.name} on {data}, {run.task}", title]


def _notes(run: RunReport, own: SetReport, table: Table) -> list[str]:
    """Say how the figures came about: members, protocol, intervals, and what stands below the table elsewhere."""
    context = [f"context: {run.context}"] if run.context else []
    notes = [_averaged(run, own), *context]
    notes += [] if run.imported else [run.stamp or f"{run.protocol} protocol"]
    over = over_clusters(own)
    if INTERVAL in table.header and over not in table.notes:
        notes.append(over)
    return [*notes, *table.notes, units_of(run.kind)]


def _averaged(run: RunReport, own: SetReport) -> str:
    if run.imported is not None:
        return run.imported.stated
    chosen = how_chosen(run.chosen_by, run.select, run.kind)
    return f"{ARCHITECTURES[run.architecture]}, {own.k} of {run.members} members averaged, {chosen}"


def units_of(kind: str) -> str:
    """Say in which units the figures of a kind of task are."""
    return "shares in percent" if in_percent(kind) else "errors in the units of the scores, shares in percent"


def _float(table: Table, label: str, subject: list[str], notes: list[str], report: Report) -> str:
    """Write a table of a report as a float."""
    made = f"made on {report.made}"
    caption = f"{': '.join(subject)}. {capitalised('; '.join((*notes, made)))}"
    head = [in_latex("95 % interval" if name == INTERVAL else name) for name in table.header]
    rows = [line_of([_cell(text) for text in row]) for row in table.rows]
    return float_of(head, rows, caption=caption, label=label, command=report.command)


def float_of(head: Sequence[str], rows: Sequence[str], *, caption: str, label: str, command: str) -> str:
    """Write a table as a float; one with many columns spans both columns of a paper.

    Args:
        head: names of the columns, as LaTeX.
        rows: lines of the table, as LaTeX; see :func:`line_of`.
        caption: text without its full stop.
        label: name for references, without ``tab:``.
        command: command that made the table; empty if unknown.
    """
    environment = "table*" if len(head) > WIDE else "table"
    lines = [
        *([f"% {printable(command)}"] if command else []),
        rf"\begin{{{environment}}}",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{in_latex(caption)}.}}",
        rf"\label{{tab:{label}}}",
        rf"\begin{{tabular}}{{@{{}}l{'r' * (len(head) - 1)}@{{}}}}",
        r"\toprule",
        line_of(head),
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def line_of(cells: Sequence[str]) -> str:
    """Join cells, as LaTeX, to a line of a table."""
    return " & ".join(cells) + r" \\"


def _cell(text: str) -> str:
    """Write a cell: a dash between the ends of an interval, a minus before a negative figure."""
    if text == NONE:
        return "--"
    sign = _SIGN.match(text)
    written = _INTERVAL.sub(r"\1–", text.removeprefix(sign[1]) if sign else text)
    return (f"${sign[1]}$" if sign else "") + in_latex(written)


def in_latex(text: str) -> str:
    r"""Escape a text, so that LaTeX shows it unchanged and obeys nothing in it.

    >>> print(in_latex("R&D_1: 100 %"))
    R\&D\_1: 100 \%
    """
    return "".join(_SIGNS.get(sign, sign) for sign in printable(text))
