"""Corpora of scores and of raters' votes: what the doctor says of labels, ties and texts."""

from dataclasses import replace

import numpy as np
import pytest
from scored_corpora import scored_corpus, voted_corpus

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.doctor.inspect import Inspection, inspect
from sertool.core.doctor.texts import variance_explained
from sertool.core.recipe import load as recipes


def inspected(corpus: Corpus, folder, recipe: str, *changes: str) -> Inspection:
    write_corpus(corpus, folder)
    opened = recipes.load(recipe, list(changes), users_path=str(folder))
    return inspect(opened, folder, vectors=False, data_dir=folder)


def found(inspection: Inspection) -> dict[str, int]:
    return {one.kind: one.number for one in inspection.findings}


def without_labels(corpus: Corpus, *rows: int) -> Corpus:
    utterances = [replace(u, labels={}) if row in rows else u for row, u in enumerate(corpus.utterances)]
    return replace(corpus, utterances=tuple(utterances))


def test_an_utterance_with_one_of_several_scores_has_a_label(tmp_path):
    corpus = scored_corpus()
    assert sum(len(one.labels) == 1 for one in corpus.utterances) > 10
    inspection = inspected(corpus, tmp_path, "custom-scores")
    assert "no-label" not in found(inspection)
    assert inspection.shown == "valence 1 to 5, arousal 0 to 10"
    train = inspection.counts[0]
    assert (train.utterances, train.classes) == (
        60,
        (60, sum("arousal" in one.labels for one in corpus.utterances[:60])),
    )


def test_an_utterance_without_any_score_has_none(tmp_path):
    assert found(inspected(without_labels(scored_corpus(), 3, 70), tmp_path, "custom-scores"))["no-label"] == 2


def test_ties_of_raters_are_no_missing_labels(tmp_path):
    corpus = voted_corpus()
    ties = sum(not one.labels for one in corpus.utterances)
    assert ties > 3
    inspection = inspected(corpus, tmp_path, "custom")
    assert found(inspection).get("raters-tie") == ties
    assert "no-label" not in found(inspection)
    (finding,) = (one for one in inspection.findings if one.kind == "raters-tie")
    assert "--set dataset.labels=soft" in finding.advice
    soft = found(inspected(corpus, tmp_path / "soft", "custom", "dataset.labels=soft"))
    assert not {"raters-tie", "no-label"} & set(soft)


def test_a_label_that_is_missing_although_raters_agree_is_no_tie(tmp_path):
    corpus = voted_corpus()
    own = next(row for row, one in enumerate(corpus.utterances) if len(set(one.ratings["emotion"].values())) == 1)
    ties = sum(not one.labels for one in corpus.utterances)
    kinds = found(inspected(without_labels(corpus, own), tmp_path, "custom"))
    assert (kinds["no-label"], kinds["raters-tie"]) == (1, ties)


def test_a_raters_score_out_of_range_is_an_error_as_a_label_is(tmp_path):
    corpus = scored_corpus(raters=3)
    utterances = list(corpus.utterances)
    for row, said in ((3, 9.0), (8, -0.5)):
        ratings = {**utterances[row].ratings, "valence": {**utterances[row].ratings["valence"], "bob": said}}
        utterances[row] = replace(utterances[row], ratings=ratings)
    inspection = inspected(replace(corpus, utterances=tuple(utterances)), tmp_path, "custom-scores")
    (finding,) = (one for one in inspection.findings if one.kind == "label")
    assert finding.text == (
        "2 utterances whose label, or a rater's score, is not one of the task's; the first: TINY: utterance 'train3': "
        "rater 'bob': valence 9.0 is out of range, expected 1 to 5"
    )
    assert finding.examples == ("train3 (train)", "train8 (train)")


def test_settings_that_distort_the_shares_of_votes_are_told(tmp_path):
    corpus, soft = voted_corpus(), "dataset.labels=soft"
    (finding,) = (one for one in inspected(corpus, tmp_path, "custom", soft).findings if one.kind == "shares-distorted")
    assert (finding.severity, finding.number) == ("warning", 2)
    assert finding.text == (
        "training.class_weights: balanced and training.label_smoothing: 0.1 distort the shares of the raters that "
        "dataset.labels: soft is to teach"
    )
    remedy = [part for part in finding.advice.split() if "=" in part]
    for recipe, changes, number in (
        ("custom", (soft, "training.class_weights=[2, 2, 2]"), 1),
        ("custom", (soft, "training.class_weights=[1, 2, 1]"), 2),
        ("custom", (soft, *(one.rstrip(",") for one in remedy)), None),
        ("custom-votes", (), None),
        ("custom", (), None),
    ):
        assert found(inspected(corpus, tmp_path, recipe, *changes)).get("shares-distorted") == number, changes


def test_names_of_scores_are_no_classes(tmp_path):
    corpus = scored_corpus()
    names = {"valence": "arousal_a", "arousal": "Arousal a"}
    utterances = [replace(u, labels={names[k]: v for k, v in u.labels.items()}) for u in corpus.utterances]
    ranges = {names[name]: own for name, own in corpus.ranges.items()}
    kinds = found(inspected(replace(corpus, utterances=tuple(utterances), ranges=ranges), tmp_path, "custom-scores"))
    assert not {"names", "spellings", "joined-labels"} & set(kinds)


@pytest.mark.parametrize("told", [True, False])
def test_texts_that_are_said_with_any_score(told, tmp_path):
    """Four sentences, each spoken 30 times: with a score of its own, or with any."""
    corpus, random = scored_corpus(missing=0), np.random.default_rng(1)
    utterances = []
    for number, one in enumerate(corpus.utterances):
        words = ("sentence", "abcd"[number % 4])
        valence = 1 + number % 4 if told else random.uniform(1, 5)
        labels = {"valence": float(valence), "arousal": float(random.uniform(0, 10))}
        utterances.append(replace(one, words=words, text=" ".join(words), labels=labels))
    inspection = inspected(replace(corpus, utterances=tuple(utterances)), tmp_path, "custom-scores")
    assert found(inspection).get("text-cannot-tell") == (None if told else 4)
    if not told:
        (finding,) = (one for one in inspection.findings if one.kind == "text-cannot-tell")
        assert finding.text.startswith("the text cannot tell: each of 4 texts occurs with scores that differ")
        assert finding.examples[0] == "'sentence a': 30 utterances"


def test_the_variance_between_texts_is_the_planted_share():
    """2,000 texts, each said twice; 0.6 of the variance is the text's."""
    random = np.random.default_rng(2)
    own = random.normal(0, np.sqrt(0.6), 2000).repeat(2) + random.normal(0, np.sqrt(0.4), 4000)
    own[random.random(4000) < 0.01] = np.nan
    texts = np.arange(2000).repeat(2).tolist()
    assert variance_explained(texts, own) == pytest.approx(0.6, abs=0.04)
    assert variance_explained(texts, np.full(4000, 2.0)) is None
    assert variance_explained(texts, np.full(4000, np.nan)) is None
