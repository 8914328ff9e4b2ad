"""Copies of recordings are found by their fingerprints, and other recordings are not taken for them."""

import csv
import io

import numpy as np
import pytest
import soundfile
import soxr
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import CLIPS, RATE, sentence

from sertool.core.corpora.sound_codes import Sounds
from sertool.core.doctor.matching import match_sounds
from sertool.core.features.sound_fingerprint import fingerprint

NUMBER = len(list(CLIPS.glob("*.flac")))


def mp3(samples, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="MP3")
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def narrow(samples):
    return soxr.resample(soxr.resample(samples, RATE, 8000), 8000, RATE)


def half(samples, random):
    start = random.integers(0, len(samples) // 2)
    return samples[start : start + len(samples) // 2]


def rounded(samples, level):
    return np.clip(np.round(samples * level * 32767), -32768, 32767) / 32768


CHANGES = {
    "8 kHz": lambda x, _: narrow(x),
    "MP3": lambda x, _: mp3(x),
    "quiet": lambda x, _: rounded(x, 0.05 / np.abs(x).max()),
    "clipped": lambda x, _: rounded(x, 2 / np.abs(x).max()),
    "half": half,
    "half, quiet, as MP3": lambda x, random: mp3(rounded(half(x, random), 0.1)),
    "half, of 8 kHz": lambda x, random: narrow(half(x, random)),
}


def sounds_of(recordings):
    floats = (torch.from_numpy(np.ascontiguousarray(one, dtype=np.float32)) for one in recordings)
    return Sounds.join([fingerprint(one, RATE) for one in floats])


@pytest.mark.parametrize("change", list(CHANGES))
def test_planted_copies_are_found_and_nothing_else(change):
    random = np.random.default_rng(0)
    # Half of the shortest one, of 1.1 s, is too short to tell.
    recordings = [own for number in range(NUMBER) if len(own := sentence(number)) > 1.25 * RATE]
    copies = sounds_of([CHANGES[change](one, random) for one in recordings])
    found = match_sounds(copies, sounds_of(recordings))
    assert [(match.ours, match.theirs) for match in found] == [(number, number) for number in range(NUMBER - 1)]
    assert max(match.wrong for match in found) < 0.16


def test_copies_within_a_corpus_are_told_once():
    recordings = [sentence(0), sentence(1), narrow(sentence(0)), sentence(0)[RATE // 3 :]]
    found = {(match.ours, match.theirs) for match in match_sounds(sounds_of(recordings))}
    assert found == {(2, 0), (3, 0), (3, 2)}


def test_silence_steady_tones_and_nothing_match_nothing():
    time = np.arange(3 * RATE) / RATE
    other = [np.zeros(RATE), np.sin(2000 * time), np.sin(2100 * time), np.zeros(10)]
    assert match_sounds(sounds_of(other), sounds_of([sentence(0), *other[:1], np.sin(2200 * time)])) == []
    empty = Sounds.join([])
    assert match_sounds(empty) == match_sounds(empty, sounds_of(other)) == match_sounds(sounds_of(other), empty) == []


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(-30, 30), st.floats(0, 0.12))
def test_the_shift_and_the_share_of_wrong_bits_are_those_that_were_planted(seed, shift, share):
    random = np.random.default_rng(seed)
    ours = random.integers(1, 2**32, 80, np.uint32)
    theirs = np.concatenate([random.integers(1, 2**32, 30, np.uint32), ours, random.integers(1, 2**32, 30, np.uint32)])
    theirs = theirs[30 + shift : 110 + shift]
    flips = np.packbits(random.random((80, 32)) < share, axis=1).view(">u4").astype(np.uint32)[:, 0]
    flips[::20] = 0  # a code in half a second is whole, of those that lie within the index's reach
    flips[35:45] = 0
    theirs = theirs ^ flips
    [match] = match_sounds(Sounds.join([random.integers(1, 2**32, 50, np.uint32), ours]), Sounds.join([theirs]))
    assert (match.ours, match.theirs, match.shift, match.compared) == (1, 0, shift, 80 - abs(shift))
    assert match.wrong <= share + 0.1


@pytest.mark.data
def test_copies_of_real_speech_are_found_without_a_false_pair_of_one_sentence(data_folder):
    folder, random = data_folder / "emodb", np.random.default_rng(0)
    with (folder / "utterances.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    recordings = [soundfile.read(folder / row["audio"], dtype="float32")[0] for row in rows]
    originals = sounds_of(recordings)
    # 5,631 pairs of one sentence, 476 of them by one speaker, and 51,660 others.
    assert match_sounds(originals) == []
    for name, change in CHANGES.items():
        found = match_sounds(sounds_of([change(one, random) for one in recordings]), originals)
        right = {match.ours for match in found if match.ours == match.theirs}
        worst = max(match.wrong for match in found)
        print(f"{name}: {len(right)} of {len(rows)} found, worst {worst:.3f}, {len(found) - len(right)} false")
        assert len(right) >= 0.99 * len(rows)
        assert len(found) == len(right)
