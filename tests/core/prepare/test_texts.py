"""Tables of texts without recordings, and folders with one table for each split."""

import pytest
from recorded_tables import run, write

from sertool.core.corpora.corpus_files import read_corpus, write_corpus
from sertool.core.corpora.feature_sets import missing_frames
from sertool.core.errors import DataError, UsageError
from sertool.core.prepare.add_sets import add_sets
from sertool.core.prepare.assemble import assemble, decode
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.extraction import NOWHERE
from sertool.core.prepare.split_tables import has_split_tables
from sertool.core.prepare.summary import summary, training_settings
from sertool.core.prepare.table import read_table
from sertool.core.recipe.frontends import Frontend, SpeechEncoder
from sertool.core.recipe.load import load

TEXTS = """id,text,label,speaker,split
u1,Go away!,angry,a,train
u2,Thank you so much.,happy,a,train
u3,Oh.,happy,b,valid
u4,I am so glad.,happy,c,test
"""
MELD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime\n"


def prepare(path, **options):
    table = read_table(path)
    return assemble(table, decode(table, Frontend(), **options), Frontend(), "mine")


def test_a_table_of_texts_becomes_a_corpus(tmp_path):
    path = write(tmp_path, TEXTS)
    told = "there is no column 'audio': a corpus of texts, for models with dataset.modalities=[text]"
    assert read_table(path).warnings == (told,)
    made = prepare(path)
    corpus = made.corpus
    assert [(one.id, one.text, one.seconds) for one in corpus.utterances] == [
        ("u1", "Go away!", None),
        ("u2", "Thank you so much.", None),
        ("u3", "Oh.", None),
        ("u4", "I am so glad.", None),
    ]
    assert corpus.audio.flat.shape == (0, 80)
    assert len(corpus.audio) == 4
    assert (made.silent, made.warnings) == ((), ())
    write_corpus(corpus, tmp_path / "out")
    assert read_corpus(tmp_path / "out").utterances == corpus.utterances
    assert summary(made)["seconds"] == 0
    assert "dataset.modalities=[text]" in training_settings(corpus, load("custom", ["dataset.path=out"]))
    text_alone = load("custom", ["dataset.path=out", "dataset.modalities=[text]"])
    assert training_settings(corpus, text_alone) == []


def test_texts_without_ids_are_named_after_their_rows(tmp_path):
    table = read_table(write(tmp_path, "text,label,speaker,split\nHello.,a,x,train\nNo,b,y,test\nYes,a,z,valid\n"))
    assert [row.id for row in table.rows] == ["row2", "row4", "row3"]
    assert "there is no column 'utterance' or 'id': the ids are the numbers of the rows" in table.warnings


def test_an_empty_text_alone_is_refused_or_left_out(tmp_path):
    path = write(tmp_path, TEXTS + "u5,nan,happy,c,test\n")
    with pytest.raises(DataError) as caught:
        prepare(path)
    assert str(caught.value) == f"{path}: 1 of 5 texts cannot be used\n  row 6: u5: text is empty"
    corpus = prepare(path, skip_bad=True).corpus
    assert len(corpus.utterances) == 4
    assert [(one.id, one.reason) for one in corpus.left_out] == [("u5", "row 6: text is empty")]


def test_a_misspelled_column_of_recordings_is_still_a_mistake(tmp_path):
    with pytest.raises(DataError, match="missing column 'audio', did you mean 'audios'"):
        read_table(write(tmp_path, "id,text,audios,label\nu1,Hello.,a.wav,x\n"))


def test_choices_about_recordings_are_refused(tmp_path):
    path = write(tmp_path, TEXTS)
    with pytest.raises(UsageError, match="--transcribe: is about recordings"):
        read_table(path, transcribe=True)
    with pytest.raises(UsageError, match="--audio-root: is about recordings"):
        read_table(path, tmp_path)
    with pytest.raises(UsageError, match="--pattern: is about recordings"):
        read_table(path, choices=parse_choices("{-}_{utterance}.wav", None, None))


