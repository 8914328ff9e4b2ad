"""A corpus on disk: what is written is read, and a damaged folder is one message."""

import errno
import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.corpora.corpus import SPLITS, CachedVocabulary, Corpus, Frames, LeftOut, Utterance
from sertool.core.corpora.corpus_files import is_corpus, read_corpus, write_corpus
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files import artifacts

text = st.text(max_size=8)
labels = st.dictionaries(
    text,
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text | st.lists(st.integers(), max_size=3),
)
utterances = st.builds(
    Utterance,
    id=text,
    split=st.sampled_from(SPLITS),
    text=text,
    words=st.lists(text, max_size=4).map(tuple),
    labels=labels,
    speaker=st.none() | text,
    video=st.none() | text,
    seconds=st.none() | st.floats(0, 100),
    ratings=st.none()
    | st.dictionaries(
        text,
        st.dictionaries(text, text | st.floats(-9, 9) | st.lists(text, max_size=3).map(tuple), max_size=2),
        max_size=2,
    ),
    fold=st.none() | text,
)


def corpus_of(items: list[Utterance], lengths: list[int], width: int = 3, **changes) -> Corpus:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((length, width)).astype(np.float32) for length in lengths]
    return Corpus("mine", tuple(items), Frames.join(arrays, width), **changes)


def small(**changes) -> Corpus:
    items = [Utterance(f"u{number}", "train", "a b", ("a", "b"), {"mood": "glad"}) for number in range(3)]
    return corpus_of(items, [2, 0, 3], **changes)


def full() -> Corpus:
    return small(
        classes={"mood": ("glad", "sad")},
        left_out=(LeftOut("x", "test", "no audio"),),
        text_frames=Frames.join([np.ones((1, 5), np.float16)] * 3, 5),
        vocabulary=CachedVocabulary({"UNK": 1, "a": 1}, np.ones((2, 4), np.float32)),
        numbering={"UNK": 1, "a": 1, "b": 2},
        frontend={"sample_rate": 22050, "trim_db": None},
        source="somewhere",
        synthetic=True,
        layout="iemocap",
        ranges={"valence": (1.0, 5.0)},
    )


def assert_same(read: Corpus, written: Corpus) -> None:
    bare = {"audio": None, "text_frames": None, "vocabulary": None}
    assert replace(read, **bare) == replace(written, **bare)
    for one, other in ((read.audio, written.audio), (read.text_frames, written.text_frames)):
        if one is None or other is None:
            assert one is other
            continue
        assert one.flat.dtype == other.flat.dtype
        np.testing.assert_array_equal(one.flat, other.flat)
        np.testing.assert_array_equal(one.offsets, other.offsets)
    if written.vocabulary is None:
        assert read.vocabulary is None
    else:
        assert read.vocabulary.index == written.vocabulary.index
        np.testing.assert_array_equal(read.vocabulary.vectors, written.vocabulary.vectors)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(utterances, max_size=5, unique_by=lambda item: (item.split, item.id)), data=st.data())
def test_what_is_written_is_read(items, data, tmp_path):
    lengths = [data.draw(st.integers(0, 4)) for _ in items]
    corpus = corpus_of(items, lengths, width=data.draw(st.integers(1, 4)))
    write_corpus(corpus, tmp_path)
    assert_same(read_corpus(tmp_path), corpus)


def test_every_part_is_written_and_read(tmp_path):
    assert not is_corpus(tmp_path)
    write_corpus(full(), tmp_path)
    assert is_corpus(tmp_path)
    assert_same(read_corpus(tmp_path), full())


def test_writing_again_with_less_leaves_nothing_of_the_old_corpus(tmp_path):
    write_corpus(full(), tmp_path)
    write_corpus(small(), tmp_path)
    assert_same(read_corpus(tmp_path), small())


