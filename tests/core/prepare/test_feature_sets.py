"""``sertool prepare`` with encoders: new corpora, sets added to old ones, kills, changed recordings, a full disk."""

import errno
import json
import os
import re

import numpy as np
import pytest
import soundfile
from builders import copy_case
from commands_run import run
from fake_encoders import RATE, FakeSpeech, FakeText

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.corpora.feature_sets import notes_in
from sertool.core.corpora.load import load_for
from sertool.core.features import encode
from sertool.core.features import frontend as frontends
from sertool.core.features.audio import Segment, read_audio
from sertool.core.files import artifacts
from sertool.core.prepare import add_sets
from sertool.core.recipe.load import load

SPEECH = ("--set", "frontend={model: fake}")
TEXT = ("--set", "text_frontend={model: fake}")
OUT = ("--out", "data/SET")


@pytest.fixture
def speech(monkeypatch):
    """The fake encoder of every call."""
    maker = FakeSpeech()

    def open_fake(note):
        facts = ("weights", "width", "sample_rate", "seconds_per_frame", "licence")
        maker.note = {key: value for key, value in note.items() if key not in facts}
        return maker

    monkeypatch.setitem(frontends.MAKERS, "encoder", open_fake)
    return maker


@pytest.fixture
def text(monkeypatch):
    maker = FakeText()

    def open_fake(note):
        maker.note = {key: value for key, value in note.items() if key not in ("weights", "width", "licence")}
        return maker

    monkeypatch.setattr(add_sets, "open_text_frontend", lambda section: open_fake(frontends.note_of(section)))
    return maker


@pytest.fixture(autouse=True)
def table(tmp_path, monkeypatch):
    """A table of twelve recordings in the working folder, number 5 silent."""
    monkeypatch.chdir(tmp_path)
    random, rows = np.random.default_rng(0), []
    for number in range(12):
        samples = random.normal(0, 0.1, 1600 + 100 * number) * (number != 5)
        soundfile.write(f"{number}.wav", samples, RATE)
        split = ("train", "train", "valid", "test")[number % 4]
        rows.append(f"u{number},{number}.wav,well number {number},{'xy'[number // 4 % 2]},s{number % 4},{split}")
    (tmp_path / "t.csv").write_text("\n".join(["id,audio,text,label,speaker,split", *rows]) + "\n")


def prepare(*arguments, code=0):
    done = run("prepare", *map(str, arguments))
    assert done.exit_code == code, done.output
    return done.output


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def recipe_of(*settings):
    return load("custom", [one for one in settings if one != "--set"], users_path="data/SET")


def test_a_table_becomes_a_corpus_of_the_encoders(speech, text, tmp_path):
    told = prepare("t.csv", *OUT, *SPEECH, *TEXT, "--json", "p.json")
    assert "added fake-last: 36 frames of 4 values (text)" in told
    corpus = load_for(recipe_of(*SPEECH, *TEXT), tmp_path / "data/SET")
    assert (corpus.audio.flat.dtype, corpus.audio.width, corpus.text_frames.width) == (np.float16, 6, 4)
    assert corpus.frontend["weights"] == speech.weights
    assert (corpus.frontend["licence"], corpus.frontend["layer"]) == ("MIT", "last")
    assert [one.id for one in corpus.utterances if one.silent] == ["u5"]
    result = json.loads((tmp_path / "p.json").read_text())
    assert result["silent"] == ["u5"]
    assert [(one["name"], one["kind"]) for one in result["feature_sets"]] == [("fake-last", "text")]
    assert {one["kind"]: one["number"] for one in result["findings"]}["silent"] == 1
    assert not (tmp_path / "data/SET/.prepare").exists()


def test_sets_are_added_to_a_prepared_corpus_without_touching_the_rest(speech, text, tmp_path):
    prepare("t.csv", *OUT, "--workers", 1)
    folder = tmp_path / "data/SET"
    before = files_of(folder)
    told = prepare("data/SET", *SPEECH, *TEXT, "--json", "p.json")
    assert "data/SET: added fake-last: " in told
    assert "frames of 6 values (audio)" in told
    assert "next: sertool train" in told
    assert files_of(folder) == before
    assert sorted(path.name for path in (folder / "features").iterdir()) == [
        "fake-last-2.json",
        "fake-last-2.safetensors",
        "fake-last.json",
        "fake-last.safetensors",
    ]
    result = json.loads((tmp_path / "p.json").read_text())
    assert [(one["kind"], one["added"]) for one in result["sets"]] == [("audio", True), ("text", True)]
    assert [one["number"] for one in result["findings"] if one["kind"] == "silent"] == [1]
    computed = len(speech.batches), len(text.batches)
    assert prepare("data/SET", *SPEECH, *TEXT).count("already") == 2
    assert (len(speech.batches), len(text.batches)) == computed
    # The same frames as those of a corpus that was prepared with the encoder.
    added = load_for(recipe_of(*SPEECH), folder)
    prepare("t.csv", "--out", "data/OTHER", *SPEECH)
    other = read_corpus(tmp_path / "data/OTHER")
    np.testing.assert_array_equal(added.audio.flat, other.audio.flat)
    assert added.frontend == other.frontend
    # And log-mels are added to that one.
    assert "added log-mel: " in prepare("data/OTHER", "--recipe", "custom")
    plain = load_for(load("custom", users_path="x"), tmp_path / "data/OTHER")
    np.testing.assert_array_equal(plain.audio.flat, read_corpus(folder).audio.flat)


