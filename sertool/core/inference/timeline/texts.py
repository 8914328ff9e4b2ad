"""Texts of segments, written by a speech recogniser: it hears minutes at a time, and words go where their times say."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sertool.core.features.audio import Segment
from sertool.core.features.transcribe import Transcriber, words_within
from sertool.core.inference.clips import Clip
from sertool.core.inference.timeline.cutting import CutInputs, Source

TOGETHER = 300.0  # seconds of a recording that are heard at a time: more gives no better text, and takes memory


def transcribed(
    cut: CutInputs,
    transcriber: Transcriber,
    *,
    needed: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CutInputs:
    """Give the segments of recordings their texts.

    A word belongs to the segment that holds its middle; one between segments to none.

    Args:
        cut: the recordings, cut at pauses.
        transcriber: the speech recogniser; it keeps what it has heard.
        needed: leave out segments without a word, of which a model of texts alone could say nothing.
        progress: called with the number of segments that are done and of all.

    Raises:
        DataError: a recording cannot be read.
        SertoolError: the recogniser failed, or its texts cannot be kept.
    """
    total, done = sum(len(source.clips) for source in cut.sources), 0
    sources = []
    for source in cut.sources:
        texts: dict[str, str] = {}
        for channel in source.channels:
            for together in _groups([clip for clip in source.clips if clip.channel == channel]):
                texts.update(_texts(together, source, transcriber))
                for _ in together:
                    done += 1
                    if progress is not None:
                        progress(done, total)
        clips = [replace(clip, text=texts[clip.name]) for clip in source.clips]
        sources.append(replace(source, clips=tuple(clip for clip in clips if not needed or _has_words(clip))))
    kept = [source for source in sources if source.clips]
    clips = [clip for source in kept for clip in source.clips]
    return CutInputs(replace(cut.inputs, clips=clips), tuple(kept))


def _groups(clips: Sequence[Clip]) -> Iterator[list[Clip]]:
    """Divide the clips of a channel into groups that are heard together."""
    group: list[Clip] = []
    for clip in clips:
        if group and (clip.end or 0.0) - (group[0].start or 0.0) > TOGETHER:
            yield group
            group = []
        group.append(clip)
    if group:
        yield group


def _texts(clips: Sequence[Clip], source: Source, transcriber: Transcriber) -> Iterator[tuple[str, str]]:
    """Yield the name of each clip and its text."""
    first, last = clips[0], clips[-1]
    words = transcriber.words_of(Segment(source.path, first.start, last.end, first.channel, source.stream))
    for clip in clips:
        yield clip.name, words_within(words, Segment(source.path, clip.start, clip.end))


def _has_words(clip: Clip) -> bool:
    return any(sign.isalnum() for sign in clip.text)
