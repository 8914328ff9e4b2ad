"""A report as Markdown with GitHub's tables: all of it but the utterances, ready for an appendix or an issue."""

import re
from collections.abc import Sequence

from sertool.core.formatting import printable
from sertool.core.reports.contents import Report
from sertool.core.reports.text.blocks import Section, Table
from sertool.core.reports.text.sections import problem_section, run_section, task_section

SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~&$#@])")


def to_markdown(report: Report) -> str:
    """The whole report; every table of a run that was selected on test says so."""
    sections = [task_section(task, full=True) for task in report.tasks]
    sections += [run_section(run, full=True) for run in report.runs]
    sections += [problem_section(report)] if report.problems else []
    parts = [f"# {escaped(report.title)}", escaped(report.made)]
    for section in sections:
        parts += _section(section)
    if report.command:
        parts += [f"Command: {escaped(report.command)}"]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """A text from outside on one line that Markdown shows as it is: no table ends, nothing becomes a tag or a link."""
    return SPECIAL.sub(r"\\\1", printable(text))


def _section(section: Section) -> list[str]:
    parts = [f"## {escaped(section.title)}"]
    if section.findings:
        parts.append("\n".join(f"- **{severity}**: {escaped(text)}" for severity, text in section.findings))
    for block in section.blocks:
        parts += _block(section, block)
    return parts


def _block(section: Section, block: Table) -> list[str]:
    title = section.titled(block)
    parts = [f"**{escaped(title)}**"] if title else []
    if block.header:
        rule = [":--" if place == 0 else "--:" for place in range(len(block.header))]
        cells = [[escaped(cell) for cell in row] for row in block.rows]
        parts.append("\n".join(map(_row, [[escaped(cell) for cell in block.header], rule, *cells])))
    if block.notes:
        parts.append("\n".join(f"- {escaped(note)}" for note in block.notes))
    return parts


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
