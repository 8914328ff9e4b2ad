"""Recordings of a corpus are found below a named folder: by the ends of their paths, or by the ids of utterances."""

import pytest
from builders import make_corpus, spoken

from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.recordings import write_recordings
from sertool.core.errors import DataError
from sertool.core.features.audio import Segment
from sertool.core.inference.ready.sound import recordings_of
from sertool.core.inference.subject import open_subject

SIZES = {"train": 3, "test": 4}


@pytest.fixture
def folder(tmp_path):
    write_corpus(make_corpus(SIZES), tmp_path / "corpus")
    return tmp_path / "corpus"


def refused(subject, place=None):
    with pytest.raises(DataError) as caught:
        recordings_of(subject, place)
    return f"{caught.value}\n{caught.value.hint}"


def test_the_corpus_says_where_they_lie_and_which_part_is_meant(folder, tmp_path):
    paths = [spoken(tmp_path / f"here/{number % 2}/same.wav") for number in range(7)]
    write_recordings(folder, [Segment(path, 0.1 * n, None, 1) for n, path in enumerate(paths)], tmp_path)
    subject = open_subject(folder)
    assert recordings_of(subject, None) == [Segment(paths[n], 0.1 * n, None, 1) for n in range(3, 7)]
    # The same files elsewhere are told apart by the folders that they lie in.
    (tmp_path / "here").rename(tmp_path / "there")
    assert "2 recordings of the judged utterances not found" in refused(subject)
    moved = recordings_of(subject, tmp_path / "there")
    assert [one.path for one in moved] == [tmp_path / f"there/{n % 2}/same.wav" for n in range(3, 7)]
    assert [one.start for one in moved] == pytest.approx([0.3, 0.4, 0.5, 0.6])
    assert "no such folder" in refused(subject, tmp_path / "nowhere")


def test_a_corpus_that_does_not_say_is_searched_by_ids(folder, tmp_path):
    subject = open_subject(folder)
    assert "does not say where its recordings lie" in refused(subject)
    for number in range(4):
        spoken(tmp_path / f"sound/{number}/test{number}.flac")
    assert [one.path.name for one in recordings_of(subject, tmp_path / "sound")] == [f"test{n}.flac" for n in range(4)]
    spoken(tmp_path / "sound/again/test2.wav")  # one of two files cannot be meant
    assert "no single recording named as 1 utterance of TINY: test2" in refused(subject, tmp_path / "sound")
