"""A report as lines for a terminal: the tables first, then each run with what a reader must not miss."""

from sertool.core.formatting import aligned, printable, wrapped
from sertool.core.reports.contents import Report
from sertool.core.reports.text.blocks import Section, Table
from sertool.core.reports.text.sections import problem_section, run_section, task_section

WIDEST = 100  # columns of a sentence; longer lines are hard to read


def show(report: Report, width: int) -> list[str]:
    """What matters of a report; all members, sizes and slices are in the files.

    Args:
        report: to show.
        width: of the terminal, in columns.
    """
    sections = [task_section(task, full=False) for task in report.tasks]
    sections += [run_section(run, full=False) for run in report.runs]
    sections += [problem_section(report)] if report.problems else []
    lines = wrapped(printable(f"{report.title} · {report.made}"), width)
    for section in sections:
        lines += ["", *_section(section, width)]
    return lines


def _section(section: Section, width: int) -> list[str]:
    prose = min(width, WIDEST)
    lines = wrapped(printable(section.title), prose)
    lines += ["─" * min(max(map(len, lines)), prose)]
    for severity, text in section.findings:
        lines += wrapped(f"{severity}: {printable(text)}", prose)
    after_table = False
    for block in section.blocks:
        apart = block.header or block.title or after_table
        lines += [*([""] if apart else []), *_block(section, block, width)]
        after_table = bool(block.header)
    return lines


def _block(section: Section, block: Table, width: int) -> list[str]:
    prose, title = min(width, WIDEST), section.titled(block)
    lines = wrapped(printable(title), prose) if title else []
    if block.header:
        fixed = 2 if block.header[1:2] == ("protocol",) else 1
        lines += aligned(block.header, block.rows, width, fixed)
    for note in block.notes:
        lines += wrapped(printable(note), prose)
    return lines
