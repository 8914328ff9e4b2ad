"""Feature sets: a recipe gets the frames that it asks for, and a clear message where they are not there."""

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import make_corpus, tiny_recipe, write_tiny

from sertool.core.corpora.corpus import Frames
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.corpora.feature_sets import missing_frames, notes_in, prepare_command, write_set
from sertool.core.corpora.load import load_for
from sertool.core.errors import DataError, UsageError
from sertool.core.features.frontend import note_of
from sertool.core.recipe.frontends import SpeechEncoder, TextEncoder
from sertool.core.runs.contents import RunNote
from sertool.core.runs.experiment import corpus_note, open_experiment

AUDIO = {"model": "org/whisper-tiny", "layer": [0, 2]}
TEXT = {"model": "models/bert", "pool": "tokens"}
FACTS = {"weights": "ab" * 20, "width": 7, "licence": None}


def frames_of(corpus, width=7, seed=1):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 5, len(corpus.utterances))
    return Frames.join([random.normal(size=(n, width)).astype(np.float16) for n in lengths], width)


@pytest.fixture
def folder(tmp_path):
    return write_tiny(tmp_path, make_corpus()) / "TINY"


def encoder_recipe(**sections):
    return tiny_recipe(frontend=AUDIO, text_frontend=TEXT, **sections)


def add(folder, recipe, *, audio=True, text=True, **changes):
    """Write random frames for the recipe's frontends; return the names of the sets."""
    corpus, names = read_corpus(folder), []
    for kind, section, wanted in (("audio", recipe.frontend, audio), ("text", recipe.text_frontend, text)):
        if wanted:
            note = {**note_of(section), **FACTS}
            names.append(write_set(corpus, folder, kind, note, frames_of(corpus), **changes))
    return names


def test_a_recipe_gets_its_frames_and_another_gets_the_old_ones(folder):
    recipe, old = encoder_recipe(), read_corpus(folder)
    before = (folder / "corpus.json").read_bytes()
    assert add(folder, recipe) == ["whisper-tiny-layers", "bert-last-tokens"]
    assert (folder / "corpus.json").read_bytes() == before
    corpus = load_for(recipe, folder)
    assert (corpus.audio.width, corpus.text_frames.width) == (7, 7)
    assert corpus.audio.flat.dtype == np.float16
    assert corpus.frontend == {**note_of(SpeechEncoder(**AUDIO)), **FACTS}
    assert corpus.text_frontend == {**note_of(TextEncoder(**TEXT)), **FACTS}
    assert not missing_frames(recipe, corpus, folder)
    plain = load_for(tiny_recipe(), folder)
    assert plain.frontend == old.frontend
    assert plain.text_frames is None
    np.testing.assert_array_equal(plain.audio.flat, old.audio.flat)


def test_a_run_remembers_the_encoders_and_its_hash_depends_on_the_text_frames(folder):
    recipe = encoder_recipe()
    add(folder, recipe, text=False)
    plain = corpus_note(open_experiment(tiny_recipe(), folder.parent))
    assert "frontend" not in plain
    assert "text_frontend" not in plain
    add(folder, recipe, audio=False)
    note = corpus_note(open_experiment(recipe, folder.parent))
    read = RunNote.model_validate_json(json.dumps(note))
    assert read.frontend["weights"] == read.text_frontend["weights"] == FACTS["weights"]
    assert (read.audio_width, read.text_width) == (7, 7)
    corpus = read_corpus(folder)
    write_set(corpus, folder, "text", read.text_frontend, frames_of(corpus, seed=2))
    assert corpus_note(open_experiment(recipe, folder.parent))["hash"] != note["hash"]


def test_what_is_missing_is_named_with_the_command_that_adds_it(folder):
    with pytest.raises(UsageError) as caught:
        open_experiment(encoder_recipe(), folder.parent)
    assert str(caught.value) == f"{folder}: has no audio frames of the encoder org/whisper-tiny, layer [0, 2]"
    command = prepare_command(encoder_recipe(), folder)
    assert caught.value.hint == f"`{command}` adds them"
    assert command == (
        f"sertool prepare {folder} --recipe custom --set 'frontend={json.dumps(AUDIO)}' "
        f"--set 'text_frontend={json.dumps(TEXT)}'"
    )
    # Text alone needs no audio frames, and words need no text frames.
    text_only = encoder_recipe(dataset={"modalities": ["text"]})
    assert [one.kind for one in missing_frames(text_only, load_for(text_only, folder), folder)] == ["text"]


def test_sets_of_another_model_have_other_names(folder):
    recipe = encoder_recipe()
    other = tiny_recipe(frontend={**AUDIO, "model": "elsewhere/whisper-tiny"})
    assert add(folder, recipe, text=False) == ["whisper-tiny-layers"]
    assert add(folder, other, text=False) == ["whisper-tiny-layers-2"]
    assert add(folder, recipe, text=False) == ["whisper-tiny-layers"]
    assert load_for(other, folder).frontend["model"] == "elsewhere/whisper-tiny"
    assert {note.name for note in notes_in(folder)} == {"whisper-tiny-layers", "whisper-tiny-layers-2"}


def test_frames_of_other_weights_replace_the_old_ones(folder, monkeypatch):
    recipe = encoder_recipe()
    add(folder, recipe)
    monkeypatch.setitem(FACTS, "weights", "cd" * 20)
    add(folder, recipe)
    assert {note.frontend["weights"] for note in notes_in(folder)} == {"cd" * 20}


def test_frames_of_other_texts_count_as_absent(folder):
    recipe = encoder_recipe()
    add(folder, recipe)
    corpus = read_corpus(folder)
    changed = (replace(corpus.utterances[0], text="other words"), *corpus.utterances[1:])
    write_tiny(folder.parent, replace(corpus, utterances=changed))
    assert [one.kind for one in missing_frames(recipe, load_for(recipe, folder), folder)] == ["text"]


def test_silent_recordings_are_marked(folder):
    recipe = encoder_recipe()
    add(folder, recipe, silent=[3])
    assert [row for row, one in enumerate(load_for(recipe, folder).utterances) if one.silent] == [3]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("json", '"sertool-features/1"', '"sertool-features/2"', "whisper-tiny-layers.json: format: "),
        ("json", '"audio"', '"sound"', "whisper-tiny-layers.json: kind: "),
        ("json", '"whisper-tiny-layers"', '"other"', "whisper-tiny-layers.json: holds the note of other"),
        ("safetensors", "", "x", "whisper-tiny-layers.safetensors: "),
    ],
)
def test_a_damaged_set_is_one_message(folder, file, old, new, message):
    recipe = encoder_recipe()
    add(folder, recipe, text=False)
    path = folder / "features" / f"whisper-tiny-layers.{file}"
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode(), 1))
    with pytest.raises(DataError) as caught:
        load_for(recipe, folder)
    assert message in str(caught.value)
    reported = []
    load_for(recipe, folder, reported.append)
    assert message in str(reported[0])


def test_frames_of_another_file_are_refused(folder):
    recipe = encoder_recipe()
    (name,) = add(folder, recipe, text=False)
    corpus = read_corpus(folder)
    path = folder / "features" / f"{name}.safetensors"
    old = path.read_bytes()
    write_set(corpus, folder, "audio", {**note_of(recipe.frontend), **FACTS}, frames_of(corpus, seed=5))
    path.write_bytes(old)
    with pytest.raises(DataError, match="not the file that its JSON file was written with"):
        load_for(recipe, folder)
