"""Training that starts from the weights of an earlier run: what is taken over, what is recorded, what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import CPU, copy_case, make_corpus, tiny_recipe, write_tiny
from hypothesis import given
from hypothesis import strategies as st
from killed_training import kill_and_go_on
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus import Frames
from sertool.core.corpora.fingerprints import HASH_BYTES, content_hashes, pack, unpack
from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.recipe.load import load, resolved
from sertool.core.recipe.schema import Frontend
from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.folder import list_runs
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, train_recipe
from sertool.core.runs.transfer_weights import shared_rows, weights_hash

STANDING = {
    "learning_rate": 1e-12,
    "max_epochs": 1,
}  # so small a step that the weights stay what they started as
EMBEDDING = "text_encoder.embedding.weight"


class Killed(BaseException):
    """In place of SIGKILL: nothing in the code catches it."""


def complete(folder, recipe, *, data=None, seeds=(1, 2), source=None, group_size=None):
    """Train a recipe into ``folder``; the notes."""
    data = data or folder.parent.parent / "data"
    experiment = open_experiment(recipe, data)
    plan = plan_training(experiment, folder, list(seeds), group_size, CPU, source)
    return [event.text for event in train_recipe(plan, data, CPU) if isinstance(event, Note)]


def contents(folder):
    """Every file of a run but its log, which holds the time."""
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name not in ("log.jsonl", ".lock")}


def weights_of(folder, run):
    return artifacts.read_arrays(folder / run / "model.safetensors")[0]


def words_of(folder):
    return artifacts.read_json(folder / "vocabulary.json")["index"]


def other_corpus(seed=5, **sizes):
    """Other recordings than ``make_corpus()``'s: half of the words are new, and so is one of the classes."""
    corpus = make_corpus(sizes or None, seed=seed)
    odd = {word: f"new{word[4:]}" for word in (f"word{number}" for number in range(1, 40, 2))}
    utterances = [
        replace(
            utterance,
            words=tuple(odd.get(word, word) for word in utterance.words),
            labels={"emotion": utterance.labels["emotion"].replace("happy", "bored")},
        )
        for utterance in corpus.utterances
    ]
    return replace(
        corpus, name="OTHER", utterances=tuple(utterances), classes={"emotion": ("sad", "bored", "angry")}
    )


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Four members on the tiny corpus as ``ckpt/first``, and another corpus in the same data folder."""
    root = tmp_path_factory.mktemp("earlier")
    complete(root / "ckpt/first", tiny_recipe(), data=write_tiny(root / "data"), seeds=(1, 2, 3, 4))
    write_tiny(root / "other", other_corpus())
    path = root / "ckpt/first/run-3/run.json"  # so that the best is not the first by name
    artifacts.write_json(path, {**artifacts.read_json(path), "score": 0.99})
    return root


@pytest.fixture
def here(earlier, tmp_path):
    """A copy of it; ``data`` is now the other corpus."""
    shutil.copytree(earlier / "ckpt", tmp_path / "ckpt")
    shutil.copytree(earlier / "other", tmp_path / "data")
    shutil.copytree(earlier / "data", tmp_path / "first-data")
    return tmp_path


def best_of(folder):
    return [run.folder.name for run in list_runs(folder)]


# What is taken over


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_words_and_classes_that_both_know_keep_their_weights(here, architecture):
    model = {"architecture": architecture}
    if architecture == "mnt":
        complete(here / "ckpt/first-mnt", tiny_recipe(model=model), data=here / "first-data")
    source = here / "ckpt" / ("first" if architecture == "mat" else "first-mnt")
    recipe = tiny_recipe(training=STANDING, model=model)
    complete(here / "ckpt/next", recipe, source=source.name)
    complete(here / "ckpt/drawn", recipe)
    old, new = words_of(source), words_of(here / "ckpt/next")
    assert {"word2", "new1"} <= set(new), "the corpus should hold words of both kinds"
    assert "new1" not in old
    for seed, best in zip((1, 2), best_of(source), strict=False):
        theirs, ours = weights_of(source, best), weights_of(here / "ckpt/next", f"run-{seed}")
        drawn = weights_of(here / "ckpt/drawn", f"run-{seed}")
        for name in set(ours) - {EMBEDDING, "classifier.weight", "classifier.bias"}:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-9, err_msg=name)
        for row in (0, 1):
            np.testing.assert_allclose(ours[EMBEDDING][row], theirs[EMBEDDING][row], rtol=0, atol=1e-9)
        for word, row in new.items():
            if row > 1:
                wanted = theirs[EMBEDDING][old[word]] if word in old else drawn[EMBEDDING][row]
                np.testing.assert_allclose(ours[EMBEDDING][row], wanted, rtol=0, atol=1e-9, err_msg=word)
        for name in ("classifier.weight", "classifier.bias"):
            wanted = [theirs[name][2], drawn[name][1], theirs[name][0]]  # sad, bored, angry
            np.testing.assert_allclose(ours[name], wanted, rtol=0, atol=1e-9)


def test_another_task_draws_all_classes(here):
    corpus = other_corpus()
    utterances = tuple(replace(u, labels={"mood": u.labels["emotion"]}) for u in corpus.utterances)
    write_tiny(
        here / "data", replace(corpus, utterances=utterances, classes={"mood": ("sad", "bored", "angry")})
    )
    recipe = tiny_recipe(training=STANDING, dataset={"task": "mood"})
    notes = complete(here / "ckpt/next", recipe, seeds=[1], source="first")
    complete(here / "ckpt/drawn", recipe, seeds=[1])
    ours, drawn = (weights_of(here / "ckpt" / name, "run-1") for name in ("next", "drawn"))
    np.testing.assert_allclose(ours["classifier.weight"], drawn["classifier.weight"], rtol=0, atol=1e-9)
    assert notes[-1].endswith("; new: sad, bored, angry")


def test_new_words_start_from_the_word_vectors(here):
    corpus = other_corpus()
    words = {word for u in corpus.utterances for word in u.words}
    lines = [f"{word} {' '.join(['0.5'] * 6)}\n" for word in sorted(words)]
    (here / "vectors.txt").write_text("".join(lines))
    recipe = tiny_recipe(training=STANDING, dataset={"vectors": str(here / "vectors.txt")})
    complete(here / "ckpt/next", recipe, seeds=[1], source="first")
    embedding = weights_of(here / "ckpt/next", "run-1")[EMBEDDING]
    old = words_of(here / "ckpt/first")
    for word, row in words_of(here / "ckpt/next").items():
        if row > 1:
            assert (embedding[row] == 0.5).all() == (word not in old), word


@given(st.lists(st.lists(st.sampled_from("abcdefg"))), st.lists(st.lists(st.sampled_from("defghij"))))
def test_rows_of_words_are_found_by_word(new, old):
    ours, theirs = Vocabulary.build(new), Vocabulary.build(old)
    rows = shared_rows(ours, theirs, words=True)
    assert (rows[0], rows[1]) == (0, 1)
    for word, row in ours.index.items():
        if row > 1:
            assert rows.get(row) == theirs.index.get(word)
    assert all(row < ours.rows and other < theirs.rows for row, other in rows.items())
    assert shared_rows(ours, theirs, words=False) == {0: 0, 1: 1}


def test_members_start_from_the_best_ones_in_turn(here):
    complete(here / "ckpt/next", tiny_recipe(training=STANDING), seeds=range(1, 7), source="first")
    best = best_of(here / "ckpt/first")
    assert best[0] == "run-3"
    for seed in range(1, 7):
        name = best[(seed - 1) % 4]
        assert artifacts.read_json(here / f"ckpt/next/run-{seed}/run.json")["start"] == {
            "from": "first",
            "member": name,
            "weights": weights_hash(weights_of(here / "ckpt/first", name)),
        }
    # A member's start depends on its seed, not on who is trained with it.
    complete(here / "ckpt/alone", tiny_recipe(training=STANDING), seeds=[3], source="first")
    together, alone = (weights_of(here / "ckpt" / name, "run-3") for name in ("next", "alone"))
    for name, weight in together.items():
        np.testing.assert_allclose(alone[name], weight, rtol=0, atol=1e-9, err_msg=name)


def test_cross_validation_on_both_sides(here):
    folds = {"scheme": "folds", "folds": 3, "group": "speaker"}
    complete(here / "ckpt/folded", tiny_recipe(splits=folds), data=here / "first-data")
    recipe = tiny_recipe(splits=folds, training=STANDING)
    complete(here / "ckpt/next", recipe, source="folded")
    best = list_runs(here / "ckpt/folded")
    assert len({run.fold for run in best}) > 1
    for seed in (1, 2):
        source = best[seed - 1]
        old = artifacts.read_json(here / f"ckpt/folded/vocabulary-{source.fold}.json")["index"]
        theirs = weights_of(here / "ckpt/folded", source.folder.name)
        for fold in range(3):
            new = artifacts.read_json(here / f"ckpt/next/vocabulary-{fold}.json")["index"]
            ours = weights_of(here / "ckpt/next", f"run-{seed}-{fold}")
            shared = [word for word in set(new) & set(old) if new[word] > 1]
            assert shared
            for word in shared:
                np.testing.assert_allclose(
                    ours[EMBEDDING][new[word]], theirs[EMBEDDING][old[word]], rtol=0, atol=1e-9
                )
    # Its folds together have seen all of their corpus.
    with pytest.raises(UsageError, match="was trained or selected on 48 of the 48 test utterances of TINY"):
        complete(here / "ckpt/again", recipe, data=here / "first-data", source="folded")


def test_a_folder_of_the_references_checkpoints_is_a_source(tmp_path, here):
    case = copy_case("iemocap-mat", tmp_path / "case")
    shutil.copytree(case / "ckpt/ref", here / "ckpt/ref")
    shutil.copytree(case / "data/IEMOCAP", here / "data/IEMOCAP")
    source = open_ensemble("ref", here / "ckpt", here / "data").trained
    sizes = source.recipe.model.model_dump()
    width = source.audio_width
    utterances = make_corpus(seed=5, width=width)
    write_tiny(here / "data", utterances)
    recipe = tiny_recipe(training=STANDING, model=sizes)
    complete(here / "ckpt/next", recipe, source="ref")
    for seed, member in zip((1, 2), source.members, strict=True):
        ours = weights_of(here / "ckpt/next", f"run-{seed}")
        for name, theirs in member.weights.items():
            if not name.startswith(("classifier.", "text_encoder.embedding.")):
                np.testing.assert_allclose(ours[name], np.asarray(theirs), rtol=0, atol=1e-9, err_msg=name)
    assert artifacts.read_json(here / "ckpt/next/run-1/run.json")["start"]["member"].endswith(".pkl")


# Kills, and a source that changes or goes


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)


def killing(monkeypatch, at):
    """The ``at``-th file of what follows does not come to be."""
    left, replace_ = [at], Path.replace

    def counted(self, target):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return replace_(self, target)

    monkeypatch.setattr(Path, "replace", counted)


def killed(monkeypatch, at, *arguments, **options):
    """A training whose ``at``-th file does not come to be."""
    with monkeypatch.context() as patch:
        killing(patch, at)
        with pytest.raises(Killed):
            complete(*arguments, **options)


DROPOUT = {"dropout_input": 0.2, "dropout_residual": 0.1, "dropout_output": 0.5}
SETTINGS = {"model": DROPOUT, "training": {"max_epochs": 3}}


def lose(folder):
    shutil.rmtree(folder)


def replace_weights(folder):
    for run in folder.glob("run-*"):
        path = run / "model.safetensors"
        artifacts.write_arrays(
            path, {name: array + 1 for name, array in weights_of(folder, run.name).items()}
        )


@pytest.mark.parametrize(
    "after", [lambda folder: None, lose, replace_weights], ids=["same", "gone", "changed"]
)
def test_killed_before_any_write_it_ends_with_the_same_bytes(here, monkeypatch, save_always, after):
    recipe, folder = tiny_recipe(**SETTINGS), here / "ckpt"
    command = {"recipe": recipe, "source": "first", "group_size": 1}
    complete(folder / "whole", **command)
    wanted = contents(folder / "whole")
    assert {"start.json", "run-1/run.json", "run-2/run.json"} <= set(wanted)
    assert not [name for name in wanted if name.startswith("state")]
    shutil.copytree(folder / "first", here / "kept")
    # Three files and two of the start, then two an epoch, or three at its end.
    for at in (5, 9, 15):
        name = f"killed-{at}"
        killed(monkeypatch, at, folder / name, **command)
        saved = [*(folder / name).glob("state/group-*.safetensors"), *(folder / name).glob("run-*/run.json")]
        assert bool(saved) == (at > 7)
        if saved:
            after(folder / "first")
        complete(folder / name, **command)
        assert contents(folder / name) == wanted, at
        shutil.rmtree(folder / "first", ignore_errors=True)
        shutil.copytree(here / "kept", folder / "first")


def test_before_its_first_epoch_the_source_is_read_anew(here, monkeypatch):
    recipe, folder = tiny_recipe(), here / "ckpt/next"
    killed(monkeypatch, 6, folder, recipe, source="first")  # after both files of the start
    assert {"start.json", "state/start.safetensors"} <= set(contents(folder))
    replace_weights(here / "ckpt/first")
    complete(folder, recipe, source="first")
    recorded = artifacts.read_json(folder / "run-1/run.json")["start"]["weights"]
    assert recorded == weights_hash(weights_of(here / "ckpt/first", "run-3"))


def test_a_start_that_came_to_nothing_leaves_nothing_behind(here, monkeypatch):
    recipe, folder = tiny_recipe(), here / "ckpt/next"
    killed(monkeypatch, 6, folder, recipe, source="first")
    complete(folder, recipe)
    complete(here / "ckpt/plain", recipe)
    assert contents(folder) == contents(here / "ckpt/plain")


def test_what_is_done_needs_no_source(here):
    complete(here / "ckpt/next", tiny_recipe(), source="first")
    before = contents(here / "ckpt/next")
    shutil.rmtree(here / "ckpt/first")
    assert complete(here / "ckpt/next", tiny_recipe(), source="first") == []
    assert contents(here / "ckpt/next") == before
    # A member that joins starts from one that is not there any more.
    with pytest.raises(UsageError, match="holds neither runs of sertool nor checkpoints"):
        complete(here / "ckpt/next", tiny_recipe(), seeds=(1, 2, 3), source="first")
    assert contents(here / "ckpt/next") == before


def test_members_that_join_need_the_source_as_it_was(here):
    folder = here / "ckpt/next"
    complete(folder, tiny_recipe(), source="first")
    # The source has got a better member since: the order that the training began with stays.
    shutil.copytree(here / "ckpt/first/run-4", here / "ckpt/first/run-5")
    path = here / "ckpt/first/run-5/run.json"
    artifacts.write_json(path, {**artifacts.read_json(path), "seed": 5, "score": 1.0})
    complete(folder, tiny_recipe(), seeds=(1, 2, 3), source="first")
    complete(here / "ckpt/at-once", tiny_recipe(), seeds=(1, 2, 3), source="first")
    starts = [
        [
            artifacts.read_json(here / f"ckpt/{name}/run-{seed}/run.json")["start"]["member"]
            for seed in (1, 2, 3)
        ]
        for name in ("next", "at-once")
    ]
    assert starts[0][0] == "run-3"
    assert starts[1] == ["run-5", *starts[0][:2]]
    replace_weights(here / "ckpt/first")
    with pytest.raises(DataError) as caught:
        complete(folder, tiny_recipe(), seeds=(1, 2, 3, 4), source="first")
    assert str(caught.value) == f"--from first: run-4 has changed since {folder} started from it"
    assert caught.value.hint == "choose another --name to start from its current weights"


def test_damaged_files_of_a_start_are_told(here, monkeypatch, save_always):
    recipe, folder = tiny_recipe(), here / "ckpt/next"
    killed(monkeypatch, 12, folder, recipe, source="first")
    path = folder / "state/start.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + bytes(8))
    hint = "delete it: the weights are then read from the earlier run again"
    with pytest.raises(DataError, match=r"damaged .its weights do not match their hash") as caught:
        complete(folder, recipe, source="first")
    assert caught.value.hint == hint
    artifacts.write_arrays(path, {})
    with pytest.raises(DataError, match=r"damaged .KeyError: 'vocabularies'") as caught:
        complete(folder, recipe, source="first")
    assert caught.value.hint == hint
    path.unlink()
    complete(folder, recipe, source="first")
    complete(here / "ckpt/whole", recipe, source="first")
    assert contents(folder) == contents(here / "ckpt/whole")
    note = artifacts.read_json(folder / "start.json")
    for change in ({"format": "x"}, {"members": []}, {"seen": "ab"}, {"classes": None}):
        artifacts.write_json(folder / "start.json", {**note, **change})
        with pytest.raises(DataError, match=r"start\.json: damaged"):
            complete(folder, recipe, source="first")


def test_the_same_command_gives_the_same_bytes(here):
    recipe = tiny_recipe(**SETTINGS)
    for name in ("one", "two"):
        complete(here / "ckpt" / name, recipe, source="first")
    assert contents(here / "ckpt/one") == contents(here / "ckpt/two")


# What is refused


def refused(here, recipe, name="next", kind=UsageError, **arguments):
    with pytest.raises(kind) as caught:
        complete(here / "ckpt" / name, recipe, **arguments)
    return str(caught.value), caught.value.hint


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
    assert (
        "empty/corpus.json: no such file" in refused(here, tiny_recipe(), kind=DataError, source="empty")[0]
    )
    assert set(contents(here / "ckpt/next")) == set()


def test_a_path_is_a_source_too(here):
    shutil.move(here / "ckpt/first", here / "elsewhere")
    complete(here / "ckpt/next", tiny_recipe(), source=str(here / "elsewhere"))
    assert artifacts.read_json(here / "ckpt/next/start.json")["from"] == str(here / "elsewhere")


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
    text, _ = refused(here, tiny_recipe(), kind=DataError, source="first")
    assert text == f"{path}: damaged, or of an older sertool (KeyError: 'seen')"


def test_weights_of_another_vocabulary_are_told(here):
    path = here / "ckpt/first/vocabulary.json"
    note = artifacts.read_json(path)
    artifacts.write_json(path, {**note, "rows": note["rows"] + 1})
    text, _ = refused(here, tiny_recipe(), kind=DataError, source="first")
    assert text.startswith("first: run-")
    assert "was trained with another vocabulary" in text


# What the source has seen


def overlapping(number, seed=5):
    """The other corpus, where ``number`` test utterances are training recordings of the first, transcribed anew."""
    first, corpus = make_corpus(), other_corpus(seed)
    sounding = [row for row in range(24) if np.abs(first.audio[row]).sum() > 0]
    arrays = [corpus.audio[row] for row in range(len(corpus.utterances))]
    tests = [row for row, u in enumerate(corpus.utterances) if u.split == "test"]
    for row, theirs in zip(tests[:number], sounding, strict=False):
        arrays[row] = first.audio[theirs]
    return replace(corpus, audio=Frames.join(arrays, corpus.audio.width))


def test_an_honest_recipe_is_refused_where_the_source_has_seen_its_test_set(here):
    write_tiny(here / "data", overlapping(5))
    assert refused(here, tiny_recipe(), source="first") == (
        "--from first: was trained or selected on 5 of the 12 test utterances of OTHER: no figure on them would be "
        "honest",
        "start from a run that has not seen them; only recipes of `protocol: paper` may use this one",
    )
    assert contents(here / "ckpt/next") == {}
    notes = complete(here / "ckpt/next", tiny_recipe(protocol="paper"), source="first")
    assert notes[-1] == (
        "warning: first was trained or selected on 5 of the 12 test utterances: figures on them are optimistic"
    )
    assert refused(here, tiny_recipe(), source="first")[0].startswith(
        "--from first: was trained or selected on 5"
    )
    assert "protocol: paper" in (here / "ckpt/next/recipe.yaml").read_text()
    # The seen ones go on from run to run: the third has never met the first's corpus.
    write_tiny(here / "data", other_corpus(7))
    complete(here / "ckpt/between", tiny_recipe(), source="first")
    write_tiny(here / "data", overlapping(3, seed=9))
    text, _ = refused(here, tiny_recipe(), "third", source="between")
    assert text.startswith("--from between: was trained or selected on 3 of the 12 test utterances of OTHER")


def test_the_same_corpus_again(here):
    """Its own training set does no harm; that validation was selected on is told."""
    notes = complete(here / "ckpt/again", tiny_recipe(), data=here / "first-data", source="first")
    assert notes[1:] == [
        "starting from first (4 members, best first): 35 of 35 words known to it; classes known: angry, happy, sad",
        "warning: first was trained or selected on 12 of the 12 valid utterances: validation scores are optimistic",
    ]


def test_half_precision_and_other_names_hide_nothing():
    corpus = make_corpus()
    renamed = tuple(replace(u, id=f"x{u.id}", words=(*u.words, "um")) for u in corpus.utterances)
    stored = replace(corpus.audio, flat=corpus.audio.flat.astype(np.float16))
    ours = content_hashes(corpus)
    theirs = content_hashes(replace(corpus, utterances=renamed, audio=stored))
    silent = [not np.abs(corpus.audio[row]).sum() for row in range(len(ours))]
    assert any(silent)
    assert [one != other for one, other in zip(ours, theirs, strict=True)] == silent
    assert len(set(ours)) == len(ours)
    # What the frontend makes of digital silence tells no recordings apart.
    floor = Frames(np.full_like(corpus.audio.flat, 1e-8), corpus.audio.offsets)
    assert not set(content_hashes(replace(corpus, audio=floor))) & set(
        content_hashes(replace(corpus, audio=floor, utterances=renamed))
    )


def test_text_as_frames_is_known_again():
    corpus = make_corpus(text_frames=3)
    silence = Frames(np.zeros_like(corpus.audio.flat), corpus.audio.offsets)
    quiet = replace(corpus, audio=silence)
    renamed = replace(quiet, utterances=tuple(replace(u, id=f"x{u.id}") for u in quiet.utterances))
    assert corpus.text_frames is not None
    worded = [bool(len(corpus.text_frames[row])) for row in range(len(corpus.utterances))]
    same = [a == b for a, b in zip(content_hashes(quiet), content_hashes(renamed), strict=True)]
    assert same == worded


@given(st.lists(st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)))
def test_packed_hashes_come_back(hashes):
    assert unpack(pack(hashes)) == frozenset(hashes)
    assert len(pack(hashes)) == 8 * len(set(hashes))


@pytest.mark.parametrize("text", ["abc", "abcd", "äbcdefgh"])
def test_what_is_no_packed_hashes(text):
    with pytest.raises(ValueError, match=r".+"):
        unpack(text)


# Modalities


def modal(*modalities, **sections):
    return tiny_recipe(dataset={"modalities": list(modalities)}, **sections)


def test_audio_alone_starts_from_both(here):
    notes = complete(here / "ckpt/next", modal("audio", training=STANDING), source="first")
    assert notes[-1] == "starting from first (4 members, best first): classes known: sad, angry; new: bored"
    theirs, ours = weights_of(here / "ckpt/first", "run-3"), weights_of(here / "ckpt/next", "run-1")
    same = [name for name in ours if theirs[name].shape == ours[name].shape and name != "classifier.weight"]
    assert len(same) > 20
    assert all(np.abs(ours[name] - theirs[name]).max() < 1e-9 for name in same if "classifier" not in name)
    assert open_ensemble("next", here / "ckpt", here / "data").depth == 2


def test_both_start_from_audio_alone(here):
    """Words that were never trained start as they would without: here from the word vectors."""
    complete(here / "ckpt/heard", modal("audio"), data=here / "first-data")
    words = {word for u in other_corpus().utterances for word in u.words}
    (here / "vectors.txt").write_text("".join(f"{word} {' '.join(['0.5'] * 6)}\n" for word in sorted(words)))
    recipe = tiny_recipe(training=STANDING, dataset={"vectors": str(here / "vectors.txt")})
    notes = complete(here / "ckpt/next", recipe, seeds=[1], source="heard")
    assert notes[1:] == [
        "starting from heard (2 members, best first): classes known: sad, angry; new: bored",
        "heard was trained without text: its layers start untrained",
    ]
    best = best_of(here / "ckpt/heard")[0]
    theirs, ours = weights_of(here / "ckpt/heard", best), weights_of(here / "ckpt/next", "run-1")
    assert (ours[EMBEDDING][2:] == 0.5).all()
    # The padding is what audio alone sees in place of text.
    np.testing.assert_allclose(ours[EMBEDDING][:2], theirs[EMBEDDING][:2], rtol=0, atol=1e-9)


def test_what_has_nothing_in_common_is_refused(here):
    complete(here / "ckpt/read", modal("text"), data=here / "first-data")
    assert refused(here, modal("audio"), source="read") == (
        "--from read: was trained on text alone, and the recipe trains on audio alone",
        "--set dataset.modalities=[text,audio] trains audio from scratch beside its text",
    )


def test_other_audio_frames_are_told(here):
    recipe = tiny_recipe(dataset={"standardize": "corpus"}, frontend=Frontend(frame_step=10).model_dump())
    notes = complete(here / "ckpt/next", recipe, source="first")
    assert (
        notes[-1]
        == "first was trained on other audio frames: frame_step 16 (here 10), standardize none (here corpus)"
    )


SMALL = ["model.hidden_size=8", "model.ffn_size=8", "model.num_heads=2", "model.num_layers=1"]
CASES = {
    "iemocap": "iemocap-mat",
    "mosi": "mosi-mnt",
    "mosei-emotion": "mosei6-mat",
    "mosei-7": "mosei7-mnt",
    "meld": "meld7-mat",
    "vgaf": "vgaf-mat",
}


@pytest.mark.parametrize("recipe", CASES)
def test_every_reader_trains_and_is_judged_on_either_modality_and_both(tmp_path, recipe):
    case = copy_case(CASES[recipe], tmp_path)
    logits = {}
    for modalities in ("text", "audio", "text,audio"):
        overrides = [
            f"dataset.modalities=[{modalities}]",
            "dataset.vectors=none",
            "training.max_epochs=1",
            *SMALL,
        ]
        chosen = load(recipe, overrides)
        data, name = case / "data", modalities.replace(",", "-")
        width = open_experiment(chosen, data).corpus.vocabulary
        if width is not None:
            chosen = load(recipe, [*overrides, f"model.embedding_size={width.vectors.shape[1]}"])
        source = "text" if modalities == "text,audio" else None
        complete(case / "ckpt" / name, chosen, data=data, seeds=[1], source=source)
        (result,) = predict_sets(open_ensemble(name, case / "ckpt", data), ["test"], CPU)
        assert result.members[0].accuracy is not None
        assert np.isfinite(result.logits).all()
        logits[modalities] = result.logits
    assert not np.allclose(logits["text"], logits["audio"])
    assert not np.allclose(logits["text,audio"], logits["text"])


# The command


def test_the_command_tells_its_start_and_what_it_has_seen(here, monkeypatch):
    monkeypatch.chdir(here)
    write_tiny(here / "data", overlapping(5))
    artifacts.write_text(here / "tiny.yaml", resolved(tiny_recipe(protocol="paper")))
    command = ["train", "--recipe", "tiny.yaml", "--name", "next", "--runs", "2", "--from", "first"]
    result = CliRunner().invoke(app, [*command, "--json", "train.json"])
    assert result.exit_code == 0, result.output
    assert "\nstarting from first (4 members, best first): " in result.stderr
    assert "; classes known: sad, angry; new: bored\n" in result.stderr
    assert (
        "\nwarning: first was trained or selected on 5 of the 12 test utterances: figures on them are optimistic\n"
        in (result.stderr)
    )
    assert json.loads((here / "train.json").read_text())["from"] == "first"
    entries = [json.loads(line) for line in (here / "ckpt/next/log.jsonl").read_text().splitlines()]
    assert [entry["from"] for entry in entries if "finished" in entry] == ["first"]
    judged = CliRunner().invoke(app, ["ensemble", "--name", "next", "--json", "result.json"])
    assert judged.exit_code == 0, judged.output
    assert judged.stdout.splitlines()[1] == (
        "warning: the members started from first, which was trained or selected on 5 of these utterances"
    )
    table = json.loads((here / "result.json").read_text())
    assert (table["started_from"], table["seen_in_test"]) == ("first", 5)
    other = CliRunner().invoke(app, [*command, "--name", "other", "--set", "protocol=honest"])
    assert (other.exit_code, other.stdout) == (2, "")
    done = CliRunner().invoke(app, [*command[:-1], "first/"])
    assert done.exit_code == 0, done.output
    assert "2 members, 2 already trained" in done.stderr
    assert other.stderr.endswith(
        "error: --from first: was trained or selected on 5 of the 12 test utterances of OTHER: no figure on them "
        "would be honest\n  try: start from a run that has not seen them; only recipes of `protocol: paper` may use "
        "this one\n"
    )


@pytest.mark.slow
def test_kill_minus_nine(here):
    """Real processes, really killed."""
    kill_and_go_on(here, 6, "--from", "first")
