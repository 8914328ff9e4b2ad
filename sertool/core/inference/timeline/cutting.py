"""Recordings of a prediction are cut at pauses: each stretch of speech becomes a clip, in the order of time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.features.segmentation import Cutting, Span, channels_of, spans_of, speaker_of
from sertool.core.features.sounds import UNKNOWN_LENGTH, opened_sound
from sertool.core.inference.clips import Clip, Inputs, RefusedClip, check_refused
from sertool.core.inference.prediction import Prediction, Range
from sertool.core.inference.timeline.contents import Stretch, Timeline

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Source:
    """A recording that was cut.

    Attributes:
        name: its name, as the user gave it.
        path: its file.
        stream: number of the stream of sound, from 1; None is the first.
        channels: channels that were cut, from 1; None is the mean of all.
        named: each channel is a speaker.
        clips: its stretches of speech, by start.
    """

    name: str
    path: Path
    stream: int | None
    channels: tuple[int | None, ...]
    named: bool
    clips: tuple[Clip, ...] = ()

    def speaker(self, clip: Clip) -> str | None:
        """Return the name of a clip's speaker in this recording; None where nothing tells speakers."""
        return speaker_of(clip.channel) if self.named and clip.channel is not None else None


@dataclass(frozen=True)
class CutInputs:
    """Recordings of a prediction, cut at pauses.

    Attributes:
        inputs: the clips of all recordings, and the recordings that cannot be used.
        sources: the recordings that were cut.
    """

    inputs: Inputs
    sources: tuple[Source, ...]


def cut_recordings(
    inputs: Inputs,
    cutting: Cutting,
    *,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> CutInputs:
    """Find the stretches of speech of recordings; the same call finds the same ones.

    A clip is named by its recording and its number in it, from 1. Each recording is a dialogue.

    Args:
        inputs: whole recordings.
        cutting: how they are cut.
        skip_bad: leave out recordings that cannot be used, as long as any is left.
        progress: called with the seconds that were searched and those of all recordings and channels; with the number
            of recordings where a length is not known.

    Raises:
        DataError: recordings cannot be read, or hold no speech, and ``skip_bad`` is False.
        UsageError: an extra is not installed.
    """
    several = len(inputs.clips) > 1
    searched = _Searched(inputs.clips, cutting, progress)
    sources, refused = [], list(inputs.refused)
    for clip in inputs.clips:
        try:
            source = _cut(clip, cutting, several, searched)
        except DataError as error:
            refused.append(RefusedClip(clip.name, str(error), error.hint))
        else:
            if source.clips:
                sources.append(source)
            else:
                refused.append(_speechless(clip, cutting))
        searched.end_recording()
    check_refused(refused, len(inputs.clips) + len(inputs.refused), skip_bad=skip_bad, usable=bool(sources))
    clips = [clip for source in sources for clip in source.clips]
    return CutInputs(Inputs(clips, refused, inputs.notes), tuple(sources))


def _speechless(clip: Clip, cutting: Cutting) -> RefusedClip:
    where = f" in channel {cutting.channel}" if cutting.channel is not None else ""
    shortest = cutting.settings.shortest
    return RefusedClip(
        clip.name,
        f"{clip.name}: no speech of {shortest:g} s or more was found{where}",
        "--shortest keeps shorter speech, and without --segment the recording is predicted whole",
    )


def _cut(clip: Clip, cutting: Cutting, several: bool, searched: "_Searched") -> Source:
    assert clip.audio is not None
    channels: Sequence[int | None] = [cutting.channel]
    if cutting.each:
        channels = range(1, channels_of(clip.audio, clip.stream) + 1)
    found: list[tuple[Span, int | None]] = []
    for channel in channels:
        for span in spans_of(Segment(clip.audio, channel=channel, stream=clip.stream), cutting.settings):
            found.append((span, channel))
            searched.reach(span.end)
        searched.end_channel()
    found.sort(key=lambda one: (one[0].start, one[1] or 0))
    source = Source(clip.name, clip.audio, clip.stream, tuple(channels), cutting.each)
    clips = []
    for number, (span, channel) in enumerate(found, start=1):
        speaker = None
        if cutting.each and channel is not None:
            # Channel 1 of another recording is another person.
            speaker = f"{clip.name} {speaker_of(channel)}" if several else speaker_of(channel)
        clips.append(
            Clip(
                name=f"{clip.name}#{number}",
                audio=clip.audio,
                start=span.start,
                end=span.end,
                speaker=speaker,
                channel=channel,
                stream=clip.stream,
                dialogue=clip.name,
                order=number,
            )
        )
    return Source(source.name, source.path, source.stream, source.channels, source.named, tuple(clips))


class _Searched:
    """Counts the seconds that were searched for speech, over all recordings and channels."""

    def __init__(self, clips: Sequence[Clip], cutting: Cutting, progress: Progress | None) -> None:
        lengths = [_length(clip, each=cutting.each) for clip in clips] if progress is not None else []
        self._lengths = [length for length in lengths if length is not None]
        self._known = len(self._lengths) == len(lengths)
        self._total = (
            round(sum(seconds * channels for seconds, channels in self._lengths)) if self._known else len(clips)
        )
        self._progress, self._recording, self._before, self._told = progress, 0, 0.0, 0

    def reach(self, seconds: float) -> None:
        """Count up to a time in the channel that is searched."""
        if self._known:
            self._tell(self._before + seconds)

    def end_channel(self) -> None:
        """Count a whole channel."""
        if self._known and self._lengths:
            self._before += self._lengths[self._recording][0]
            self._tell(self._before)

    def end_recording(self) -> None:
        """Count a whole recording, also one that was refused."""
        self._recording += 1
        if not self._known:
            return self._tell(self._recording)
        self._before = sum(seconds * channels for seconds, channels in self._lengths[: self._recording])
        return self._tell(self._before)

    def _tell(self, done: float) -> None:
        for step in range(self._told + 1, min(int(done + 0.5), self._total) + 1):
            self._told = step
            if self._progress is not None:
                self._progress(step, self._total)


def _length(clip: Clip, *, each: bool) -> tuple[float, int] | None:
    """Return the seconds of a recording by its header, and the channels that are searched; None if it does not say."""
    import soundfile

    assert clip.audio is not None
    try:
        with clip.audio.open("rb", buffering=0) as file, opened_sound(file.fileno(), clip.audio, None, True) as sound:
            if sound.known >= UNKNOWN_LENGTH:
                return None
            seconds = sound.known / sound.rate
        return seconds, channels_of(clip.audio, clip.stream) if each else 1
    except (OSError, DataError, soundfile.SoundFileError):
        return None  # another decoder's; or a recording that is refused when it is read


def timelines(
    sources: Sequence[Source],
    predictions: Sequence[Prediction],
    classes: Sequence[str],
    ranges: Mapping[str, Range],
    abstain: float | None,
) -> Iterator[Timeline]:
    """Yield the time line of each recording; segments that could not be predicted are left out.

    Args:
        sources: the recordings.
        predictions: predictions of their clips.
        classes: names of the classes, or of the scores.
        ranges: lowest and highest value of each score; empty for classes.
        abstain: probability below which an answer is unsure; None: never.
    """
    made = {own.name: own for own in predictions}
    for source in sources:
        stretches = tuple(
            Stretch(clip.start or 0.0, clip.end or 0.0, made[clip.name], source.speaker(clip), clip.channel)
            for clip in source.clips
            if clip.name in made
        )
        yield Timeline(source.name, source.path, stretches, tuple(classes), dict(ranges), abstain)