def test_the_same_corpus_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_corpus(full(), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_write_that_breaks_off_leaves_the_old_corpus(tmp_path, monkeypatch):
    write_corpus(small(), tmp_path)
    monkeypatch.setattr(artifacts, "write_arrays", lambda *_: (_ for _ in ()).throw(SertoolError("stop")))
    with pytest.raises(SertoolError, match="stop"):
        write_corpus(full(), tmp_path)
    assert_same(read_corpus(tmp_path), small())
    assert {path.name for path in tmp_path.iterdir()} == {"audio.safetensors", "corpus.json", "utterances.jsonl"}


def test_a_folder_in_the_place_of_a_file_leaves_the_old_corpus(tmp_path):
    write_corpus(small(), tmp_path)
    (tmp_path / "text.safetensors").mkdir()
    with pytest.raises(SertoolError, match=r"text\.safetensors: a folder in the place of a file"):
        write_corpus(full(), tmp_path)
    assert_same(read_corpus(tmp_path), small())


def test_a_move_that_breaks_off_leaves_no_corpus(tmp_path, monkeypatch):
    write_corpus(small(), tmp_path)
    move = Path.replace

    def fails(path, place):
        if path.parent.name.startswith(".new") and path.name == "utterances.jsonl":
            raise OSError(errno.EIO, "Input/output error")
        return move(path, place)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(SertoolError, match=r"cannot be written \(Input/output error\)"):
        write_corpus(full(), tmp_path)
    assert not is_corpus(tmp_path)


def test_something_else_in_the_place_of_corpus_json_is_named_and_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "corpus.json")
    assert is_corpus(tmp_path)
    with pytest.raises(DataError, match="is a FIFO"):
        read_corpus(tmp_path)


def test_a_corpus_is_replaced_by_the_same_one_alone_unless_that_is_allowed(tmp_path):
    write_corpus(small(), tmp_path, replace=False)
    write_corpus(small(), tmp_path, replace=False)
    with pytest.raises(UsageError, match="already holds a corpus"):
        write_corpus(full(), tmp_path, replace=False)
    assert_same(read_corpus(tmp_path), small())
    write_corpus(full(), tmp_path, staging=tmp_path / "beside")
    assert_same(read_corpus(tmp_path), full())
    assert not (tmp_path / "beside").exists()


def test_frames_and_selection():
    corpus = full()
    assert [len(corpus.audio[index]) for index in range(3)] == [2, 0, 3]
    assert (len(corpus.audio), corpus.audio.width) == (3, 3)
    chosen = corpus.select([2, 0])
    assert [utterance.id for utterance in chosen.utterances] == ["u2", "u0"]
    np.testing.assert_array_equal(chosen.audio[0], corpus.audio[2])
    np.testing.assert_array_equal(chosen.audio[1], corpus.audio[0])
    assert chosen.text_frames.offsets.tolist() == [0, 1, 2]
    assert corpus.select([]).audio.flat.shape == (0, 3)
    assert corpus.counts() == {"train": 3}


def edit_json(path: Path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_line(path: Path, **changes) -> None:
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **changes}), *others]) + "\n")


def edit_frames(path: Path, **changes) -> None:
    arrays, _ = artifacts.read_arrays(path)
    kept = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    artifacts.write_arrays(path, kept)


NAN = np.ones((5, 3), np.float32)
NAN[4, 1] = np.nan


