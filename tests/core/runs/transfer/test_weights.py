"""``train --from``: words, classes and members whose weights are taken over."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from builders import copy_case, make_corpus, tiny_recipe, write_tiny
from hypothesis import given
from hypothesis import strategies as st
from transfers import (
    EMBEDDING,
    STANDING,
    best_of,
    complete,
    other_corpus,
    weights_of,
    words_of,
)

from sertool.core.corpora.tasks import NOT_NEGATIVE, SIGN, Task
from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.runs.folder import list_runs
from sertool.core.runs.transfer_weights import StartSource, shared_classes, shared_rows, weights_hash


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
    write_tiny(here / "data", replace(corpus, utterances=utterances, classes={"mood": ("sad", "bored", "angry")}))
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


def test_classes_are_found_by_names_that_look_alike():
    source = StartSource("old", 1, "emotion", ("bo\u0308se", "froh"), ("text",), (), frozenset())
    classes = ("b\u00f6se", "m\u00fcde", "froh")
    assert shared_classes(source, Task("emotion", classes, "name")) == {0: 0, 2: 1}
    assert shared_classes(source, Task("sentiment", classes, "name")) == {}


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
                np.testing.assert_allclose(ours[EMBEDDING][new[word]], theirs[EMBEDDING][old[word]], rtol=0, atol=1e-9)
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


@pytest.mark.parametrize("theirs", [("negative", "positive"), ("negative", "not negative")])
@pytest.mark.parametrize("ours", [("sign", NOT_NEGATIVE), ("sign-without-zero", SIGN)])
def test_the_class_with_zeros_is_that_of_positive_scores_to_a_start(theirs, ours):
    """MOSI has no zeros, MOSEI has, and earlier versions called both classes positive."""
    source = StartSource("mosi", 1, "sentiment", theirs, ("text",), (), frozenset())
    assert shared_classes(source, Task("sentiment", ours[1], ours[0])) == {0: 0, 1: 1}