def test_texts_that_the_tokenizer_does_not_know_are_told(text, tmp_path):
    table = (tmp_path / "t.csv").read_text().replace("well number 3", "?? ??")
    (tmp_path / "t.csv").write_text(table)
    told = " ".join(prepare("t.csv", *OUT, *TEXT, "--workers", 1).split())
    assert "warning: fake: most tokens are unknown to its tokenizer in 1 text of 12: u3 (100%)" in told


def test_a_corpus_without_texts_gets_no_frames_of_them(text, tmp_path):
    table = (tmp_path / "t.csv").read_text()
    (tmp_path / "t.csv").write_text(re.sub(",well number [0-9]*,", ",,", table))
    told = prepare("t.csv", *OUT, *TEXT, "--workers", 1)
    assert "--set 'dataset.modalities=[audio]'" in told
    assert text.batches == []
    refused = run("train", "--recipe", "custom", "--name", "x", "--set", "dataset.path=data/SET", *TEXT)
    assert "data/SET: holds no texts, and the recipe asks for them" in refused.output


def test_other_weights_replace_a_set(speech, tmp_path):
    prepare("t.csv", *OUT, "--workers", 1)
    prepare("data/SET", *SPEECH)
    speech.weights = speech.version = "cd" * 32
    assert "added fake-last" in prepare("data/SET", *SPEECH)
    assert [one.frontend["weights"] for one in notes_in(tmp_path / "data/SET")] == ["cd" * 32]


def test_train_and_doctor_say_which_command_adds_a_set(speech, text):
    prepare("t.csv", *OUT, "--workers", 1)
    command = """`sertool prepare data/SET --recipe custom --set 'frontend={"model": "fake"}'` adds them"""
    refused = run("train", "--recipe", "custom", "--name", "x", "--set", "dataset.path=data/SET", *SPEECH)
    assert refused.exit_code == 2
    assert "data/SET: has no audio frames of the encoder fake, layer last" in refused.output
    assert command in refused.output
    found = run("doctor", "--data", "data/SET", "--recipe", "custom", *SPEECH)
    assert "error: the corpus has no audio frames of the encoder fake, layer last" in " ".join(found.output.split())
    assert command in " ".join(found.output.split())


def test_an_extraction_that_was_killed_goes_on(speech, tmp_path, monkeypatch):
    prepare("t.csv", *OUT, "--workers", 1)
    folder, make = tmp_path / "data/SET", speech.frames
    monkeypatch.setattr(encode, "_CPU", encode._Batches(4, 1e9))
    child = os.fork()
    if child == 0:  # ends as kill -9 would end it, in its second batch
        speech.frames = lambda waveforms: make(waveforms) if len(speech.batches) < 1 else os._exit(9)
        run("prepare", "data/SET", *SPEECH)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not list(folder.glob("features/*.json"))
    kept = len(list(folder.glob("features/.cache/frames/*/*.safetensors")))
    assert kept == 4
    prepare("data/SET", *SPEECH)
    assert sum(map(len, speech.batches)) == 12 - kept
    assert not (folder / "features/.cache").exists()


def test_a_full_disk_leaves_the_corpus_as_it_was(speech, tmp_path, monkeypatch):
    prepare("t.csv", *OUT, "--workers", 1)
    folder, write = tmp_path / "data/SET", artifacts.write_bytes
    before = files_of(folder)

    def full(path, content):
        if path.parent.name == "features":
            raise artifacts.write_error(path, OSError(errno.ENOSPC, "No space left on device"))
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "write_bytes", full)
        assert "fake-last.safetensors" in prepare("data/SET", *SPEECH, code=1)
    assert files_of(folder) == before
    assert [path.name for path in folder.glob("features/*")] == [".cache"]
    computed = len(speech.batches)
    assert "added fake-last" in prepare("data/SET", *SPEECH)
    assert len(speech.batches) == computed


