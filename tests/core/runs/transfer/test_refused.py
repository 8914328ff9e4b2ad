"""``train --from``: earlier runs that do not fit are refused."""

import shutil
from dataclasses import replace

from builders import make_corpus, tiny_recipe, write_tiny
from killed_training import contents
from transfers import complete, modal, refused

from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.recipe.frontends import SpeechEncoder
from sertool.core.recipe.load import resolved


def test_another_start_in_the_folder_is_refused(here):
    shutil.copytree(here / "ckpt/first", here / "ckpt/second")
    complete(here / "ckpt/next", tiny_recipe(), source="first")
    complete(here / "ckpt/plain", tiny_recipe())
    hint = "choose another --name, or delete the folder"
    for name, source, told in (
        ("next", "second", "--from first -> second"),
        ("next", None, "--from first -> nothing"),
        ("plain", "first", "--from nothing -> first"),
    ):
        text = f"{here / 'ckpt' / name}: holds a run of another recipe: {told}"
        assert refused(here, tiny_recipe(), name, source=source) == (text, hint)
    text, _ = refused(here, tiny_recipe(training={"batch_size": 4}), source=None)
    assert text.endswith("another recipe: training.batch_size 8 -> 4; --from first -> nothing")


def test_no_run_starts_from_itself_or_from_nothing(here):
    wanted = ("--from first: a run cannot start from itself", "choose another --name")
    assert refused(here, tiny_recipe(), "first", source="first") == wanted
    path = str(here / "ckpt/first")
    assert refused(here, tiny_recipe(), "first", source=path)[1] == "choose another --name"
    text, hint = refused(here, tiny_recipe(), source="fist")
    assert text.endswith(
        "fist: holds neither runs of sertool nor checkpoints of the reference (best*.pkl), did you mean 'first'?"
    )
    assert hint.endswith("ckpt holds: first, next")
    (here / "ckpt/empty").mkdir()
    artifacts.write_text(here / "ckpt/empty/recipe.yaml", resolved(tiny_recipe()))
    assert "empty/corpus.json: no such file" in refused(here, tiny_recipe(), kind=DataError, source="empty")[0]
    assert set(contents(here / "ckpt/next")) == set()


def test_a_path_is_a_source_too(here):
    shutil.move(here / "ckpt/first", here / "elsewhere")
    complete(here / "ckpt/next", tiny_recipe(), source=str(here / "elsewhere"))
    assert artifacts.read_json(here / "ckpt/next/start.json")["from"] == str(here / "elsewhere")


def test_other_numbers_of_layers_are_refused_and_other_layers_are_told(here):
    def layered(*layers):
        frontend = {"model": "here", "layer": list(layers)}
        note = {"name": "encoder", **SpeechEncoder(**frontend).model_dump(), "weights": "0", "width": 6}
        write_tiny(here / "data", replace(make_corpus(width=6), frontend=note))
        return tiny_recipe(frontend=frontend, training={"max_epochs": 1}, model={"architecture": "linear"})

    complete(here / "ckpt/layered", layered(0, 1, 2))
    text, _ = refused(here, layered(0, 1), source="layered")
    assert text == "--from layered: its weights have other sizes: frontend.layer of 3 layers (recipe: 2)"
    # A linear probe has no hidden layers, whose sizes could differ.
    recipe = layered(1, 2, 3)
    recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"hidden_size": 16})})
    notes = complete(here / "ckpt/next", recipe, source="layered")
    assert "layered was trained on other audio frames: layer [0, 1, 2] (here [1, 2, 3])" in notes


def test_other_sizes_are_refused_with_every_key(here):
    sizes = {"architecture": "mnt", "hidden_size": 12, "ffn_size": 16, "num_layers": 2, "embedding_size": 4}
    assert refused(here, tiny_recipe(model=sizes), source="first") == (
        "--from first: its weights have other sizes: model.architecture mat (recipe: mnt); model.hidden_size 8 "
        "(recipe: 12); model.ffn_size 8 (recipe: 16); model.num_layers 1 (recipe: 2); model.embedding_size 6 "
        "(recipe: 4)",
        "--set model.architecture=mat --set model.hidden_size=8 --set model.ffn_size=8 --set model.num_layers=1 "
        "--set model.embedding_size=6",
    )
    # As many values, but another model: heads divide the width.
    text, hint = refused(here, tiny_recipe(model={"num_heads": 4}), source="first")
    assert text.endswith("model.num_heads 2 (recipe: 4)")
    assert hint == "--set model.num_heads=2"
    assert contents(here / "ckpt/next") == {}
    write_tiny(here / "data", make_corpus(seed=5, width=6, text_frames=7))
    assert refused(here, tiny_recipe(model={"num_heads": 4, "embedding_size": 9}), source="first") == (
        "--from first: its weights have other sizes: model.num_heads 2 (recipe: 4); audio frames of 5 values "
        "(TINY: 6); text as words (TINY: frames of 7 values)",
        "--set model.num_heads=2; frames must come from the same frontend",
    )


def test_a_run_of_an_older_sertool_cannot_tell_what_it_has_seen(here):
    path = here / "ckpt/first/corpus.json"
    note = artifacts.read_json(path)
    del note["seen"]
    artifacts.write_json(path, note)
    assert refused(here, tiny_recipe(), kind=DataError, source="first") == (
        f"{path}: does not say which utterances its members have seen; it comes from an older sertool",
        "train first again, or choose another run",
    )


def test_weights_of_another_vocabulary_are_told(here):
    path = here / "ckpt/first/vocabulary.json"
    note = artifacts.read_json(path)
    artifacts.write_json(path, {**note, "rows": note["rows"] + 1})
    text, _ = refused(here, tiny_recipe(), kind=DataError, source="first")
    assert text.startswith("first: run-")
    assert "was trained with another vocabulary" in text


def test_what_has_nothing_in_common_is_refused(here):
    complete(here / "ckpt/read", modal("text"), data=here / "first-data")
    assert refused(here, modal("audio"), source="read") == (
        "--from read: was trained on text alone, and the recipe trains on audio alone",
        "--set dataset.modalities=[text,audio] trains audio from scratch beside its text",
    )
