"""``sertool predict``: recordings and texts, judged by a trained ensemble."""

import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from sertool.commands._console import console, say
from sertool.commands._options import (
    DEFAULT_DATA,
    DEFAULT_OUTPUT,
    AddressOption,
    DataOption,
    DeviceOption,
    GpusOption,
    JsonOption,
    LauncherOption,
    OutputOption,
    PrecisionOption,
)
from sertool.commands._predictions import left_out, predictions_csv, predictions_table, show
from sertool.commands._progress import counting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sertool.core.compute.device import Precision
    from sertool.core.compute.jobs import Launcher
    from sertool.core.inference.clips import Clip, Refused
    from sertool.core.inference.passages import Listener
    from sertool.core.inference.predictor import Prediction, Predictor

MANY = 20  # recordings whose reading is worth a progress bar

NameOption = Annotated[str, typer.Option("--name", help="Folder below --output: runs, or best*.pkl files.")]
AudioArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="AUDIO", help="Recordings, or folders of them.")
]
TextOption = Annotated[
    str | None, typer.Option("--text", metavar="WORDS", help="What is said in the one recording; or alone.")
]
TableOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="CSV or JSON Lines: audio, text; if wanted id, start, end.", dir_okay=False
    ),
]
WindowOption = Annotated[
    float | None, typer.Option("--window", metavar="SECONDS", help="Divide recordings into such pieces.")
]
HopOption = Annotated[
    float | None, typer.Option("--hop", metavar="SECONDS", help="From one window to the next; the window.")
]
AbstainOption = Annotated[
    float | None, typer.Option("--abstain", metavar="P", help="Say unsure below this probability.")
]
IndexOption = Annotated[
    int | None, typer.Option("--index", metavar="K", help="Average the first K members; all.")
]
SkipOption = Annotated[
    bool, typer.Option("--skip-bad", help="Go on without what cannot be used; list it at the end.")
]
CsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write a row a prediction.", dir_okay=False)
]


def predict(
    name: NameOption,
    audio: AudioArgument = None,
    text: TextOption = None,
    table: TableOption = None,
    window: WindowOption = None,
    hop: HopOption = None,
    abstain: AbstainOption = None,
    index: IndexOption = None,
    skip_bad: SkipOption = False,
    csv: CsvOption = None,
    json: JsonOption = None,
    data: DataOption = DEFAULT_DATA,
    output: OutputOption = DEFAULT_OUTPUT,
    device: DeviceOption = "auto",
    precision: PrecisionOption = None,
    launcher: LauncherOption = "local",
    address: AddressOption = None,
    gpus_each: GpusOption = 1.0,
) -> None:
    """Judge recordings, texts, or both: the class, its probability, and that of every class.

    All inputs are read first, and one that cannot be used stops the command before anything is judged.
    """
    from sertool.commands.predict import check_abstain
    from sertool.core.files.artifacts import write_json, write_text
    from sertool.core.inference.clips import collect
    from sertool.core.inference.windows import check_window

    check_window(window, hop)
    check_abstain(abstain)
    clips, refused = collect(audio or [], text, table, divided=window is not None)

    from sertool.core.compute.device import choose
    from sertool.core.compute.launchers import open_launcher
    from sertool.core.inference.notes import notes
    from sertool.core.inference.passages import Listener
    from sertool.core.inference.predictor import open_predictor

    talk = console()
    with open_launcher(launcher, address, gpus_each) as where:
        cluster = where if launcher == "ray" else None
        chosen = where.choose(device, precision or "fp32")
        opened = open_predictor(
            output / name, data, index, chosen if cluster is None else choose("cpu", "fp32")
        )
        listener = Listener(opened.trained.recipe, window, hop)
        predictions, bad = _judge(opened, listener, clips, refused, skip_bad, chosen, cluster)
    for line in notes(opened, listener, clips, predictions):
        say(talk, line)
    width = get_terminal_size().columns if sys.stdout.isatty() else None
    typer.echo("\n".join(show(opened, predictions, abstain, width)))
    for line in left_out(bad):
        say(talk, line)
    if csv is not None:
        write_text(csv, predictions_csv(opened, predictions, abstain))
    if json is not None:
        write_json(json, predictions_table(opened, predictions, abstain, bad))


def _judge(
    opened: "Predictor",
    listener: "Listener",
    clips: "Sequence[Clip]",
    refused: "Sequence[Refused]",
    skip_bad: bool,
    chosen: "Precision",
    cluster: "Launcher | None",
) -> "tuple[list[Prediction], list[Refused]]":
    """Read and judge, here or on a cluster, with progress where there is much to read."""
    from sertool.core.inference.distributed import judge_by

    with counting("recordings") if len(clips) >= MANY else nullcontext() as progress:
        if cluster is not None:
            return judge_by(
                cluster,
                opened,
                listener,
                clips,
                refused,
                precision=chosen,
                skip_bad=skip_bad,
                progress=progress,
                tell=partial(say, console()),
            )
        with chosen.threaded(1):  # a recording is too short to divide
            passages, bad = listener.listen_all(clips, refused, skip_bad=skip_bad, progress=progress)
    return opened.judge(passages), bad


def check_abstain(probability: float | None) -> None:
    """Refuse what is no probability to abstain below.

    Raises:
        UsageError: with what was expected.
    """
    from sertool.core.errors import UsageError

    if probability is not None and not 0 <= probability <= 1:
        raise UsageError(f"--abstain {probability:g}: expected a probability, from 0 to 1")
