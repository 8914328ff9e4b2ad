"""``sertool doctor``: check a corpus, show the environment, or compare the kernels on a GPU."""

import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from sertool.commands import _options as options
from sertool.commands._against import open_against, with_against
from sertool.commands._agreement import agreement_line, agreement_lines
from sertool.commands._kernels import compare_kernels, kernel_state
from sertool.commands._options import option
from sertool.commands._outputs import Outputs, recipe_inputs
from sertool.core.formatting import HARD_SPACE, padded, share, wrapped

if TYPE_CHECKING:
    from sertool.core.doctor.findings import Finding
    from sertool.core.doctor.inspect import Inspection

COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
WIDEST = 100  # columns; longer lines are hard to read


def doctor(
    data: Annotated[
        Path | None,
        option("--data", "Folder of the corpus, or the folder that holds the corpora.", "DIR"),
    ] = None,
    recipe: Annotated[
        str | None,
        option("--recipe", "Recipe the corpus is for. Default: by the folder's name.", "NAME|FILE"),
    ] = None,
    set_: options.Set = None,
    against: Annotated[
        Path | None,
        option(
            "--against", "Find utterances of the corpus in another corpus, or in what a run was trained on.", "DIR|RUN"
        ),
    ] = None,
    device: Annotated[bool, option("--device", "Compare the GPU's kernels with plain operations instead.")] = False,
    json: options.Json = None,
) -> None:
    """Check a corpus, or show the environment.

    Compares a corpus with the published counts and looks for what distorts results, such as speakers shared between
    splits, duplicates, or silent recordings. Without --data and --recipe, shows versions, devices and memory.
    With --against, looks for its utterances in another corpus or in a run's training, by sound, transcript and speaker.
    Exit code 1 if the corpus has an error. With --device, exit code 1 if a kernel is left out on the GPU.
    """
    from sertool.core.errors import UsageError

    files = Outputs({"--json": json})
    if device:
        if data is not None or recipe is not None or set_ or against is not None:
            raise UsageError("--device compares kernels: it takes no --data, --recipe, --against or --set")
        compare_kernels(files)
        return
    if against is not None and data is None and recipe is None:
        raise UsageError(
            "--against compares a corpus, and none is given",
            hint=f"sertool doctor --data data/NAME --against {against}",
        )
    if data is None and recipe is None:  # nothing to inspect: show what a bug report needs
        _environment(files, set_)
        return
    from sertool.core.doctor.inspect import inspect
    from sertool.core.doctor.locate import locate

    place = locate(data, recipe, set_ or ())
    files.spare([place.folder, *recipe_inputs(recipe or "custom", place.recipe, place.data_dir)])
    other = None
    if against is not None:
        other, folder = open_against(against, place)
        files.spare([folder])
    command = with_against(place.doctor, against)
    inspection = inspect(place.recipe, place.folder, data_dir=place.data_dir, command=command, other=other)
    files.write_json("--json", "inspection", inspection.to_json())
    console = files.console()
    for line in show(inspection, place.train, min(shutil.get_terminal_size().columns, WIDEST)):
        console.print(line, soft_wrap=True)
    files.show()
    if inspection.number("error"):
        raise typer.Exit(1)


def _environment(files: Outputs, overrides: list[str] | None) -> None:
    from sertool.core.compute.environment import environment
    from sertool.core.corpora.load import corpora_in
    from sertool.core.errors import UsageError
    from sertool.core.runs.folder import runs_below

    if overrides:
        raise UsageError(
            "--set changes a recipe, and no --recipe is given", hint="sertool doctor --recipe NAME --set ..."
        )
    found = environment(
        {
            "data": (options.DEFAULT_DATA, corpora_in(options.DEFAULT_DATA)),
            "ckpt": (options.DEFAULT_OUTPUT, runs_below(options.DEFAULT_OUTPUT)),
        },
        kernel_state(),
    )
    files.write_json("--json", "environment", found)
    width = max(map(len, found))
    indent = " " * (width + 2)
    files.show(textwrap.fill(f"{key:<{width}}  {value}", 80, subsequent_indent=indent) for key, value in found.items())


