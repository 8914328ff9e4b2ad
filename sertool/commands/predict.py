"""``sertool predict``: predict the classes or the scores of recordings and texts with a trained ensemble."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._outputs import Outputs
from sertool.commands._prediction_jobs import Form, PredictionJob
from sertool.commands._predictions import left_out
from sertool.commands._ready import RevisionOption
from sertool.commands._ready_predictions import ReadyModelAsked, Wanted, asked_model, predict_ready
from sertool.commands._timelines import Cuts, Places, cut_inputs, places_of
from sertool.core.formatting import printable
from sertool.core.inference.prediction import Prediction

if TYPE_CHECKING:
    from sertool.core.inference.clips import Inputs, RefusedClip
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


TranscribeOption = Annotated[
    str | None, option("--transcribe", "faster-whisper model that writes the texts of segments.", "MODEL")
]
LanguageOption = Annotated[
    str | None, option("--language", "Language for --transcribe, such as de. Default: detected.", "CODE")
]
SrtOption = Annotated[Path | None, option("--srt", "Write segments as subtitles, SubRip.", "FILE|DIR")]
VttOption = Annotated[Path | None, option("--vtt", "Write segments as subtitles, WebVTT.", "FILE|DIR")]
AudacityOption = Annotated[Path | None, option("--audacity", "Write segments as labels of Audacity.", "FILE|DIR")]
RttmOption = Annotated[Path | None, option("--rttm", "Write who speaks when as RTTM; with --channel each.", "FILE|DIR")]
HtmlOption = Annotated[
    Path | None, option("--html", "Write a page that shows and plays the segments, offline.", "FILE|DIR")
]


NameOption = Annotated[str | None, option("--name", "Run name, a folder under --output.", "NAME")]
ModelOption = Annotated[
    str | None,
    option("--model", "Ready model instead of a run: name on the Hugging Face hub, folder, or ONNX file.", "MODEL"),
]


def predict(
    name: NameOption = None,
    audio: AudioArgument = None,
    model: ModelOption = None,
    label_map: options.LabelMap = None,
    revision: RevisionOption = None,
    text: TextOption = None,
    table: TableOption = None,
    window: WindowOption = None,
    hop: HopOption = None,
    segment: options.Cut = False,
    shortest: options.Shortest = None,
    longest: options.Longest = None,
    padding: options.Padding = None,
    merge: options.Merge = None,
    channel: options.Channel = None,
    transcribe: TranscribeOption = None,
    language: LanguageOption = None,
    abstain: AbstainOption = None,
    members: options.Members = None,
    stream: options.Stream = None,
    skip_bad: SkipOption = False,
    csv: CsvOption = None,
    raw_csv: options.RawCsv = False,
    jsonl: JsonLinesOption = None,
    json: options.Json = None,
    srt: SrtOption = None,
    vtt: VttOption = None,
    audacity: AudacityOption = None,
    rttm: RttmOption = None,
    html: HtmlOption = None,
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

    With --segment, long recordings are cut at pauses, and each gets a time line. --model takes a ready model.
    """
    trained = {"--segment": segment, "--members": members, "--precision": precision, "--launcher": launcher == "ray"}
    ready = asked_model(name, model, revision, label_map, device, trained)
    given = _Given(audio or [], text, table, stream, window, hop)
    cutting = options.cutting_of(segment, shortest, longest, padding, merge, channel)
    shown = {"--srt": srt, "--vtt": vtt, "--audacity": audacity, "--rttm": rttm, "--html": html}
    excluded = {"--window": window, "--hop": hop, "--table": table, "--text": text}
    places = places_of(cutting, shown, given.audio, {**excluded, "--transcribe": transcribe, "--language": language})
    results = {"--csv": csv, "--jsonl": jsonl, "--json": json}
    cuts = None if cutting is None else Cuts(cutting, transcribe, language)
    asked = _Asked(output / (name or ""), data, members, abstain, skip_bad, raw_csv, cuts, ready)
    _predict(given, asked, _Computing(device, precision or "fp32", launcher, address, gpus_each), results, places)


@dataclass(frozen=True)
class _Given:
    """Inputs as they were given."""

    audio: list[Path]
    text: str | None
    table: Path | None
    stream: int | None
    window: float | None
    hop: float | None

    def collect(self) -> "Inputs":
        """Collect the clips; standard input is read for a dash."""
        from sertool.core.inference.clips import collect

        words = _read_words() if self.text == "-" else self.text
        return collect(self.audio, words, self.table, divided=self.window is not None, stream=self.stream)


@dataclass(frozen=True)
class _Asked:
    """The model, and how its predictions are made and written."""

    run: Path
    data: Path
    members: int | None
    abstain: float | None
    skip_bad: bool
    raw_csv: bool
    cuts: Cuts | None
    ready: ReadyModelAsked | None


@dataclass(frozen=True)
class _Computing:
    """Where and in which number format to compute."""

    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["auto", "fp32", "tf32", "bf16"]
    launcher: Literal["local", "ray"]
    address: str | None
    gpus_each: float


def _predict(
    given: _Given, asked: _Asked, computing: _Computing, results: "dict[str, Path | None]", places: Places
) -> None:
    """Predict, write and show."""
    from sertool.core.inference.clips import check_window

    # Mistakes in options and tables are found before torch is imported and the model is opened.
    check_window(given.window, given.hop)
    check_abstain(asked.abstain)
    inputs = given.collect()
    if asked.ready is not None:
        read = [given.table, *(clip.audio for clip in inputs.clips)]
        wanted = Wanted(given.window, given.hop, asked.abstain, asked.skip_bad, asked.raw_csv)
        predict_ready(asked.ready, inputs, Outputs(results, filter(None, read)), wanted)
        return
    read = [asked.run, given.table, *(clip.audio for clip in inputs.clips)]
    files = Outputs({**results, **places.files()}, filter(None, read), places.folders())
    talk = console()
    for note in inputs.notes:
        say(talk, f"note: {printable(note)}")

    from sertool.core.compute.device import choose
    from sertool.core.compute.launchers import open_launcher
    from sertool.core.inference.notes import notes
    from sertool.core.inference.predictor import open_predictor

    with open_launcher(computing.launcher, computing.address, computing.gpus_each) as where:
        cluster = where if computing.launcher == "ray" else None
        chosen = where.choose(computing.device, computing.precision)
        if cluster is None:
            say_kernels(talk, chosen.device)
        # On a cluster the workers compute; to open the model here, a CPU is enough.
        here = chosen if cluster is None else choose("cpu", "fp32")
        opened = open_predictor(asked.run, asked.data, asked.members, here)
        listener = opened.listener(given.window, given.hop)
        form = Form()
        if asked.cuts is not None:
            inputs, form = cut_inputs(inputs, asked.cuts, listener, places, files, skip_bad=asked.skip_bad)
        job = PredictionJob(opened, listener, inputs, chosen, cluster, asked.skip_bad, form)
        predictions, bad = job.run(files, asked.abstain, raw=asked.raw_csv)
    for line in notes(opened, listener, inputs.clips, form.named(predictions), segmented=asked.cuts is not None):
        say(talk, line)
    _finish(files, form, opened, predictions, bad, asked.abstain)


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
    form: Form,
    opened: "Predictor",
    predictions: list[Prediction],
    bad: "list[RefusedClip]",
    abstain: float | None,
) -> None:
    """Write what needs all predictions, show them, and list the inputs that were left out."""
    files.write_json("--json", "prediction", form.table(opened, predictions, abstain, bad))
    files.show(form.show(opened, predictions, abstain, files.width(), files.places()))
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
