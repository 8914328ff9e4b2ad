"""``sertool report``: show every result with its protocol, spread and interval, beside the published one."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from rich.text import Text

from sertool.commands import _options as options
from sertool.commands._console import NARROWEST, console, say
from sertool.commands._options import option
from sertool.commands._outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sertool.core.errors import UsageError
    from sertool.core.reports.contents import Report

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}  # besides the word, never alone
SEVERITY = re.compile(rf"({'|'.join(COLOURS)}): ")


RunsOption = Annotated[
    list[str] | None, option("--name", "Run name, a folder under --output; can be repeated.", "NAME")
]
AllOption = Annotated[bool, option("--all", "Report all runs under --output.")]
ExpectOption = Annotated[
    list[str] | None,
    option("--expect", "Recipe to list as missing if it has no result; can be repeated.", "RECIPE|published"),
]
LinearOption = Annotated[
    str | None,
    option("--linear", "Linear probe to show beside the run. Default: NAME-linear, if there is one.", "NAME"),
]
HtmlOption = Annotated[Path | None, option("--html", "Write one HTML file that works offline.", "FILE", dir_okay=False)]
MarkdownOption = Annotated[
    Path | None,
    option("--markdown", "Write Markdown with tables as on GitHub.", "FILE", dir_okay=False),
]
JsonOption = Annotated[Path | None, option("--json", "Write all data as JSON.", "FILE", dir_okay=False)]
CsvOption = Annotated[Path | None, option("--csv", "Write one row per figure.", "FILE", dir_okay=False)]
FiguresOption = Annotated[
    Path | None,
    option(
        "--figures", "Write each figure as SVG, PDF and PNG at the size of a paper's column.", "DIR", file_okay=False
    ),
]
LatexOption = Annotated[Path | None, option("--latex", "Write each table as LaTeX (booktabs).", "DIR", file_okay=False)]
RecordingsOption = Annotated[
    Path | None,
    option("--recordings", "Recordings to play in the HTML report, if small.", "DIR|TABLE"),
]
AudioFilesOption = Annotated[
    bool, option("--audio-files", "Play recordings of any size from copies in a folder beside the HTML report.")
]


def report(
    name: RunsOption = None,
    every: AllOption = False,
    expect: ExpectOption = None,
    linear: LinearOption = None,
    html: HtmlOption = None,
    markdown: MarkdownOption = None,
    json: JsonOption = None,
    csv: CsvOption = None,
    figures: FiguresOption = None,
    latex: LatexOption = None,
    by: options.By = None,
    raw_csv: options.RawCsv = False,
    recordings: RecordingsOption = None,
    audio_files: AudioFilesOption = False,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
) -> None:
    """Report results beside the published ones, with warnings.

    Shows intervals, classes, calibration, slices, and findings about what makes results misleading. Works from stored
    predictions: first run sertool ensemble --name NAME --split valid,test --probe. Exit code 1 if nothing could be
    reported; findings are not failures.
    """
    from sertool.core.command_line import command_line
    from sertool.core.errors import DataError
    from sertool.core.reports.build import build_report
    from sertool.core.reports.figures.files import check_drawable
    from sertool.core.reports.text.terminal import show
    from sertool.core.runs.folder import runs_below

    if not (name or every or expect):
        raise _nothing_named(output)
    beside = _beside(html, recordings, audio_files=audio_files)
    if figures is not None:
        check_drawable()
    names = [*(name or ()), *(runs_below(output) if every else ())]
    wanted = {"--html": html, "--markdown": markdown, "--json": json, "--csv": csv}
    folders = {option: path for option, path in {"--figures": figures, "--latex": latex}.items() if path is not None}
    copies = {} if beside is None else {"--audio-files": beside}
    read = [output / own for own in (*names, linear) if own is not None]
    files = Outputs(wanted, [*read, *_recordings(recordings)], {**folders, **copies})
    places = {"--linear": linear, "--by": by, **wanted, **folders, "--recordings": recordings}
    words = _words(name or [], expect or [], places, every=every, raw_csv=raw_csv, audio_files=audio_files)
    command = command_line("report", *words, data=data, output=output)
    made = build_report(names, output, data, expect=expect or (), linear=linear, command=command, by=by)
    if not (made.runs or made.tasks or made.problems):
        raise DataError(f"{output}: no runs in this folder", hint="sertool train --recipe NAME")
    _write(made, files, recordings, beside, raw_csv=raw_csv)
    out = files.console()
    for line in show(made, max(shutil.get_terminal_size().columns, NARROWEST)):
        out.print(_coloured(line), soft_wrap=True)
    following = [f"next: {command} --html report.html"] * (bool(made.runs) and not folders and not any(wanted.values()))
    files.show(["", *ending] if (ending := files.written() or following) else [])
    # The files are written all the same: they say what is missing and why.
    if not made.runs:
        raise DataError("nothing could be reported", hint="sertool ensemble --name NAME --split valid,test --probe")


def _nothing_named(output: Path) -> "UsageError":
    from sertool.core.errors import UsageError
    from sertool.core.runs.folder import runs_below

    there = runs_below(output)
    return UsageError(
        "no runs were named, expected --name NAME or --all",
        hint=f"{output} holds {', '.join(there)}" if there else f"{output} holds no runs; sertool train makes one",
    )


def _beside(html: Path | None, recordings: Path | None, *, audio_files: bool) -> Path | None:
    """Return the folder beside the HTML report for copies of recordings; None if they are embedded."""
    from sertool.core.errors import UsageError
    from sertool.core.files.outputs import is_stdout

    if recordings is not None and html is None:
        raise UsageError("--recordings: only the HTML report plays recordings", hint="add --html FILE")
    if not audio_files:
        return None
    if html is None or is_stdout(html):
        raise UsageError("--audio-files: there is no HTML file to lie beside", hint="add --html FILE")
    return html.with_name(f"{html.stem}-audio")


def _coloured(line: str) -> Text:
    """Return a line with its severity, if it starts with one, in the severity's colour."""
    text, found = Text(line), SEVERITY.match(line)
    if found:
        text.stylize(f"bold {COLOURS[found[1]]}", 0, len(found[1]))
    return text


