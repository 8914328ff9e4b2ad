"""A report as lines of text for a terminal: the tables of the data sets, then each run with its findings."""

from sertool.core.formatting import aligned, printable, wrapped
from sertool.core.reports.contents import Report
from sertool.core.reports.text.blocks import Section, Table
from sertool.core.reports.text.sections import problem_section, run_section
from sertool.core.reports.text.task_sections import task_section

WIDEST = 100  # columns of a sentence; longer lines are hard to read


def show(report: Report, width: int) -> list[str]:
    """Show the essentials of a report; all members, sizes and slices are in the files.

    Args:
        report: the report.
        width: columns of the terminal.
    """
    sections = [task_section(task, full=False) for task in report.tasks]
    sections += [run_section(run, full=False) for run in report.runs]
    sections += [problem_section(report)] if report.problems else []
    lines = wrapped(printable(f"{report.title} · {report.made}"), width)
    for sentence in report.summary:
        lines += wrapped(printable(sentence), min(width, WIDEST))
    for section in sections:
        lines += ["", *_section(section, width)]
    return lines


def _section(section: Section, width: int) -> list[str]:
    prose = min(width, WIDEST)
    lines = wrapped(printable(section.title), prose)
    # The rule under a heading is as long as the heading.
    lines += ["─" * min(max(map(len, lines)), prose)]
    for severity, text in section.findings:
        lines += wrapped(f"{severity}: {printable(text)}", prose)
    after_table = False
    # Tables stand between empty lines; sentences follow each other without.
    for table in section.tables:
        separated = table.header or table.title or after_table
        lines += [*([""] if separated else []), *_table(section, table, width)]
        after_table = bool(table.header)
    return lines


def _table(section: Section, table: Table, width: int) -> list[str]:
    prose, title = min(width, WIDEST), section.titled(table)
    lines = wrapped(printable(title), prose) if title else []
    if table.header:
        # Where a table continues below, its rows are told apart by run and protocol.
        fixed = 2 if table.header[1:2] == ("protocol",) else 1
        lines += aligned(table.header, table.rows, width, fixed)
    for note in table.notes:
        lines += wrapped(printable(note), prose)
    return lines