@pytest.mark.parametrize(
    ("edit", "file", "changes", "message"),
    [
        (edit_json, "corpus.json", {"format": "sertool-corpus/9"}, 'format: expected sertool-corpus/1 (got "sertool-c'),
        (edit_json, "corpus.json", {"left_out": [{}]}, "3 problems\n  left_out[0].id: is missing\n"),
        (edit_json, "corpus.json", {"left_out": 1}, "left_out: expected a list (got 1)"),
        (edit_json, "corpus.json", {"name": 1}, "name: expected text"),
        (edit_json, "corpus.json", {"synthetic": "no"}, 'synthetic: expected true or false (got "no")'),
        (edit_json, "corpus.json", {"classes": {"mood": [1]}}, "2 problems\n  classes.mood[0]: expected text"),
        (edit_json, "corpus.json", {"classes": {"mood": ["a", "a"]}}, "classes.mood: expected each class once"),
        (edit_json, "corpus.json", {"classes": {"mood": []}}, "classes.mood: expected at least 1 entry"),
        (edit_json, "corpus.json", {"classes": []}, "classes: expected a table of keys (got [])"),
        (edit_json, "corpus.json", {"frontend": 1}, "frontend: expected a table of keys (got 1)"),
        (edit_json, "corpus.json", {"utterances": -1}, "utterances: must be at least 0 (got -1)"),
        (edit_json, "corpus.json", {"sha256": {"/etc/passwd": "0" * 64}}, "sha256./etc/passwd: expected "),
        (edit_json, "corpus.json", {"sha256": {"audio.safetensors": "0"}}, "sha256.audio.safetensors: string should"),
        (edit_line, "utterances.jsonl", {"split": "dev"}, "line 1: split: expected train, valid, test or private"),
        (edit_line, "utterances.jsonl", {"id": "u1"}, "line 2: utterance 'u1' is there twice in split train"),
        (edit_line, "utterances.jsonl", {"id": 3}, "line 1: id: expected text"),
        (edit_line, "utterances.jsonl", {"words": [1]}, "line 1: words[0]: expected text"),
        (edit_line, "utterances.jsonl", {"words": "ab"}, 'line 1: words: expected a list (got "ab")'),
        (edit_line, "utterances.jsonl", {"labels": [1]}, "line 1: labels: expected a table of keys (got [1])"),
        (edit_line, "utterances.jsonl", {"labels": {"mood": None}}, "line 1: labels: expected text, a finite number"),
        (edit_line, "utterances.jsonl", {"labels": {"mood": [[]]}}, "line 1: labels: expected text, a finite number"),
        (edit_line, "utterances.jsonl", {"labels": {"mood": math.inf}}, "line 1: labels: expected text, a finite num"),
        (edit_line, "utterances.jsonl", {"video": 1}, "line 1: video: expected text"),
        (edit_line, "utterances.jsonl", {"seconds": "1"}, 'line 1: seconds: expected a number (got "1")'),
        (edit_line, "utterances.jsonl", {"seconds": -1}, "line 1: seconds: must be at least 0 (got -1"),
        (edit_line, "utterances.jsonl", {"seconds": math.nan}, "line 1: seconds: expected a finite number"),
        (edit_line, "utterances.jsonl", {"colour": 5}, "line 1: colour: unknown key (got 5)"),
        (edit_frames, "audio.safetensors", {"offsets": None}, "holds frames, expected frames and offsets"),
        (
            edit_frames,
            "audio.safetensors",
            {"frames": np.ones(5, np.float32)},
            "frames are float32 of rank 1, expected",
        ),
        (
            edit_frames,
            "audio.safetensors",
            {"frames": np.ones((5, 3), int)},
            "frames are int64 of rank 2, expected",
        ),
        (edit_frames, "audio.safetensors", {"offsets": np.arange(3)}, "3 offsets, expected 4"),
        (
            edit_frames,
            "audio.safetensors",
            {"offsets": np.array([0, 3, 2, 5])},
            "offsets do not divide the 5 frames",
        ),
        (
            edit_frames,
            "audio.safetensors",
            {"offsets": np.array([0, 2, 2, 6])},
            "offsets do not divide the 5 frames",
        ),
        (
            edit_frames,
            "audio.safetensors",
            {"offsets": np.array([1, 2, 2, 5])},
            "offsets do not divide the 5 frames",
        ),
        (edit_frames, "audio.safetensors", {"frames": NAN}, "utterance 'u2' holds NaN or infinite values"),
        (edit_json, "vocabulary.json", {"b": 7}, "'b' has index 7, but there are 2 vectors"),
        (edit_json, "vocabulary.json", {"b": True}, "b: expected a whole number (got true)"),
        (edit_json, "numbering.json", {"b": 0}, "not a table of words with indices from 1"),
        (edit_json, "numbering.json", {"b": "1"}, 'b: expected a whole number (got "1")'),
    ],
)
def test_damage_is_told_with_file_and_place(edit, file, changes, message, tmp_path):
    write_corpus(full(), tmp_path)
    edit(tmp_path / file, **changes)
    with pytest.raises(DataError) as caught:
        read_corpus(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / file}: {message}")


