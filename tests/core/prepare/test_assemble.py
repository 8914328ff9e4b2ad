"""``sertool prepare``: what becomes of a table, from the library and from the command line."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import soundfile
import torch
from recorded_tables import FRONTEND, GOOD, RATE, SETTINGS, prepare, run, write
from typer.testing import CliRunner

from sertool.cli import app as sertool_app
from sertool.core.corpora.corpus import SYNTHETIC, LeftOut
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.log_mel import log_mels
from sertool.core.files import artifacts
from sertool.core.prepare.assemble import decode
from sertool.core.prepare.extraction import Extraction
from sertool.core.prepare.summary import summary
from sertool.core.prepare.table import read_table
from sertool.core.recipe.frontends import Frontend


def test_a_table_becomes_a_corpus(folder):
    table = read_table(write(folder, GOOD))
    preparation = prepare(table, FRONTEND, "mine")
    corpus = preparation.corpus
    assert preparation.warnings == ()
    assert preparation.silent == ()
    assert [u.id for u in corpus.utterances] == ["u1", "u2", "u4", "u3"]
    assert [u.split for u in corpus.utterances] == ["train", "train", "valid", "test"]
    assert corpus.utterances[0].text == "Yes, I'd love to!"
    assert corpus.utterances[0].words == ("yes", "id", "love", "to")
    assert corpus.utterances[0].labels == {"emotion": "happy"}
    assert [u.speaker for u in corpus.utterances] == ["ann", "ann", "cid", "bob"]
    assert [u.session for u in corpus.utterances] == ["s1", "s1", "s2", "s2"]
    assert [u.seconds for u in corpus.utterances] == [0.5, 0.5, 0.3, 0.3]
    assert corpus.classes == {"emotion": ("angry", "happy")}
    assert corpus.frontend == FRONTEND.model_dump()
    assert corpus.source == "table.csv"
    segment = log_mels(read_audio(Segment(folder / "wav" / "c.wav", 0.1, 0.4), RATE), FRONTEND)
    assert np.array_equal(corpus.audio[3], segment.numpy())


def test_a_table_of_generated_speech_stays_marked(folder):
    table = read_table(write(folder, GOOD))
    assert not prepare(table, FRONTEND, "mine").corpus.synthetic
    (folder / SYNTHETIC).touch()
    assert prepare(table, FRONTEND, "mine").corpus.synthetic


def test_json_lines_say_the_same(folder):
    rows = [
        {
            "ID": "u1",
            "audio": "wav/a.wav",
            "emotion": "happy",
            "text": None,
            "speaker": 7,
            "notes": {"any": [1]},
        },
        {"ID": "u2", "audio": "wav/b.wav", "emotion": 1, "start": 0.1, "end": 0.2},
    ]
    text = "\n\n".join(json.dumps(row) for row in rows)
    table = read_table(write(folder, text, "table.jsonl"))
    assert [(row.number, row.id, row.labels) for row in table.rows] == [
        (1, "u1", {"emotion": "happy"}),
        (3, "u2", {"emotion": "1"}),
    ]
    assert table.rows[0].groups == {"speaker": "7"}
    assert (table.rows[1].segment.start, table.rows[1].segment.end) == (0.1, 0.2)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_and_a_byte_order_mark(folder, delimiter):
    text = "\ufeff" + GOOD.replace('"Yes, I\'d love to!"', "Yes").replace(",", delimiter)
    table = read_table(write(folder, text))
    assert [row.id for row in table.rows] == ["u1", "u2", "u4", "u3"]


def test_two_tasks_and_a_private_split_without_labels(folder):
    text = (
        "id,audio,text,emotion,sentiment,split,speaker\n"
        "u1,wav/a.wav,a,joy,positive,train,x\n"
        "u1,wav/b.wav,b,,,private,y\n"  # an id may come again in another split
    )
    corpus = prepare(read_table(write(folder, text)), FRONTEND, "mine").corpus
    assert corpus.classes == {"emotion": ("joy",), "sentiment": ("positive",)}
    assert [u.labels for u in corpus.utterances] == [{"emotion": "joy", "sentiment": "positive"}, {}]
    only_private = read_table(write(folder, "id,audio,split\nu1,wav/a.wav,private\n"))
    assert prepare(only_private, FRONTEND, "mine").corpus.classes == {}


def test_without_a_split_column_all_train_and_audio_may_lie_elsewhere(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("table")
    path = write(elsewhere, "id,audio,label\nu1,a.wav,x\nu2,b.wav,y\n")
    table = read_table(path, folder / "wav")
    assert {row.split for row in table.rows} == {"train"}
    assert table.rows[0].segment.path == folder / "wav" / "a.wav"


def test_recordings_that_cannot_be_used_are_refused_or_left_out(folder):
    (folder / "wav" / "a.wav").write_bytes(b"no audio at all")
    soundfile.write(folder / "wav" / "b.wav", np.zeros(0), RATE)
    soundfile.write(folder / "wav" / "nan.wav", np.full(100, np.nan), RATE, subtype="FLOAT")
    soundfile.write(folder / "wav" / "still.wav", np.zeros(RATE), RATE)
    text = (
        "id,audio,text,label,split,speaker\n"
        "u1,wav/a.wav,t,x,train,1\n"
        "u2,wav/b.wav,t,y,train,1\n"
        "u3,wav/nan.wav,t,x,train,1\n"
        "u4,wav/still.wav,t,y,test,2\n"
        "u5,wav/c.wav,t,x,test,2\n"
        "u6,wav/c.wav,t,x,valid,3\n"
    )
    table = read_table(write(folder, text))
    wav = folder / "wav"
    reasons = [
        f"{wav / 'a.wav'}: not readable as audio (Format not recognised)",
        f"{wav / 'b.wav'}: contains no samples",
        f"{wav / 'nan.wav'}: holds NaN or infinite samples, the first at 0.000 s",
    ]
    with pytest.raises(DataError) as caught:
        prepare(table, FRONTEND, "mine")
    assert str(caught.value) == (
        f"{table.path}: 3 of 6 recordings cannot be used\n  row 2: u1: {reasons[0]}\n"
        f"  row 3: u2: {reasons[1]}\n  row 4: u3: {reasons[2]}"
    )
    assert caught.value.hint == ("correct them and run the command again to resume, or leave them out with --skip-bad")
    preparation = prepare(table, FRONTEND, "mine", skip_bad=True)
    left_out = tuple(LeftOut(f"u{n}", "train", f"row {n + 1}: {reason}") for n, reason in enumerate(reasons, start=1))
    assert preparation.corpus.left_out == left_out
    assert [u.id for u in preparation.corpus.utterances] == ["u6", "u4", "u5"]
    assert preparation.silent == ("u4",)
    assert preparation.warnings == (
        f"left out 3 of 6 utterances\n  u1 (train): row 2: {reasons[0]}\n"
        f"  u2 (train): row 3: {reasons[1]}\n  u3 (train): row 4: {reasons[2]}",
        "no utterance of train could be used",
        "1 silent recording kept (row 5: u4)",
    )


def test_no_usable_recording_at_all_is_an_error(folder):
    (folder / "wav" / "a.wav").write_bytes(b"no audio at all")
    path = write(folder, "id,audio,label\nu1,wav/a.wav,x\n")
    with pytest.raises(DataError) as caught:
        prepare(read_table(path), FRONTEND, "mine", skip_bad=True)
    reason = f"{folder / 'wav' / 'a.wav'}: not readable as audio (Format not recognised)"
    assert str(caught.value) == f"{path}: 1 of 1 recordings cannot be used\n  row 2: u1: {reason}"


def test_bands_without_a_bin_are_a_warning(folder):
    frontend = Frontend(sample_rate=RATE, fft_size=256, window_length=256, mel_bands=128)
    warnings = prepare(read_table(write(folder, GOOD)), frontend, "mine").warnings
    assert len(warnings) == 1
    assert warnings[0].endswith(
        "of 128 mel bands are always empty: set fewer frontend.mel_bands or a larger frontend.fft_size"
    )


def test_threads_are_given_back_and_progress_is_told(folder):
    threads = torch.get_num_threads()
    told = []
    counting = Extraction(counting=lambda what: nullcontext(lambda done, total: told.append((done, total))))
    decode(read_table(write(folder, GOOD)), FRONTEND, counting)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert torch.get_num_threads() == threads


def test_the_command_writes_the_corpus_and_prints_its_counts(folder):
    table, out = write(folder, GOOD), folder / "data" / "MINE"
    result = run(table, "--out", out, *SETTINGS, "--json", folder / "result.json")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"{out}: 4 utterances, 0.0 minutes, 3 speakers\n"
        "emotion  train  valid  test\n"
        "angry        1      1     0\n"
        "happy        1      0     1\n"
        "all          2      1     1\n"
        "warning: 1 test speaker: too few for an interval (5 are needed); record 5 speakers or more; until then, look "
        "at the figures speaker by speaker [few-speakers]\n"
        f"doctor: 2 warnings (sessions shared: 1, too few speakers: 1) · sertool doctor --data {out} --recipe custom "
        "--set frontend.sample_rate=16000 --set frontend.frame_step=4\n"
        f"next: sertool train --recipe custom --name mine --set dataset.path={out} "
        "--set frontend.sample_rate=16000 --set frontend.frame_step=4\n"
    )
    assert result.stderr == "".join(f"{done} of 4 recordings\n" for done in (1, 2, 3, 4))
    corpus = read_corpus(out)
    expected = prepare(read_table(table), Frontend(sample_rate=16000, frame_step=4), "MINE")
    assert corpus.name == "MINE"
    assert corpus.utterances == expected.corpus.utterances
    assert np.array_equal(corpus.audio.flat, expected.corpus.audio.flat)
    assert corpus.frontend == expected.corpus.frontend
    content = artifacts.read_json(folder / "result.json")
    findings = content.pop("findings")
    assert [finding["kind"] for finding in findings] == ["shared-sessions", "few-speakers"]
    named = {"format": "sertool-preparation/1", "corpus": str(out), "dataset": "MINE"}
    assert content == {**named, **summary(expected)}
    assert content["tasks"]["emotion"]["splits"]["test"] == {"angry": 0, "happy": 1}


def test_the_same_table_gives_the_same_bytes(folder):
    table = write(folder, GOOD)
    for out in ("one", "two"):
        assert run(table, "--out", folder / out / "MINE", *SETTINGS).exit_code == 0
    names = sorted(path.name for path in (folder / "one" / "MINE").iterdir())
    assert names == ["audio.safetensors", "corpus.json", "recordings.json", "sounds.safetensors", "utterances.jsonl"]
    for name in names:
        assert (folder / "one" / "MINE" / name).read_bytes() == (folder / "two" / "MINE" / name).read_bytes()


def test_warnings_go_to_stderr(folder):
    table = write(folder, "id,audio,sentiment\nu1,wav/a.wav,[b]good[/b]\nu2,wav/b.wav,bad\n")
    result = run(table, "--out", folder / "out", *SETTINGS)
    assert result.stderr == (
        "warning: there is no column 'text': utterances have no words (--transcribe creates them)\n"
        "warning: there is no column 'speaker': the same voice may be in both training and test\n"
        "warning: train, valid, test cannot be drawn from so few utterances (2): all are in train\n"
        "1 of 2 recordings\n"
        "2 of 2 recordings\n"
    )
    assert "[b]good[/b]      1\n" in result.stdout
    assert result.stdout.endswith(" --set dataset.task=sentiment --set 'dataset.modalities=[audio]'\n")


def test_a_corpus_is_replaced_only_by_force(folder):
    table, out = write(folder, GOOD), folder / "out"
    assert run(table, "--out", out, *SETTINGS).exit_code == 0
    again = run(table, "--out", out, *SETTINGS)
    assert isinstance(again.exception, UsageError)
    assert str(again.exception) == f"{out}: already holds a corpus"
    assert again.exception.hint == "add --force to replace it"
    short = write(folder, "".join(GOOD.splitlines(keepends=True)[:2]), "short.csv")
    assert run(short, "--out", out, *SETTINGS, "--force").exit_code == 0
    assert len(read_corpus(out).utterances) == 1


def test_nothing_is_written_where_the_input_is_wrong(folder):
    out = folder / "out"
    wrong_table = run(write(folder, "id,audio,label\nu1,none.wav,x\n"), "--out", out)
    assert isinstance(wrong_table.exception, DataError)
    wrong_key = run(write(folder, GOOD), "--out", out, "--set", "frontend.frame_stap=4")
    assert isinstance(wrong_key.exception, UsageError)
    assert "frontend.frame_stap: unknown key, did you mean 'frame_step'?" in str(wrong_key.exception)
    on_itself = run(folder / "table.csv", "--out", folder / "table.csv")
    assert "this command reads it as" in str(on_itself.exception)
    (folder / "file").touch()
    on_a_file = run(folder / "table.csv", "--out", folder / "file")
    assert str(on_a_file.exception) == f"{folder / 'file'}: is a file, expected the name of a new folder"
    assert not out.exists()


def test_a_mistake_is_one_message_and_an_exit_code(folder):
    table = write(folder, "id,audio,label\nu1,none.wav,x\n")
    result = CliRunner().invoke(sertool_app, ["prepare", str(table), "--out", str(folder / "out")])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"error: {table}: 1 problem\n"
        f"  row 2: no such audio file in {folder}: none.wav\n"
        "  try: correct the table; nothing was written. Audio paths are relative to its folder or to --audio-root\n"
    )


@pytest.mark.data
def test_real_speech_becomes_a_corpus(data_folder, tmp_path):
    table = data_folder / "emodb" / "utterances.csv"
    if not table.is_file():
        pytest.skip(f"no EMO-DB below {data_folder}")
    result = run(table, "--out", tmp_path / "EMODB", "--recipe", "emodb", "--json", tmp_path / "result.json")
    assert result.exit_code == 0, result.output
    content = artifacts.read_json(tmp_path / "result.json")
    # Counts of the corpus's own description (four of its classes, split by speaker).
    assert content["splits"] == {"train": 208, "valid": 58, "test": 73}
    splits = content["tasks"]["emotion"]["splits"].values()
    totals = {name: sum(split[name] for split in splits) for name in content["tasks"]["emotion"]["classes"]}
    assert totals == {"anger": 127, "happiness": 71, "neutral": 79, "sadness": 62}
    assert (content["speakers"], content["warnings"], content["left_out"]) == (10, [], [])
    assert content["frontend"]["frame_step"] == 4
    corpus = read_corpus(tmp_path / "EMODB")
    assert corpus.audio.width == 80
    first = corpus.utterances[0]
    recording = data_folder / "emodb" / "audio" / f"{first.id}.flac"
    expected = log_mels(read_audio(Segment(recording), 22050), Frontend(frame_step=4))
    assert np.array_equal(corpus.audio[0], expected.numpy())
