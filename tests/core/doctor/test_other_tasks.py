"""Utterances of a published corpus whose labels are of other tasks are no fault of it."""

from dataclasses import replace

import numpy as np
from scored_corpora import scored_corpus, scored_recipe, voted_corpus, voted_recipe

from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.doctor.inspect import inspect
from sertool.core.prepare.summary import tasks_of
from sertool.core.recipe import load as recipes

LABELS = ({"emotion": "sad"}, {"emotion": "angry"}, {"arousal": 2.0, "emotion-6": "excited"}, {})


def made(layout: str | None) -> Corpus:
    utterances = tuple(
        Utterance(f"{split}{n}", split, f"word {n}", ("word", str(n)), labels, speaker=f"{split}{n % 6}")
        for split in ("train", "valid", "test")
        for n, labels in enumerate(LABELS * 2)
    )
    frames = np.random.default_rng(0).uniform(0.1, 0.9, (2 * len(utterances), 80)).astype(np.float32)
    return Corpus(
        "MINE",
        utterances,
        Frames(frames, np.arange(0, len(frames) + 1, 2)),
        {"emotion": ("angry", "sad"), "emotion-6": ("excited",)},
        layout=layout,
        ranges={"arousal": (1.0, 5.0)},
    )


def findings_of(corpus: Corpus, folder) -> dict[str, tuple[str, int]]:
    write_corpus(corpus, folder)
    recipe = recipes.load("custom", [], users_path=str(folder))
    found = inspect(recipe, folder, vectors=False, data_dir=folder).findings
    return {one.kind: (one.severity, one.number) for one in found}


def test_they_are_a_note_beside_those_without_any_label(tmp_path):
    found = findings_of(made("iemocap"), tmp_path)
    assert found["other-task"] == ("note", 6)
    assert found["no-label"] == ("warning", 6)


def test_in_a_corpus_of_the_users_own_they_lack_a_label(tmp_path):
    found = findings_of(replace(made(None)), tmp_path)
    assert "other-task" not in found
    assert found["no-label"] == ("warning", 12)


def test_scores_of_another_scale_come_last():
    assert tasks_of(made(None)) == ["emotion", "emotion-6", "arousal"]


def test_a_score_or_votes_to_learn_from_are_a_label(tmp_path):
    scored, voted = scored_corpus(), voted_corpus()
    ties = sum(not utterance.labels for utterance in voted.utterances)
    assert ties
    bare = replace(scored, utterances=(replace(scored.utterances[0], labels={}), *scored.utterances[1:]))
    for name, corpus, recipe, without, tied in (
        ("scored", scored, scored_recipe(), None, None),
        ("bare", bare, scored_recipe(), 1, None),
        ("soft", voted, voted_recipe("soft"), None, None),
        ("majority", voted, voted_recipe("majority"), None, ties),
    ):
        write_corpus(corpus, tmp_path / name)
        found = inspect(recipe, tmp_path / name, vectors=False, data_dir=tmp_path).findings
        counts = {one.kind: one.number for one in found}
        assert (counts.get("no-label"), counts.get("raters-tie")) == (without, tied), name
