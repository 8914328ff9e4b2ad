"""The summary of a run: one page of Markdown, made of whatever result files there are."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu import summary_briefs as briefs
from benchmarks.gpu import summary_sections as sections
from benchmarks.gpu.runner import CUT_OFF, DONE, FAILED, RUN, RUNNING, WITHOUT, Outcome, read_outcomes
from benchmarks.gpu.summary_sections import cell, table
from sertool.core.files import artifacts

SUMMARY = "summary.md"
Show = Callable[[Any], list[str]]
# Of each part: the title of its section, the section, and the result in a few words.
SECTIONS: dict[str, tuple[str, Show, Callable[[Any], str]]] = {
    "machine": ("The machine", sections.machine, briefs.machine),
    "kernels": ("Kernels against their definitions", sections.kernels, briefs.kernels),
    "tests": ("Tests on the device", sections.tests, briefs.tests),
    "throughput": ("Training beside plain PyTorch", sections.throughput, briefs.throughput),
    "step": ("A training step", sections.step, briefs.step),
    "without": ("Without each part of the CUDA path", sections.without, briefs.without),
    "log-mel": ("Log-mel frames", sections.log_mel, briefs.log_mel),
    "commands": ("Commands on the device and on the CPU", sections.commands, briefs.commands),
}
# A result that another version of a part wrote, or that is not complete, must not end the run.
UNEXPECTED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)
SHOWN_LINES = 8  # of the log of a part that failed


def write_summary(folder: Path) -> None:
    """Write the summary of the results in a folder."""
    artifacts.write_text(folder / SUMMARY, "\n".join(summary(folder)) + "\n")


def summary(folder: Path) -> list[str]:
    """Return the lines of the summary of the results in a folder; it holds at least a run."""
    run, outcomes = artifacts.read_json(folder / RUN), read_outcomes(folder)
    # A part that was left out may have written why, which is no result.
    files = {one.name: folder / one.file for one in outcomes if one.name in SECTIONS and one.state != WITHOUT}
    found = {name: artifacts.read_json(file) for name, file in files.items() if file.is_file()}
    lines = [*_head(run, found.get("machine", {})), "", *_outcomes(outcomes, found, run["seconds"])]
    for one in outcomes:
        if one.name in found:
            title, show, _ = SECTIONS[one.name]
            partial = "" if one.state in (DONE, FAILED) else f" ({one.state}: not complete)"
            lines += ["", f"## {title}{partial}", "", *_shown(show, found[one.name])]
    return lines


def _head(run: dict[str, Any], machine: dict[str, Any]) -> list[str]:
    where = machine.get("machine", {})
    tiny = ["", "**Tiny sizes, to try the script out: the figures mean nothing.**"] if run["tiny"] else []
    return [
        f"# Measured on {where.get('gpu', where.get('cpu', run['device']))}",
        *tiny,
        "",
        f"{run['started']} · commit {run['commit']} · Python {run['python']}",
    ]


def _shown(show: Show, content: Any) -> list[str]:
    try:
        return show(content)
    except UNEXPECTED as error:
        return [f"The results cannot be shown ({type(error).__name__}: {error}); they are in the part's file."]


def _outcomes(outcomes: Sequence[Outcome], found: dict[str, Any], seconds: float) -> list[str]:
    counts = {state: sum(one.state == state for one in outcomes) for state in (DONE, FAILED, CUT_OFF, WITHOUT, RUNNING)}
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    rows = [
        [one.name, one.state, f"{one.seconds:.0f} s of {one.limit:.0f}", cell(_result(one, found))] for one in outcomes
    ]
    lines = [f"{len(outcomes)} parts in {seconds:.0f} s: {told}.", "", *table(["part", "", "time", "result"], rows)]
    for one in outcomes:
        if one.state == FAILED:
            lines += ["", f"End of the log of {one.name}:", "", "```", *one.note.splitlines()[-SHOWN_LINES:], "```"]
    return lines


def _result(outcome: Outcome, found: dict[str, Any]) -> str:
    """Return the result of a part in a few words, after the reason why it is not done."""
    said = []
    if outcome.state == RUNNING:
        said.append("running when this page was written; if the run has ended, it was cut off here")
    elif outcome.note:
        said.append(outcome.note.splitlines()[0])
    if outcome.name in found:
        with suppress(*UNEXPECTED):
            said.append(SECTIONS[outcome.name][2](found[outcome.name]))
    return "; ".join(said)
