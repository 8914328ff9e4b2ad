"""The file of fingerprints: what is written is read, for whatever utterances ask, and damage is one message."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.corpora.corpus import Utterance
from sertool.core.corpora.sound_codes import FORMAT, SOUNDS, Sounds, read_sounds, write_sounds
from sertool.core.errors import DataError
from sertool.core.files import artifacts

UTTERANCES = [Utterance(f"u{number}", "train", "", (), seconds=float(number)) for number in range(4)]
EACH = [np.arange(3, dtype=np.uint32), None, np.zeros(0, np.uint32), np.full(2, 2**32 - 1, np.uint32)]


def test_codes_are_read_as_they_were_written(tmp_path):
    write_sounds(tmp_path, UTTERANCES, EACH)
    sounds = read_sounds(tmp_path, UTTERANCES)
    assert [sounds[row].tolist() for row in range(len(sounds))] == [[0, 1, 2], [], [], [2**32 - 1] * 2]


def test_some_of_the_utterances_in_another_order_get_their_own_codes(tmp_path):
    write_sounds(tmp_path, UTTERANCES, EACH)
    other = replace(UTTERANCES[0], seconds=0.5)  # another recording under the same name
    sounds = read_sounds(tmp_path, [UTTERANCES[3], other, UTTERANCES[0]])
    assert [len(sounds[row]) for row in range(3)] == [2, 0, 3]
    assert read_sounds(tmp_path, [other]) is None
    assert len(sounds.take([2, 0]).codes) == 5


def test_a_corpus_without_codes_has_no_file(tmp_path):
    assert read_sounds(tmp_path, UTTERANCES) is None
    write_sounds(tmp_path, UTTERANCES, EACH)
    write_sounds(tmp_path, UTTERANCES, [None] * 4)
    assert not (tmp_path / SOUNDS).exists()


def test_codes_of_another_version_count_as_none(tmp_path):
    write_sounds(tmp_path, UTTERANCES, EACH)
    arrays, facts = artifacts.read_arrays(tmp_path / SOUNDS)
    artifacts.write_arrays(tmp_path / SOUNDS, arrays, {**facts, "version": "0"})
    assert read_sounds(tmp_path, UTTERANCES) is None


def changed(arrays, facts, name, value):
    return ({**arrays, name: value}, facts) if name in arrays else (arrays, {**facts, name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("format", "sertool-sounds/9", "format 'sertool-sounds/9'"),
        ("codes", np.zeros(5, np.int32), "other arrays than codes, offsets and keys"),
        ("codes", np.zeros(5, np.uint32), "does not match its hash"),
        ("offsets", np.array([0, 3, 2, 5]), "offsets do not divide the codes"),
        ("offsets", np.zeros(0, np.int64), "offsets do not divide the codes"),
        ("keys", np.zeros(3, np.uint64), "does not match its hash"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, value, message):
    write_sounds(tmp_path, UTTERANCES, EACH)
    artifacts.write_arrays(tmp_path / SOUNDS, *changed(*artifacts.read_arrays(tmp_path / SOUNDS), name, value))
    with pytest.raises(DataError, match=message) as error:
        read_sounds(tmp_path, UTTERANCES)
    assert str(tmp_path / SOUNDS) in str(error.value)
    errors = []
    assert read_sounds(tmp_path, UTTERANCES, errors.append) is None
    assert len(errors) == 1


@given(st.binary(max_size=60) | st.tuples(st.integers(0, 500), st.integers(0, 255)))
def test_any_bytes_are_codes_or_one_message(tmp_path_factory, damage):
    folder = tmp_path_factory.mktemp("any")
    write_sounds(folder, UTTERANCES, EACH)
    whole = (folder / SOUNDS).read_bytes()
    if isinstance(damage, tuple):
        at = damage[0] % len(whole)
        damage = whole[:at] + bytes([damage[1]]) + whole[at + 1 :]
    (folder / SOUNDS).write_bytes(damage)
    try:
        sounds = read_sounds(folder, UTTERANCES)
    except DataError as error:
        message = str(error)
    else:
        message = f"{folder / SOUNDS}: fine"
        # A letter of the header may change without a change of the content; what is read is what was written.
        assert sounds is None or damage == whole or sounds[0].tolist() == [0, 1, 2]
    assert message.startswith(str(folder / SOUNDS))


def test_sounds_of_no_recordings_are_empty():
    assert len(Sounds.join([])) == 0
    assert FORMAT == "sertool-sounds/1"
