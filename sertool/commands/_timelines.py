"""``sertool predict --segment``: recordings cut at pauses, and the files that show their time lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sertool.commands._console import console, counting, say
from sertool.commands._outputs import Outputs
from sertool.commands._prediction_jobs import GROWING, Form
from sertool.commands._predictions import json_lines, predictions_table, title
from sertool.core.formatting import plural, printable
from sertool.core.inference.prediction import Prediction
from sertool.core.inference.results import Cells, prediction_rows

if TYPE_CHECKING:
    from sertool.core.features.segmentation import Cutting
    from sertool.core.features.transcribe import Transcriber
    from sertool.core.inference.clips import Clip, Inputs, RefusedClip
    from sertool.core.inference.passages import Listener
    from sertool.core.inference.predictor import Predictor
    from sertool.core.inference.timeline.contents import Timeline
    from sertool.core.inference.timeline.cutting import CutInputs, Source

MANY = 120  # seconds of sound (or recordings); searching less takes too little time for a progress bar
# Results that show a time line, and the endings of their files where there are several recordings.
SUFFIXES = {"--srt": ".srt", "--vtt": ".vtt", "--audacity": ".txt", "--rttm": ".rttm", "--html": ".html"}


@dataclass(frozen=True)
class Places:
    """Where time lines are written.

    Attributes:
        paths: path of each option that was given.
        several: the paths are folders, with a file for each recording.
    """

    paths: Mapping[str, Path]
    several: bool

    def files(self) -> dict[str, Path]:
        """Return the options that name files."""
        return {} if self.several else dict(self.paths)

    def folders(self) -> dict[str, Path]:
        """Return the options that name folders; several may share one, of which the first is returned."""
        own = {option: path for option, path in self.paths.items() if self.owner(option) == option}
        return own if self.several else {}

    def owner(self, option: str) -> str:
        """Return the option whose folder another one shares, or itself."""
        return next(one for one, path in self.paths.items() if path == self.paths[option])


def places_of(
    cutting: "Cutting | None", given: Mapping[str, Path | None], audio: Sequence[Path], others: Mapping[str, object]
) -> Places:
    """Check the options of time lines.

    Args:
        cutting: how recordings are cut; None without ``--segment``.
        given: path of each option of ``SUFFIXES``; None where it was not given.
        audio: recordings and folders that the user named.
        others: values of options that exclude ``--segment``, and of ``--transcribe``; None where not given.

    Raises:
        UsageError: options contradict each other, or a path is not what is needed.
    """
    from sertool.core.errors import UsageError

    paths = {option: path for option, path in given.items() if path is not None}
    asked = [option for option, value in others.items() if value is not None]
    if cutting is None:
        needy = [*paths, *(option for option in asked if option in ("--transcribe", "--language"))]
        if needy:
            raise UsageError(
                f"{needy[0]}: is for recordings that are cut at pauses, and --segment is not given",
                hint=f"--segment {needy[0]} ...",
            )
        return Places({}, several=False)
    reasons = {
        "--window": "cuts recordings into windows, and --segment cuts them at pauses; leave one out",
        "--hop": "is of --window, and --segment cuts recordings at pauses; leave one out",
        "--table": "lists utterances, and --segment finds them in whole recordings; name the recordings instead",
        "--text": "is the text of one utterance, and --segment finds many; --transcribe MODEL writes their texts",
    }
    for option, reason in reasons.items():
        if option in asked:
            raise UsageError(f"{option}: {reason}")
    if "--language" in asked and "--transcribe" not in asked:
        raise UsageError("--language: is of --transcribe, which is not given")
    if "--rttm" in paths and not cutting.each:
        raise UsageError("--rttm: says who speaks when, which the channels tell", hint="--channel each --rttm ...")
    several = len(audio) > 1 or any(path.is_dir() for path in audio)
    for option, path in paths.items():
        if several and str(path) != "-" and path.exists() and not path.is_dir():
            raise UsageError(f"{option} {path}: is a file, and several recordings need a folder, with a file for each")
        if several and str(path) == "-":
            raise UsageError(f"{option} -: several recordings need a folder, with a file for each")
        if not several and path.is_dir():
            raise UsageError(f"{option} {path}: is a folder, and one recording needs a file")
    return Places(paths, several)


@dataclass(frozen=True)
class Cuts:
    """Settings by which recordings become segments.

    Attributes:
        cutting: how they are cut.
        transcribe: model that writes the texts; None: there are none.
        language: language of the recordings; None lets the model guess.
    """

    cutting: "Cutting"
    transcribe: str | None
    language: str | None


def cut_inputs(
    inputs: "Inputs", cuts: Cuts, listener: "Listener", places: Places, files: Outputs, *, skip_bad: bool
) -> "tuple[Inputs, TimelineForm]":
    """Cut recordings at pauses, and transcribe them if asked to; show the progress.

    Raises:
        DataError: recordings cannot be used, or hold no speech.
        UsageError: the model uses text alone and there is none, or an extra is not installed.
    """
    from sertool.core.errors import UsageError
    from sertool.core.features.transcribe import open_transcriber
    from sertool.core.inference.timeline.cutting import cut_recordings

    if not listener.uses("audio") and cuts.transcribe is None:
        raise UsageError("--segment: this model uses text alone", hint="--transcribe MODEL writes what is said")
    # Texts are kept beside the first result, so that a command that was cut off does not write them again.
    place = files.first_file((*GROWING, *places.paths, "--json"))
    with ExitStack() as stack:
        transcriber = None
        if cuts.transcribe is not None:
            if place is None:
                kept = Path(stack.enter_context(TemporaryDirectory(prefix="sertool-texts-")))
            else:
                kept = place.with_name(f"{place.name}.texts")
            transcriber = open_transcriber(cuts.transcribe, cuts.language, kept)
        made = cut_recordings(inputs, cuts.cutting, skip_bad=skip_bad, progress=_counted(stack))
        if transcriber is not None:
            made = _transcribe(made, transcriber, needed=not listener.uses("audio"))
    form = TimelineForm(made.sources, places, None if transcriber is None or place is None else transcriber.folder)
    form.check([clip.audio for clip in inputs.clips if clip.audio is not None])
    return made.inputs, form


def _counted(stack: ExitStack) -> "Callable[[int, int], None]":
    """Return a function that shows how much was searched, if it is much."""
    show = stack.enter_context(counting("seconds of sound searched for speech"))

    def progress(done: int, total: int) -> None:
        if total >= MANY:
            show(done, total)

    return progress


def _transcribe(made: "CutInputs", transcriber: "Transcriber", *, needed: bool) -> "CutInputs":
    from sertool.core.errors import DataError
    from sertool.core.inference.timeline.texts import transcribed

    with counting("segments transcribed") as progress:
        found = transcribed(made, transcriber, needed=needed, progress=progress)
    if not found.sources:
        raise DataError(f"--transcribe: {transcriber.name} found no words, and this model uses text alone")
    note = f"note: the texts are machine-made, by {transcriber.name}"
    wordless = len(made.inputs.clips) - len(found.inputs.clips)
    rest = f"; {plural(wordless, 'segment')} without words left out" if wordless else ""
    say(console(), printable(note + rest))
    return found


class TimelineForm(Form):
    """Writes the predictions of recordings that were cut at pauses.

    Args:
        sources: the recordings.
        places: where time lines are written.
        texts: folder of the texts, which is no longer needed when all is written.
    """

    inputs = "segments"

    def __init__(self, sources: "Sequence[Source]", places: Places, texts: Path | None = None) -> None:
        self._texts = texts
        self.options = tuple(places.paths)
        self._sources, self._places = sources, places
        self._clips: dict[str, tuple[Source, Clip]] = {
            clip.name: (source, clip) for source in sources for clip in source.clips
        }

    def more(self) -> dict[str, dict[str, Any]]:
        """Return what the JSON of each prediction says of its place."""
        return {
            name: {
                "start": clip.start,
                "end": clip.end,
                "recording": source.name,
                "channel": clip.channel,
                "speaker": source.speaker(clip),
            }
            for name, (source, clip) in self._clips.items()
        }

    def rows(self, opened: "Predictor", predictions: Sequence[Prediction], abstain: float | None) -> list[Cells]:
        """Return a header and a row for each prediction: id, recording, times, channel, speaker, text, answer."""
        header, *rows = prediction_rows(opened.classes, predictions, abstain, scores=bool(opened.ranges))
        made: list[Cells] = [["id", "recording", "start", "end", "channel", "speaker", "text", *header[3:]]]
        for own, row in zip(predictions, rows, strict=True):
            source, clip = self._clips[own.name]
            channel = None if clip.channel is None else str(clip.channel)
            cells: Cells = [own.name, source.name, clip.start, clip.end, channel, source.speaker(clip), own.text]
            made.append([*cells, *row[3:]])
        return made

    def lines(self, predictions: Sequence[Prediction], abstain: float | None) -> str:
        """Write a line of JSON for each prediction, with its place."""
        return json_lines(predictions, abstain, self.more())

    def named(self, predictions: Sequence[Prediction]) -> Sequence[Prediction]:
        """Return the predictions by the names of their recordings, so that messages name each of them once."""
        return [replace(own, name=self._clips[own.name][0].name) for own in predictions]

    def table(
        self,
        opened: "Predictor",
        predictions: Sequence[Prediction],
        abstain: float | None,
        refused: "Sequence[RefusedClip]",
    ) -> dict[str, Any]:
        """Return everything as plain data, with a summary of each recording."""
        from sertool.commands._timelines_shown import timelines_table

        whole = predictions_table(opened, predictions, abstain, refused, self.more())
        return {**whole, "recordings": timelines_table(self.timelines(opened, predictions, abstain))}

    def show(
        self,
        opened: "Predictor",
        predictions: Sequence[Prediction],
        abstain: float | None,
        width: int | None,
        places: Sequence[str],
    ) -> list[str]:
        """Format the time line and the summary of each recording."""
        from sertool.commands._timelines_shown import show_timelines

        lines = self.timelines(opened, predictions, abstain)
        return show_timelines(lines, title(opened, predictions), width, places)

    def timelines(
        self, opened: "Predictor", predictions: Sequence[Prediction], abstain: float | None
    ) -> "list[Timeline]":
        """Return the time line of each recording."""
        from sertool.core.inference.timeline.cutting import timelines

        return list(timelines(self._sources, predictions, opened.classes, opened.ranges, abstain))

    def finish(
        self, files: Outputs, opened: "Predictor", predictions: Sequence[Prediction], abstain: float | None
    ) -> None:
        """Write the time lines."""
        lines = self.timelines(opened, predictions, abstain)
        told = title(opened, predictions)
        for option in self.options:
            if self._places.several:
                files.write_below(self._places.owner(option), self._contents(option, lines, told))
            else:
                path = self._places.paths[option]
                files.write(option, _written(option, lines[0], self._sources[0], path, told))
        if self._texts is not None:
            _forget(self._texts)

    def _contents(self, option: str, lines: "Sequence[Timeline]", told: str) -> Iterator[tuple[str, bytes]]:
        from sertool.core.inference.timeline.files import files_below

        names = files_below([source.path for source in self._sources], SUFFIXES[option])
        for name, line, source in zip(names, lines, self._sources, strict=True):
            yield name, _written(option, line, source, self._places.paths[option] / name, told).encode()

    def check(self, inputs: Iterable[Path]) -> None:
        """Refuse files in a folder that would replace a recording.

        Raises:
            UsageError: one would.
        """
        from sertool.core.files.outputs import check_inputs
        from sertool.core.inference.timeline.files import files_below

        recordings = list(inputs)
        for option, path in self._places.paths.items() if self._places.several else ():
            for name in files_below([source.path for source in self._sources], SUFFIXES[option]):
                if (path / name).exists():
                    check_inputs({option: path / name}, recordings)


def _forget(texts: Path) -> None:
    """Delete the texts of a job that is done, and their folder if it holds nothing else."""
    with suppress(OSError):
        for path in texts.glob(f"{'[0-9a-f]' * 40}.json"):
            path.unlink()
        texts.rmdir()


def _written(option: str, line: "Timeline", source: "Source", path: Path, told: str) -> str:
    """Return the content of a file of a time line."""
    from sertool.core.inference.timeline.captions import srt, vtt
    from sertool.core.inference.timeline.turns import audacity, rttm

    if option == "--html":
        return _page(line, source, path, told)
    return {"--srt": srt, "--vtt": vtt, "--audacity": audacity, "--rttm": rttm}[option](line)


def _page(line: "Timeline", source: "Source", path: Path, told: str) -> str:
    from sertool.core.features.audio import Segment, read_blocks
    from sertool.core.inference.timeline.page import address, render
    from sertool.core.inference.timeline.peaks import SAMPLE_RATE, waveform

    waves = {
        channel: waveform(read_blocks(Segment(source.path, channel=channel, stream=source.stream), SAMPLE_RATE))
        for channel in source.channels
    }
    return render(line, waves, told, address(source.path, path))
