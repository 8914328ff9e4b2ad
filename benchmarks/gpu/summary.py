"""The summary of a run: one page of Markdown, made of whatever result files there are."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu import summary_sections as sections
from benchmarks.gpu.runner import CUT_OFF, DONE, FAILED, RUN, RUNNING, WITHOUT, Outcome, read_outcomes
from benchmarks.gpu.summary_sections import cell, table
from sertool.core.files import artifacts

SUMMARY = "summary.md"
SECTIONS: dict[str, tuple[str, Callable[[Any], list[str]]]] = {
    "kernels": ("Kernels against their definitions", sections.kernels),
    "tests": ("Tests on the device", sections.tests),
    "throughput": ("Training beside plain PyTorch", sections.throughput),
    "step": ("A training step", sections.step),
    "without": ("Without each part of the CUDA path", sections.without),
    "log-mel": ("Log-mel frames", sections.log_mel),
    "commands": ("Commands on the device and on the CPU", sections.commands),
}
SHOWN_LINES = 8  # of the log of a part that failed


def write_summary(folder: Path) -> None:
    """Write the summary of the results in a folder."""
    artifacts.write_text(folder / SUMMARY, "\n".join(summary(folder)) + "\n")


def summary(folder: Path) -> list[str]:
    """Return the lines of the summary of the results in a folder; it holds at least a run."""
    run, outcomes = artifacts.read_json(folder / RUN), read_outcomes(folder)
    lines = [*_head(folder, run, outcomes), "", *_outcomes(outcomes, run["seconds"])]
    for outcome in outcomes:
        file = folder / outcome.file
        if outcome.name in SECTIONS and outcome.state != WITHOUT and file.is_file():
            title, show = SECTIONS[outcome.name]
            partial = "" if outcome.state in (DONE, FAILED) else f" ({outcome.state}: not complete)"
            lines += ["", f"## {title}{partial}", "", *_shown(show, artifacts.read_json(file))]
    return lines


def _head(folder: Path, run: dict[str, Any], outcomes: Sequence[Outcome]) -> list[str]:
    tiny = ["", "**Tiny sizes, to try the script out: the figures mean nothing.**"] if run["tiny"] else []
    about = f"{run['started']} · commit {run['commit']} · Python {run['python']}"
    machine = next((folder / one.file for one in outcomes if one.name == "machine"), None)
    if machine is None or not machine.is_file():
        return [f"# Measured on {run['device']}", *tiny, "", about]
    found = artifacts.read_json(machine)
    where = found.get("machine", {})
    return [f"# Measured on {where.get('gpu', where.get('cpu', run['device']))}", *tiny, "", about, "",
            *_shown(sections.machine, found)]  # fmt: skip


def _shown(show: Callable[[Any], list[str]], content: Any) -> list[str]:
    """Return the lines of a section; a result that another version of a part wrote must not end the run."""
    try:
        return show(content)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError) as error:
        return [f"The results cannot be shown ({type(error).__name__}: {error}); they are in the part's file."]


def _outcomes(outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    counts = {state: sum(one.state == state for one in outcomes) for state in (DONE, FAILED, CUT_OFF, WITHOUT, RUNNING)}
    told = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    rows = [[one.name, one.state, f"{one.seconds:.0f} s of {one.limit:.0f}", cell(_reason(one))] for one in outcomes]
    lines = [f"{len(outcomes)} parts in {seconds:.0f} s: {told}.", "", *table(["part", "", "time", "reason"], rows)]
    for one in outcomes:
        if one.state == FAILED:
            lines += ["", f"End of the log of {one.name}:", "", "```", *one.note.splitlines()[-SHOWN_LINES:], "```"]
    return lines


def _reason(outcome: Outcome) -> str:
    if outcome.state == RUNNING:
        return "running when this page was written; if the run has ended, it was cut off here"
    return outcome.note.splitlines()[0] if outcome.note else ""