def test_recordings_that_are_gone_or_others_are_named(speech, tmp_path):
    prepare("t.csv", *OUT, "--workers", 1)
    (tmp_path / "3.wav").unlink()
    soundfile.write(tmp_path / "4.wav", np.zeros(4000), RATE)
    told = prepare("data/SET", *SPEECH, code=1)
    assert "data/SET: 2 of 12 recordings cannot be used, or are others than the corpus's" in told
    assert f"u3: {tmp_path / '3.wav'}: no such file" in told
    assert f"u4: {tmp_path / '4.wav'}: lasts 0.500 s, the corpus says 0.25 s" in told
    assert "put the recordings back where they were" in told


def test_a_corpus_without_its_recordings_says_so(speech, text, tmp_path):
    prepare("t.csv", *OUT, "--workers", 1)
    path = tmp_path / "data/SET/recordings.json"
    content = path.read_text()
    path.unlink()
    told = prepare("data/SET", *SPEECH, code=1)
    assert "does not say where its recordings lie (recordings.json is missing)" in told
    assert "added fake-last" in prepare("data/SET", *TEXT)
    first, other = '"utterances":"', "0" * 64
    at = content.replace(" ", "").index(first) + len(first)
    path.write_text(content.replace(" ", "")[:at] + other + content.replace(" ", "")[at + 64 :])
    assert "belongs to other utterances" in prepare("data/SET", *SPEECH, code=1)


def test_words_of_the_papers_pickles_are_encoded(text, tmp_path):
    folder = copy_case("iemocap-mat", tmp_path / "case") / "data/IEMOCAP"
    assert "added fake-last" in prepare(folder, "--recipe", "iemocap", *TEXT)
    corpus = load_for(load("iemocap", [TEXT[1]]), folder)
    assert [len(corpus.text_frames[row]) for row in range(5)] == [len(one.words) for one in corpus.utterances[:5]]


@pytest.mark.parametrize("option", [("--out", "data/NEW"), ("--force",), ("--seed", "1"), ("--layout", "class")])
def test_options_for_tables_are_refused_for_a_corpus(speech, option):
    prepare("t.csv", *OUT, "--workers", 1)
    told = prepare("data/SET", *SPEECH, *option, code=2)
    assert f"{option[0]}: data/SET is a prepared corpus, which only gets the frames of a recipe" in told


def test_a_new_corpus_needs_a_folder():
    assert "--out is missing, the folder of the new corpus" in prepare("t.csv", code=2)


def test_a_corpus_that_is_replaced_loses_the_sets_of_the_old_one(speech, tmp_path):
    prepare("t.csv", *OUT, "--workers", 1)
    prepare("data/SET", *SPEECH)
    prepare("t.csv", *OUT, "--workers", 1, "--force")
    assert not (tmp_path / "data/SET/features").exists()


def test_the_encoders_of_transformers_go_from_recordings_to_a_trained_model(tmp_path):
    pytest.importorskip("transformers")
    from tiny_encoders import save_speech_encoder, save_text_encoder  # imports transformers

    save_speech_encoder("wav2vec2", tmp_path / "speech")
    save_text_encoder("bert", tmp_path / "text")
    own = ("--set", "frontend={model: speech, layer: [0, 1, 2]}", "--set", "text_frontend={model: text}")
    told = prepare("t.csv", *OUT, *own, "--device", "cpu")
    assert "added text-last" in told
    folder = tmp_path / "data/SET"
    recipe = load("custom", [one for one in own if one != "--set"], users_path="x")
    corpus = load_for(recipe, folder)
    made = frontends.open_frontend(recipe.frontend)
    for row in (0, 7):
        samples = read_audio(Segment(tmp_path / f"{corpus.utterances[row].id[1:]}.wav"), made.sample_rate)
        np.testing.assert_allclose(corpus.audio[row], made.frames([samples])[0], rtol=2e-3, atol=2e-3)
    prepare(folder, "--set", "frontend={model: speech, layer: 1}", "--set", "dataset.modalities=[audio]")
    tiny = ("hidden_size=8", "ffn_size=8", "num_heads=2", "num_layers=1")
    sizes = [part for size in tiny for part in ("--set", f"model.{size}")]
    short = ("--runs", "1", "--set", "training.max_epochs=1", "--device", "cpu")
    done = run("train", "--recipe", "custom", "--name", "x", "--set", "dataset.path=data/SET", *own, *sizes, *short)
    assert done.exit_code == 0, done.output
    note = json.loads((tmp_path / "ckpt/x/corpus.json").read_text())
    assert note["frontend"] == dict(corpus.frontend)
    assert note["text_frontend"]["weights"] == corpus.text_frontend["weights"]
