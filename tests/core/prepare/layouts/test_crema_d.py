"""CREMA-D: acted and heard emotions, the listeners' votes, and the clips that are known to be odd."""

import pytest
from made_named import make_crema_d, write_answers
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError
from sertool.core.prepare.layouts.crema_d import LAYOUT, VOICE
from sertool.core.prepare.layouts.read import read_layout


@pytest.fixture
def folder(tmp_path):
    return make_crema_d(tmp_path / "CREMA-D")


def by_id(folder):
    return {row.id: row for row in read_layout(LAYOUT, folder).rows}


def test_a_clip_has_the_acted_and_the_heard_emotion_and_numbered_votes(folder):
    row = by_id(folder)["1002_DFA_FEA_XX"]
    assert row.labels == {"emotion": "fear", VOICE: "fear"}
    assert row.text == "Don't forget a jacket."
    assert row.groups == {"speaker": "1002", "gender": "female"}
    assert row.ratings == {VOICE: {"1": "angry", "2": "fear", "3": "fear", "4": "fear", "5": "fear"}}
    assert row.segment.path.suffix == ".wav"


def test_a_tie_has_no_heard_emotion(folder):
    row = by_id(folder)["1002_DFA_NEU_XX"]
    assert row.labels == {"emotion": "neutral"}
    assert sorted(row.ratings[VOICE].values()) == ["neutral", "neutral", "sad", "sad"]


def test_the_silent_clip_is_left_out_and_the_misnamed_one_has_its_name(folder):
    table = read_layout(LAYOUT, folder)
    assert [(one.id, one.reason) for one in table.left_out] == [("1076_MTI_SAD_XX", "holds no sound in any copy")]
    assert by_id(folder)["1040_ITH_SAD_XX"].ratings is not None


def test_listeners_have_their_names_where_the_table_of_answers_is(folder):
    write_answers(folder)
    rows = by_id(folder)
    assert rows["1001_DFA_ANG_XX"].ratings == {VOICE: {"a": "angry", "b": "disgust"}}
    assert rows["1002_DFA_FEA_XX"].ratings is None
    assert rows["1002_DFA_FEA_XX"].labels[VOICE] == "fear"


def test_recordings_alone_as_on_kaggle(folder):
    for name in ("VideoDemographics.csv", "processedResults/tabulatedVotes.csv"):
        (folder / name).unlink()
    table = read_layout(LAYOUT, folder / "AudioWAV")
    assert len(table.rows) == 4 * 6 + 1
    assert all(row.labels.keys() == {"emotion"} and "gender" not in row.groups for row in table.rows)
    assert "there is no VideoDemographics.csv, so genders are not known" in table.warnings
    assert "there are no tables of votes, so what listeners heard is not known" in table.warnings


def test_the_tables_are_found_around_the_folder_of_recordings(folder):
    assert by_id(folder / "AudioWAV") == by_id(folder)


def test_a_table_without_its_columns_is_refused(folder):
    (folder / "VideoDemographics.csv").write_text("ActorID,Age\n1001,30\n")
    with pytest.raises(DataError, match=r"VideoDemographics\.csv: lacks the columns Sex"):
        read_layout(LAYOUT, folder)


def test_the_prepared_corpus_keeps_tasks_and_votes(folder, tmp_path):
    run = CliRunner().invoke(app, ["prepare", str(folder), "--out", str(tmp_path / "corpus")])
    assert run.exit_code == 0, run.output
    assert "recognised as CREMA-D" in run.output
    corpus = read_corpus(tmp_path / "corpus")
    assert corpus.layout == "crema-d"
    assert corpus.classes["emotion"] == corpus.classes[VOICE] == ("angry", "disgust", "fear", "happy", "neutral", "sad")
    utterance = next(one for one in corpus.utterances if one.id == "1002_DFA_FEA_XX")
    assert utterance.labels == {"emotion": "fear", VOICE: "fear"}
    assert utterance.ratings[VOICE]["5"] == "fear"
    assert (utterance.speaker, utterance.gender) == ("1002", "female")