def meld(folder):
    folder.mkdir()
    write(folder, f"{MELD}1,Hello.,Ann,joy,positive,0,0,x\n2,No!,Bob,anger,negative,0,1,x\n", "train_sent_emo.csv")
    write(folder, f"{MELD}1,Oh.,Ann,joy,positive,0,0,x\n", "dev_sent_emo.csv")
    write(folder, f"{MELD}1,Why?,Cem,joy,positive,0,0,x\n", "test_sent_emo.csv")
    write(folder, "MELD, texts and labels", "README.md")
    return folder


def test_the_folder_of_meld_is_one_table(tmp_path):
    folder = meld(tmp_path / "meld")
    assert has_split_tables(folder)
    table = read_table(folder)
    assert [(row.number, row.split, row.id, row.groups["dialogue"], row.text) for row in table.rows] == [
        (2, "train", "dia0_utt0", "train_dia0", "Hello."),
        (3, "train", "dia0_utt1", "train_dia0", "No!"),
        (5, "valid", "dia0_utt0", "valid_dia0", "Oh."),
        (7, "test", "dia0_utt0", "test_dia0", "Why?"),
    ]
    assert table.warnings[0] == (
        "read as one table: train_sent_emo.csv (train: rows 2 to 3), dev_sent_emo.csv (valid: rows 5 to 5), "
        "test_sent_emo.csv (test: rows 7 to 7)"
    )
    assert sum("as in MELD's own tables" in warning for warning in table.warnings) == 1


def test_tables_of_splits_have_the_same_columns_and_name_their_problems(tmp_path):
    folder = meld(tmp_path / "meld")
    write(folder, f"{MELD}1,Oh.,Ann,joy,positive,0,0,x,y\n", "dev_sent_emo.csv")
    with pytest.raises(DataError, match=r"dev_sent_emo\.csv: row 2: "):
        read_table(folder)
    write(folder, "id,text,label\nu1,Oh.,joy\n", "dev_sent_emo.csv")
    with pytest.raises(DataError, match=r"have different columns: only train_sent_emo\.csv has "):
        read_table(folder)


def test_folders_with_recordings_or_a_single_table_are_no_folders_of_tables(tmp_path):
    folder = meld(tmp_path / "meld")
    (folder / "happy").mkdir()
    (folder / "happy" / "a.wav").touch()
    assert not has_split_tables(folder)
    (tmp_path / "one").mkdir()
    write(tmp_path / "one", TEXTS, "train.csv")
    assert not has_split_tables(tmp_path / "one")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no tables named after splits"):
        read_table(tmp_path / "none")


def test_texts_need_no_frontend_of_recordings(tmp_path):
    table = read_table(write(tmp_path, TEXTS))
    speech = SpeechEncoder(model=str(tmp_path / "not-there"))
    corpus = assemble(table, decode(table, speech), speech, "mine").corpus
    assert corpus.texts_alone
    recipe = load("custom", ["dataset.path=out", f"frontend={{model: {tmp_path / 'not-there'}}}"])
    assert add_sets(recipe, corpus, tmp_path, NOWHERE) == []
    (missing,) = missing_frames(load("custom", ["dataset.path=out"]), corpus, tmp_path)
    assert missing.text == "holds texts without recordings, and the recipe asks for audio"
    assert missing.hint == "--set 'dataset.modalities=[text]' trains on its texts alone"


def test_the_command_takes_a_folder_of_tables_and_says_how_to_train_on_texts(tmp_path):
    done = run(meld(tmp_path / "meld"), "--out", tmp_path / "out", "--json", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    assert f"{tmp_path}/out: 4 utterances, 3 speakers" in done.stdout.splitlines()  # and no minutes
    assert "--set 'dataset.modalities=[text]'" in done.stdout.splitlines()[-1]
    assert not (tmp_path / "out" / "recordings.json").exists()
    assert read_corpus(tmp_path / "out").texts_alone
