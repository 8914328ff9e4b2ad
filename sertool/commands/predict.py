"""``sertool predict``: predict the classes or the scores of recordings and texts with a trained ensemble."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._outputs import Outputs
from sertool.commands._prediction_jobs import PredictionJob
from sertool.commands._predictions import left_out, predictions_table, show
from sertool.core.formatting import printable
from sertool.core.inference.prediction import Prediction

if TYPE_CHECKING:
    from sertool.core.inference.clips import RefusedClip
    from sertool.core.inference.predictor import Predictor

AudioArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="AUDIO", help="Recordings, or folders that are searched for recordings."),
]
TextOption = Annotated[
    str | None,
    option("--text", "Words spoken in the recording, or a text alone; - for standard input.", "WORDS"),
]
TableOption = Annotated[
    Path | None,
    option(
        "--table",
        "CSV or JSON: audio, text; optional: id, speaker, dialogue, order, start, end, channel; - for standard input.",
        "FILE",
        dir_okay=False,
    ),
]
WindowOption = Annotated[float | None, option("--window", "Split recordings into windows of this length.", "SECONDS")]
HopOption = Annotated[float | None, option("--hop", "Distance between window starts. Default: --window.", "SECONDS")]
AbstainOption = Annotated[float | None, option("--abstain", "Answer 'unsure' below this probability (0 to 1).", "P")]
SkipOption = Annotated[bool, option("--skip-bad", "Leave out inputs that cannot be used; list them at the end.")]
CsvOption = Annotated[
    Path | None, option("--csv", "Write one row per prediction to this file.", "FILE", dir_okay=False)
]
JsonLinesOption = Annotated[
    Path | None, option("--jsonl", "Write one JSON object per prediction to this file.", "FILE", dir_okay=False)
]


def predict(
    name: options.Run,
    audio: AudioArgument = None,
    text: TextOption = None,
    table: TableOption = None,
    window: WindowOption = None,
    hop: HopOption = None,
    abstain: AbstainOption = None,
    members: options.Members = None,
    stream: options.Stream = None,
    skip_bad: SkipOption = False,
    csv: CsvOption = None,
    raw_csv: options.RawCsv = False,
    jsonl: JsonLinesOption = None,
    json: options.Json = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    precision: options.EvaluationPrecision = None,
    launcher: options.Launcher = "local",
    address: options.Address = None,
    gpus_each: options.Gpus = 1.0,
) -> None:
    """Predict the classes or the scores of recordings, texts, or both.

    Shows the predicted class and the probability of every class, or each score with its interval. All inputs are read
    first: if one of them cannot be used, the command stops before anything is predicted. With more than 512 inputs,
    --csv and --jsonl grow while the command works; the same command goes on after it was cut off.
    """
    from sertool.core.inference.clips import check_window, collect

    # Mistakes in options and tables are found before torch is imported and the model is opened.
    check_window(window, hop)
    check_abstain(abstain)
    words = _read_words() if text == "-" else text
    inputs = collect(audio or [], words, table, divided=window is not None, stream=stream)
    read = filter(None, (output / name, table, *(clip.audio for clip in inputs.clips)))
    files = Outputs({"--csv": csv, "--jsonl": jsonl, "--json": json}, read)
    talk = console()
    for note in inputs.notes:
        say(talk, f"note: {printable(note)}")

    from sertool.core.compute.device import choose
    from sertool.core.compute.launchers import open_launcher
    from sertool.core.inference.notes import notes
    from sertool.core.inference.predictor import open_predictor

    with open_launcher(launcher, address, gpus_each) as where:
        cluster = where if launcher == "ray" else None
        chosen = where.choose(device, precision or "fp32")
        if cluster is None:
            say_kernels(talk, chosen.device)
        # On a cluster the workers compute; to open the model here, a CPU is enough.
        opened = open_predictor(output / name, data, members, chosen if cluster is None else choose("cpu", "fp32"))
        listener = opened.listener(window, hop)
        job = PredictionJob(opened, listener, inputs, chosen, cluster, skip_bad=skip_bad)
        predictions, bad = job.run(files, abstain, raw=raw_csv)
    for line in notes(opened, listener, inputs.clips, predictions):
        say(talk, line)
    _finish(files, opened, predictions, bad, abstain)


def _read_words() -> str:
    """Read the words of ``--text -``."""
    from sertool.core.errors import DataError
    from sertool.core.files.standard_input import read_standard_input

    try:
        return read_standard_input().decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise DataError(
            f"--text -: expected UTF-8 on standard input ({error.reason} at byte {error.start:,})"
        ) from error


def _finish(
    files: Outputs,
    opened: "Predictor",
    predictions: list[Prediction],
    bad: "list[RefusedClip]",
    abstain: float | None,
) -> None:
    """Write what needs all predictions, show them, and list the inputs that were left out."""
    files.write_json("--json", "prediction", predictions_table(opened, predictions, abstain, bad))
    files.show(show(opened, predictions, abstain, files.width(), files.places()))
    for line in left_out(bad):
        say(console(), line)


def check_abstain(probability: float | None) -> None:
    """Check the value of ``--abstain``.

    Raises:
        UsageError: if it is not a probability.
    """
    from sertool.core.errors import UsageError

    if probability is not None and not 0 <= probability <= 1:
        raise UsageError(f"--abstain {probability:g}: expected a probability, from 0 to 1")
