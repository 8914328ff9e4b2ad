"""A report as Markdown with GitHub's tables: everything but the utterances, for an appendix or an issue."""

from collections.abc import Sequence

from sertool.core.formatting import in_markdown
from sertool.core.reports.contents import Report
from sertool.core.reports.text.blocks import Section, Table
from sertool.core.reports.text.sections import problem_section, run_section
from sertool.core.reports.text.task_sections import task_section


def to_markdown(report: Report) -> str:
    """Write the whole report. Every table of a run that was selected on test says so, as tables get copied alone."""
    sections = [task_section(task, full=True) for task in report.tasks]
    sections += [run_section(run, full=True) for run in report.runs]
    sections += [problem_section(report)] if report.problems else []
    parts = [f"# {in_markdown(report.title)}", in_markdown(report.made)]
    parts += [" ".join(map(in_markdown, report.summary))] if report.summary else []
    for section in sections:
        parts += _section(section)
    if report.command:
        parts += [f"Command: {in_markdown(report.command)}"]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    parts = [f"## {in_markdown(section.title)}"]
    if section.findings:
        parts.append("\n".join(f"- **{severity}**: {in_markdown(text)}" for severity, text in section.findings))
    for table in section.tables:
        parts += _table(section, table)
    return parts


def _table(section: Section, table: Table) -> list[str]:
    title = section.titled(table)
    parts = [f"**{in_markdown(title)}**"] if title else []
    if table.header:
        rule = [":--" if place == 0 else "--:" for place in range(len(table.header))]
        cells = [[in_markdown(cell) for cell in row] for row in table.rows]
        parts.append("\n".join(map(_row, [[in_markdown(cell) for cell in table.header], rule, *cells])))
    if table.notes:
        parts.append("\n".join(f"- {in_markdown(note)}" for note in table.notes))
    return parts


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