def _recordings(place: Path | None) -> "Iterable[Path]":
    """List the files that --recordings names: a table, or all of a folder."""
    if place is None:
        return []
    return [path for path in place.rglob("*") if path.is_file()] if place.is_dir() else [place]


def _write(made: "Report", files: Outputs, recordings: Path | None, beside: Path | None, *, raw_csv: bool) -> None:
    """Write the files that were asked for; ``beside`` is the folder of the recordings if they are not embedded."""
    from sertool.core.files.csv_text import csv_text
    from sertool.core.reports.data_files import figure_rows, to_json
    from sertool.core.reports.latex import latex_files
    from sertool.core.reports.text.markdown import to_markdown

    if "--html" in files:
        from sertool.core.reports.html.page import render
        from sertool.core.reports.recordings import attach

        def keep(name: str, content: bytes) -> str:
            assert beside is not None
            files.write_below("--audio-files", [(name, content)])
            return quote(f"{beside.name}/{name}")

        playing, sentences = attach(made, recordings, keep if beside else None)
        for sentence in sentences:
            say(console(), sentence)
        files.write("--html", render(playing))
    if "--markdown" in files:
        files.write("--markdown", to_markdown(made))
    if "--json" in files:
        files.write_json("--json", "report", to_json(made))
    if "--csv" in files:
        files.write("--csv", csv_text(figure_rows(made), raw=raw_csv))
    if "--figures" in files:
        files.write_below("--figures", _drawn(made))
    if "--latex" in files:
        files.write_below("--latex", ((name, text.encode()) for name, text in latex_files(made)))


def _drawn(made: "Report") -> "Iterator[tuple[str, bytes]]":
    """Yield path and content of each figure, and say which signs could not be drawn."""
    from sertool.core.reports.figures.files import figure_files

    for own in figure_files(made):
        if own.remark:
            say(console(), f"warning: --figures: {own.remark}")
        yield own.name, own.content


def _words(
    names: list[str],
    expect: list[str],
    given: Mapping[str, str | Path | None],
    *,
    every: bool,
    raw_csv: bool,
    audio_files: bool,
) -> list[object]:
    """Return the options of the command that makes this report again."""
    words: list[object] = [word for name in names for word in ("--name", name)]
    words += ["--all"] * every + [word for name in expect for word in ("--expect", name)]
    words += [word for option, value in given.items() if value is not None for word in (option, value)]
    return words + ["--raw-csv"] * raw_csv + ["--audio-files"] * audio_files