def show(inspection: "Inspection", train: str, width: int) -> list[Text]:
    """Format an inspection as lines: corpus, counts, findings, next step.

    Args:
        inspection: the result to show.
        train: the command that trains on the corpus.
        width: longest line, in columns.
    """
    lines = [*wrapped(headline(inspection), width, "  "), *counts(inspection), *_published(inspection, width)]
    lines += [*_words(inspection, width), *_raters(inspection, width)]
    if inspection.against is not None:
        lines += ["", *wrapped(str(inspection.against), width, "  ")]
    if not inspection.findings:
        lines += ["", "nothing found"]
    texts = [Text(line) for line in lines]
    for finding in inspection.findings:
        texts += [Text(), *_finding(finding, width)]
    # Training on a corpus with errors is not what to try next.
    if inspection.number("error"):
        return [*texts, Text(), Text("correct the errors, then check again:"), Text(inspection.command)]
    return [*texts, Text(), Text(f"next: {train}")]


def headline(inspection: "Inspection") -> str:
    """Format name, task, utterances per split and number of speakers as one line."""
    parts = [inspection.name + inspection.caveats]
    parts.append(inspection.shown or inspection.task)
    parts += [f"{split.split} {split.utterances:,}" for split in inspection.counts] or ["nothing could be read"]
    if inspection.speakers:
        parts.append(f"{inspection.speakers:,} speakers")
    return f"{HARD_SPACE}· ".join(part.replace(" ", HARD_SPACE) for part in parts)


def counts(inspection: "Inspection") -> list[str]:
    """Format utterances per class and split as a table, with the published number where it differs."""
    if not inspection.counts:
        return []
    columns = [["", *inspection.classes, "all"]]
    for split in inspection.counts:
        own = [*(split.classes or [None] * len(inspection.classes)), split.utterances]
        published = [*(split.published_classes or [None] * len(inspection.classes)), split.published]
        columns.append([split.split, *map(_cell, own, published)])
    known = any(split.published is not None for split in inspection.counts)
    complete = not any(split.left_out for split in inspection.counts)
    agreed = "supports as published" if complete else "supports as published, but for utterances that were left out"
    below = agreed if inspection.as_published else "≠ the published number" if known else None
    return ["", *padded(columns), *([below] if below else [])]


def _published(inspection: "Inspection", width: int) -> list[str]:
    """Say which counts of a published corpus are those of its owner; a finding names the others."""
    if inspection.published is None or not inspection.published.agrees:
        return []
    agrees = ", ".join(inspection.published.agrees)
    return ["", *wrapped(f"as published for {inspection.published.of}: {agrees}", width, "  ")]


def _words(inspection: "Inspection", width: int) -> list[str]:
    """Say how texts were split into words, and how many words of test are known from training."""
    lines = wrapped(inspection.words, width, "  ") if inspection.words else []
    if (own := inspection.test_words) is not None:
        known, distinct = share(own.known, own.words), share(own.distinct_known, own.distinct)
        lines += wrapped(f"test words known from training: {known}, {distinct} different ones", width, "  ")
    return ["", *lines] if lines else []


def _raters(inspection: "Inspection", width: int) -> list[str]:
    """Say how much raters agree: on the recipe's task in a few lines, on each other one in one."""
    own = {inspection.task, *inspection.classes}  # the classes of a task of several scores are their names
    lines = []
    for task, agreement in inspection.agreement.items():
        first, *more = agreement_lines(agreement) if task in own else [agreement_line(agreement)]
        lines += wrapped(first, width, "  ")
        lines += [line for part in more for line in wrapped(part, width, "    ", "  ")]
    return ["", *lines] if lines else []


def _cell(own: int | None, published: int | None) -> str:
    if own is None:
        return ""
    # Nothing beside a number that is as published: only differences should catch the eye.
    return f"{own:,}" if published in (None, own) else f"{own:,} ≠ {published:,}"


def _finding(finding: "Finding", width: int) -> list[Text]:
    """Format a finding: severity and sentence, examples, advice."""
    first, *more = wrapped(f"{finding.severity}: {finding.text} [{finding.kind}]", width, "  ")
    head = Text(first)
    head.stylize(f"bold {COLOURS[finding.severity]}", 0, len(finding.severity))
    # An example, such as a path with spaces, stays on one line if it fits on one.
    unbroken = [
        example.replace(" ", HARD_SPACE) if len(example) < width - 4 else example for example in finding.examples
    ]
    lines = [
        *more,
        *wrapped(f"{HARD_SPACE}· ".join(unbroken), width, "  ", "  "),
        *wrapped(f"try: {finding.advice}", width, "    ", "  "),
    ]
    return [head, *map(Text, lines)]