def test_a_lost_line_is_told(tmp_path):
    write_corpus(full(), tmp_path)
    path = tmp_path / "utterances.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(DataError) as caught:
        read_corpus(tmp_path)
    assert str(caught.value) == f"{path}: 2 utterances, corpus.json says 3"


def test_frames_of_another_width_than_stated_are_told(tmp_path):
    write_corpus(full(), tmp_path)
    edit_json(tmp_path / "corpus.json", audio_width=4)
    with pytest.raises(DataError, match=r"audio\.safetensors: frames of 3 values, corpus\.json says 4$"):
        read_corpus(tmp_path)


def test_files_of_two_corpora_are_not_one(tmp_path):
    other = replace(small(), utterances=tuple(replace(one, text="other") for one in small().utterances))
    write_corpus(small(), tmp_path / "one")
    write_corpus(other, tmp_path / "two")
    assert_same(read_corpus(tmp_path / "two"), other)
    path = shutil.copy(tmp_path / "one/utterances.jsonl", tmp_path / "two")
    with pytest.raises(DataError) as caught:
        read_corpus(tmp_path / "two")
    assert str(caught.value) == f"{path}: not the file that corpus.json was written with (its SHA-256 is another)"
    assert 'delete the key "sha256"' in caught.value.hint


def test_every_problem_is_reported_and_the_rest_is_read(tmp_path):
    write_corpus(full(), tmp_path)
    edit_line(tmp_path / "utterances.jsonl", text=1)
    found: list[DataError] = []
    corpus = read_corpus(tmp_path, found.append)
    assert [str(error).removeprefix(f"{tmp_path}/").partition(" (")[0] for error in found] == [
        'utterances.jsonl: line 1: text: expected text; quote it: "1"',
        "utterances.jsonl: not the file that corpus.json was written with",
    ]
    assert [utterance.id for utterance in corpus.utterances] == ["u1", "u2"]
    assert [len(frames) for frames in (corpus.audio, corpus.text_frames)] == [2, 2]


def test_hashes_of_other_files_than_the_corpus_has_are_told(tmp_path):
    write_corpus(full(), tmp_path)
    edit_json(tmp_path / "corpus.json", numbering=False)
    with pytest.raises(DataError, match=r"sha256 does not fit the corpus's files \(numbering\.json\)"):
        read_corpus(tmp_path)


def test_a_corpus_without_hashes_is_read(tmp_path):
    write_corpus(full(), tmp_path)
    header = json.loads((tmp_path / "corpus.json").read_text())
    del header["sha256"], header["numbering"]  # as older versions wrote it
    (tmp_path / "corpus.json").write_text(json.dumps(header))
    assert_same(read_corpus(tmp_path), replace(full(), numbering=None))


FILES = (
    "corpus.json",
    "utterances.jsonl",
    "audio.safetensors",
    "text.safetensors",
    "vocabulary.json",
    "vectors.safetensors",
)


@pytest.mark.parametrize("name", [*FILES, "numbering.json"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b"\xff\xfe", b"null", b"[" * 100_000])
def test_a_file_that_is_missing_or_something_else_is_named(name, content, tmp_path):
    write_corpus(full(), tmp_path)
    path = tmp_path / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_corpus(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", [*FILES, "numbering.json"])
def test_a_fifo_or_a_device_is_refused_at_once(name, tmp_path):
    write_corpus(full(), tmp_path)
    path = tmp_path / name
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"is a FIFO \(a pipe with a name\), expected a file$"):
        read_corpus(tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"is a device, expected a file$"):
        read_corpus(tmp_path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), position=st.integers(0, 5000), value=st.integers(0, 255), cut=st.booleans())
def test_a_flipped_byte_or_a_cut_is_read_or_refused(name, position, value, cut, tmp_path):
    folder = tmp_path / "corpus"
    shutil.rmtree(folder, ignore_errors=True)
    write_corpus(full(), folder)
    content = bytearray((folder / name).read_bytes())
    position %= len(content)
    if cut:
        del content[position:]
    else:
        content[position] = value
    (folder / name).write_bytes(content)
    try:
        corpus = read_corpus(folder)
    except DataError as error:
        right = str(folder) in str(error)
    else:
        right = len(corpus.utterances) == len(corpus.audio)
    assert right
