"""Agreement of a corpus's raters: what is counted, by class and by speaker, and the ceilings of a set."""

import doctest
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders import CLASSES, make_corpus
from scored_corpora import voted_corpus

from sertool.core.corpora import agreement
from sertool.core.corpora.agreement import agreement_on, agreements, ceilings_of, score_ceilings_of, tied_beside
from sertool.core.corpora.ratings import rated_tasks, shares_of
from sertool.core.metrics import Jackknife, clusters_of
from sertool.core.metrics.agreement import Votes, accuracy_ceiling, nominal_alpha
from sertool.core.metrics.score_agreement import Ratings, interval_alpha


def rated(number=96, raters=4, seed=0, right=0.7, missing=0.2):
    """A corpus of six speakers whose raters know the class more or less; the label is that of most, or none."""
    draw = np.random.default_rng(seed)
    corpus = make_corpus({"train": number // 2, "valid": number // 4, "test": number // 4})
    made = []
    for one in corpus.utterances:
        votes = {
            f"r{rater}": one.labels["emotion"] if draw.random() < right else CLASSES[draw.integers(3)]
            for rater in range(raters)
            if draw.random() >= missing
        }
        arousal = 3 + draw.standard_normal()
        scores = {rater: round(arousal + 0.5 * draw.standard_normal(), 2) for rater in votes}
        shares = shares_of(votes, CLASSES)
        label = {} if shares is None or (shares == shares.max()).sum() > 1 else {"emotion": CLASSES[shares.argmax()]}
        mean = {"arousal": float(np.mean(list(scores.values())))} if scores else {}
        made.append(replace(one, labels=label | mean, ratings={"emotion": votes, "arousal": scores} if votes else None))
    return replace(corpus, utterances=tuple(made), ranges={"arousal": (0.0, 6.0)})


def test_tasks_with_raters_come_with_their_classes():
    corpus = rated()
    assert rated_tasks(corpus) == {"emotion": CLASSES, "arousal": ()}
    assert rated_tasks(make_corpus()) == {}
    named = replace(corpus, classes={})
    assert rated_tasks(named)["emotion"] == tuple(sorted(CLASSES))


def test_numbers_of_raters_and_ties_are_counted():
    corpus = rated()
    own = [one.ratings["emotion"] for one in corpus.utterances if one.ratings]
    found = agreement_on(corpus, "emotion", CLASSES).raters
    sizes = [len(votes) for votes in own]
    assert (found.utterances, found.alone) == (sum(size > 1 for size in sizes), sizes.count(1))
    assert (found.ratings, found.fewest, found.most) == (sum(sizes), min(sizes), max(sizes))
    assert found.mean == pytest.approx(np.mean(sizes))
    assert found.ties == sum("emotion" not in one.labels for one in corpus.utterances if one.ratings) > 0
    scores = agreement_on(corpus, "arousal", ()).raters
    assert scores == replace(found, ties=None)


def test_figures_are_those_of_the_metrics_with_intervals_over_speakers():
    corpus = rated()
    found = agreements(corpus)
    assert list(found) == ["emotion", "arousal"]
    emotion, arousal = found.values()
    assert (emotion.clusters.unit, emotion.clusters.number) == ("speaker", 6)
    assert emotion.alpha.low < emotion.alpha.value < emotion.alpha.high
    assert 0.3 < emotion.alpha.value < 0.7
    assert emotion.kappa.value == pytest.approx(emotion.alpha.value, abs=0.05)
    assert set(emotion.ceilings) == {"accuracy", "uar"}
    assert emotion.spread is None
    assert set(emotion.by_class) == set(CLASSES)
    # Variance 1 of the score, 0.25 of raters' noise.
    assert arousal.alpha.value == pytest.approx(0.8, abs=0.1)
    assert arousal.spread.value == pytest.approx(0.5, abs=0.1)
    assert {"ccc", "mae"} <= set(arousal.ceilings)
    assert (arousal.kappa, arousal.by_class) == (None, {})


def votes_of(corpus, keep=lambda one: True):
    rows = [one for one in corpus.utterances if keep(one)]
    pairs = [(row, name) for row, one in enumerate(rows) for name in (one.ratings or {}).get("emotion", {}).values()]
    said = np.array([[name == own for own in CLASSES] for _, name in pairs], float).reshape(-1, 3)
    return Votes(np.array([row for row, _ in pairs], int), said, len(rows))


def test_parts_are_the_figures_of_their_utterances():
    corpus = rated()
    found = agreement_on(corpus, "emotion", CLASSES)
    assert set(found.by_speaker) == {f"s{number}" for number in range(6)}
    for name, part in found.by_speaker.items():
        own = votes_of(corpus, lambda one, name=name: one.speaker == name)
        assert part.utterances == own.compared.sum()
        assert part.ceiling.value == pytest.approx(accuracy_ceiling(own).value, abs=1e-12)
    ratings = dict.fromkeys(found.by_speaker, 0)
    for one in corpus.utterances:
        own = len((one.ratings or {}).get("emotion", ()))
        ratings[one.speaker] += own * (own > 1)
    mean = np.average(
        [part.alpha.value for part in found.by_speaker.values()],
        weights=[ratings[name] for name in found.by_speaker],
    )
    assert mean == pytest.approx(found.alpha.value, abs=1e-12)
    whole = votes_of(corpus)
    for number, name in enumerate(CLASSES):
        assert found.by_class[name].alpha.value == pytest.approx(nominal_alpha(whole.rest(number)).value)
        assert found.by_class[name].alpha.low is not None
    arousal = agreement_on(corpus, "arousal", ())
    part = arousal.by_speaker["s1"]
    own = [one.ratings["arousal"] for one in corpus.utterances if one.speaker == "s1" and one.ratings]
    apart = [
        np.mean([abs(score - (sum(scores) - score) / (len(scores) - 1)) for score in scores])
        for scores in (list(one.values()) for one in own)
        if len(scores) > 1
    ]
    assert part.ceiling.value == pytest.approx(np.mean(apart))


def test_unknown_speakers_count_and_are_not_shown():
    corpus = rated()
    unknown = replace(
        corpus,
        utterances=tuple(
            replace(one, speaker=one.speaker if row % 2 else None) for row, one in enumerate(corpus.utterances)
        ),
    )
    found = agreement_on(unknown, "emotion", CLASSES)
    assert found.alpha.value == pytest.approx(agreement_on(corpus, "emotion", CLASSES).alpha.value)
    assert "unknown" in found.clusters.note
    assert None not in found.by_speaker
    assert "" not in found.by_speaker


def test_a_json_file_takes_all_of_it():
    found = agreements(rated())
    plain = {task: own.to_json() for task, own in found.items()}
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["emotion"]["kind"] == "classes"
    assert plain["arousal"]["kind"] == "scores"
    assert plain["emotion"]["ceilings"]["accuracy"]["value"] == found["emotion"].ceilings["accuracy"].value
    alone = rated(missing=0.0, raters=1)
    own = agreement_on(alone, "emotion", CLASSES)
    assert own.raters.utterances == 0
    assert own.raters.alone == 96
    assert math.isnan(own.alpha.value)
    assert own.to_json()["alpha"] == {"value": None, "low": None, "high": None}
    assert own.by_speaker == {}


def test_the_examples_run():
    assert doctest.testmod(agreement) == (0, 1)


def test_without_ratings_there_is_no_agreement():
    assert agreements(make_corpus()) == {}
    assert agreement_on(make_corpus(), "emotion", CLASSES) is None
    assert agreement_on(rated(), "sentiment", ()) is None
    assert agreement_on(rated(), "emotion", ["bored"]) is None


def test_the_ceiling_of_a_set_counts_the_ties_beside_it():
    """Two raters: all labelled utterances have agreement, so that they alone would promise 100 %."""
    corpus = rated(raters=2, missing=0.0)
    rows = [row for row, one in enumerate(corpus.utterances) if one.split == "test" and "emotion" in one.labels]
    found = ceilings_of(corpus, "emotion", CLASSES, rows)
    alone = [corpus.utterances[row] for row in rows]
    assert accuracy_ceiling(votes_of(replace(corpus, utterances=tuple(alone)))).value == 1
    test = [one for one in corpus.utterances if one.split == "test"]
    wanted = accuracy_ceiling(votes_of(replace(corpus, utterances=tuple(test))), Jackknife(clusters_of(test)))
    assert found["accuracy"] == wanted
    assert 0.4 < wanted.value < 0.9
    # Speakers of other sets do not count, even in a random division of one split.
    some = [row for row in rows if corpus.utterances[row].speaker == "s2"]
    own = votes_of(corpus, lambda one: one.speaker == "s2" and one.split == "test")
    assert ceilings_of(corpus, "emotion", CLASSES, some)["accuracy"].value == accuracy_ceiling(own).value


def test_utterances_of_a_class_that_the_task_lacks_do_not_count():
    """Most raters heard boredom, which is no class of the task; what is left of the votes is no tie of its classes."""
    corpus = rated(raters=3, missing=0.0)
    bored = {"a": "bored", "b": "bored", "c": "sad", "d": "angry"}
    first = next(row for row, one in enumerate(corpus.utterances) if one.split == "test")
    other = replace(corpus.utterances[first], id="other", labels={}, ratings={"emotion": bored})
    more = replace(corpus, utterances=(*corpus.utterances, other))
    rows = [row for row, one in enumerate(corpus.utterances) if one.split == "test" and "emotion" in one.labels]
    own, same = agreement_on(more, "emotion", CLASSES), agreement_on(corpus, "emotion", CLASSES)
    assert (own.raters, own.alpha.value) == (same.raters, same.alpha.value)
    assert ceilings_of(more, "emotion", CLASSES, rows) == ceilings_of(corpus, "emotion", CLASSES, rows)
    everything = agreement_on(more, "emotion", [*CLASSES, "bored"])
    assert everything.raters.utterances == same.raters.utterances + 1
    alone = replace(corpus, utterances=(other,))
    assert agreement_on(alone, "emotion", CLASSES) is None


def test_the_ceiling_of_a_set_of_scores():
    corpus = rated()
    rows = [row for row, one in enumerate(corpus.utterances) if one.split == "test"]
    found = score_ceilings_of(corpus, "arousal", rows)
    own = [one for one in corpus.utterances if one.split == "test"]
    wanted = agreement_on(replace(corpus, utterances=tuple(own)), "arousal", ()).ceilings
    assert {name: one.value for name, one in found.items()} == pytest.approx(
        {n: one.value for n, one in wanted.items()}
    )
    pairs = [(row, score) for row, one in enumerate(own) for score in (one.ratings or {}).get("arousal", {}).values()]
    alpha = interval_alpha(Ratings(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]), len(own)))
    assert agreement_on(replace(corpus, utterances=tuple(own)), "arousal", ()).alpha.value == pytest.approx(alpha.value)


def test_nobody_rated_a_set():
    corpus = make_corpus()
    assert all(math.isnan(one.value) for one in ceilings_of(corpus, "emotion", CLASSES, [0, 1]).values())
    assert all(math.isnan(one.value) for one in score_ceilings_of(corpus, "arousal", [0, 1]).values())


def test_ties_are_counted_beside_the_utterances_of_their_speakers():
    corpus = voted_corpus()
    rows = [row for row, one in enumerate(corpus.utterances) if one.split == "test" and "emotion" in one.labels]
    tied = [row for row, one in enumerate(corpus.utterances) if one.split == "test" and "emotion" not in one.labels]
    assert tied
    assert tied_beside(corpus, "emotion", CLASSES, rows) == tied
    speaker = corpus.utterances[tied[0]].speaker
    others = [row for row in rows if corpus.utterances[row].speaker != speaker]
    assert tied_beside(corpus, "emotion", CLASSES, others) == [
        row for row in tied if corpus.utterances[row].speaker != speaker
    ]
