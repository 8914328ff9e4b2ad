"""Corpora with planted relations: their stated figures are right, and a linear model finds what was planted."""

import csv
import io
import json
from collections import Counter

import audmetric
import numpy as np
import planted_content
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_content import Sizes, draw_spoken
from planted_corpora import plant_scores, plant_votes, write_planted, write_table
from planted_scores import DIMENSIONS, ScorePlan, draw_scores, score_truth
from planted_votes import CLASSES, VotePlan, count_probabilities, draw_votes, vote_truth, winners
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from synthetic_corpora import main
from threadpoolctl import threadpool_limits

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.features.log_mel import log_mels
from sertool.core.metrics import Jackknife, choose_clusters
from sertool.core.metrics.agreement import Votes, accuracy_ceiling, fleiss_kappa
from sertool.core.metrics.score_agreement import Ratings, interval_alpha, score_ceilings

pytestmark = pytest.mark.slow

SMALL = Sizes(train=60, valid=20, test=30, speakers=9)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small matrices: threads that wait for each other on a busy machine take ten times as long."""
    with threadpool_limits(1):
        yield


def features(corpus):
    """The share of each word in a sentence, and the mean frame."""
    words = sorted({word for utterance in corpus.utterances for word in utterance.words})
    text = [[u.words.count(word) / len(u.words) for word in words] for u in corpus.utterances]
    audio = [corpus.audio[row].astype(float).mean(0) for row in range(len(text))]
    return np.hstack([np.array(text), np.array(audio)])


def rows(corpus, split):
    return np.array([utterance.split == split for utterance in corpus.utterances])


@pytest.mark.parametrize("plan", [ScorePlan(), ScorePlan(range=(1, 7), raters=5)], ids=["scores", "raters"])
def test_a_linear_model_reaches_the_ccc_that_the_noise_allows(tmp_path, plan):
    planted = plant_scores(plan=plan)
    corpus = write_planted(planted, tmp_path)
    assert corpus.counts() == {"train": 3000, "valid": 600, "test": 2000}
    inputs, train, test = features(corpus), rows(corpus, "train"), rows(corpus, "test")
    for place, name in enumerate(DIMENSIONS):
        scores = np.array([utterance.labels.get(name, np.nan) for utterance in corpus.utterances])
        known, judged = train & ~np.isnan(scores), test & ~np.isnan(scores)
        said = Ridge(0.1).fit(inputs[known], scores[known]).predict(inputs[judged])
        allowed = planted.truth[name]["ccc"]
        assert 0.75 < allowed < 0.9
        assert 0.95 * allowed < audmetric.concordance_cc(scores[judged], said) < 1.02 * allowed
        signal = planted.expected[judged, place]
        found = audmetric.concordance_cc(scores[judged], signal)
        assert found == pytest.approx(planted.truth[name]["ccc_of_signal"], abs=0.02)


def test_words_tell_valence_and_sound_tells_arousal(tmp_path):
    planted = plant_scores()
    corpus = write_planted(planted, tmp_path)
    inputs, train, test = features(corpus), rows(corpus, "train"), rows(corpus, "test")
    bands = planted_content.FRONTEND.mel_bands
    for part, allowed in ((slice(-bands), {"valence"}), (slice(-bands, None), {"arousal"})):
        for place, name in enumerate(DIMENSIONS[:2]):
            model = Ridge(0.1).fit(inputs[train, part], planted.expected[train, place])
            share = model.score(inputs[test, part], planted.expected[test, place])
            assert (share > 0.97) if name in allowed else (share < 0.05)


@pytest.mark.parametrize("raters", [0, 2, 5])
def test_the_closed_forms_hold_on_many_utterances(raters):
    plan = ScorePlan(raters=raters, missing=0.0, range=(-1.0, 1.0))
    random = np.random.default_rng(3)
    spoken = draw_spoken(random, Sizes(50_000, 50_000, 100_000, 5000))
    assert spoken.valence.var() == pytest.approx(planted_content.VALENCE_VARIANCE, rel=0.01)
    assert spoken.arousal.var() == pytest.approx(planted_content.AROUSAL_VARIANCE, rel=0.01)
    drawn, truth = draw_scores(random, spoken, plan), score_truth(plan)
    for place, name in enumerate(DIMENSIONS):
        own, scores, signal = truth[name], drawn.scores[:, place], drawn.expected[:, place]
        assert np.corrcoef(scores, signal)[0, 1] == pytest.approx(own["ccc"], abs=0.004)
        assert audmetric.concordance_cc(scores, signal) == pytest.approx(own["ccc_of_signal"], abs=0.004)
        assert audmetric.concordance_cc(scores, signal / own["ccc"]) == pytest.approx(own["ccc"], abs=0.004)
        if not raters:
            assert set(own) == {"ccc", "ccc_of_signal"}
            continue
        ratings = drawn.ratings[:, place]
        others = ((ratings.sum(1, keepdims=True) - ratings) / (raters - 1)).ravel()
        assert audmetric.concordance_cc(ratings.ravel(), others) == pytest.approx(own["rater_ccc"], abs=0.004)
        assert np.corrcoef(ratings.ravel(), others)[0, 1] == pytest.approx(own["rater_pearson"], abs=0.004)
        # Krippendorff's alpha for intervals without gaps: mean squared differences of pairs are twice the variances.
        alpha = 1 - ratings.var(1, ddof=1).mean() / ratings.var(ddof=1)
        assert alpha == pytest.approx(own["alpha"], abs=0.004)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31 - 1),
    raters=st.sampled_from([0, 2, 3, 7]),
    noise=st.floats(0, 0.3),
    ends=st.tuples(st.floats(-100, 100), st.floats(0.1, 100)),
    missing=st.floats(0, 0.9),
)
def test_no_score_leaves_its_range(seed, raters, noise, ends, missing):
    low, high = ends[0], ends[0] + ends[1]
    plan = ScorePlan((low, high), dict.fromkeys(DIMENSIONS, noise), raters=raters, missing=missing)
    random = np.random.default_rng(seed)
    drawn = draw_scores(random, draw_spoken(random, SMALL), plan)
    for values in (drawn.expected, drawn.scores, drawn.ratings):
        assert not np.isnan(values[:, :2]).any()
        assert ((values >= low - 5e-4) & (values <= high + 5e-4) | np.isnan(values)).all()


def test_scores_of_raters_have_their_mean_as_label():
    planted = plant_scores(2, SMALL, ScorePlan(raters=3, missing=0.3))
    lacking = 0
    for labels, ratings in zip(planted.labels, planted.ratings, strict=True):
        assert set(labels) == set(ratings) >= {"arousal", "valence"}
        lacking += "dominance" not in labels
        for name, score in labels.items():
            assert list(ratings[name]) == ["1", "2", "3"]
            assert score == pytest.approx(np.mean(list(ratings[name].values())), abs=1e-12)
    assert lacking / len(planted.labels) == pytest.approx(0.3, abs=0.12)


def test_the_figures_of_votes_are_those_of_a_simulation():
    random = np.random.default_rng(4)
    drawn = draw_votes(random, draw_spoken(random, Sizes(400, 1, 1, 4)), VotePlan(raters=4, lapses=0.2))
    truth, expected = vote_truth(drawn.probabilities), drawn.expected
    number, raters, classes = drawn.probabilities.shape
    limits = drawn.probabilities.cumsum(2)[None, :, :, :-1]
    votes = (random.random((800, number, raters, 1)) > limits).sum(3).reshape(-1, raters)
    counts = (votes[:, :, None] == np.arange(classes)).sum(1)
    won = np.array([row.argmax() if (row == row.max()).sum() == 1 else -1 for row in counts])
    place = np.arange(len(won)) % number
    decided = won >= 0
    assert truth["ties"] == pytest.approx((~decided).mean(), abs=0.002)
    tables = np.zeros((number, classes))
    np.add.at(tables, (place[decided], won[decided]), 1)
    assert truth["accuracy"] == pytest.approx((tables.argmax(1)[place] == won)[decided].mean(), abs=0.003)
    shares = counts[decided] / raters
    assert truth["cross_entropy"] == pytest.approx(
        -(shares * np.log(expected[place[decided]])).sum(1).mean(), abs=0.002
    )
    given = (tables + 1e-3) / (tables + 1e-3).sum(1, keepdims=True)
    simulated = -(shares * np.log(given[place[decided]])).sum(1).mean()
    assert truth["cross_entropy_of_majority"] == pytest.approx(simulated, abs=0.02)
    assert truth["lowest_cross_entropy"] <= truth["cross_entropy"] < truth["cross_entropy_of_majority"]
    assert truth["entropy"] == pytest.approx(-(expected * np.log(expected)).sum(1).mean())
    right = judged = 0
    for rater in range(raters):
        others = counts - (votes[:, rater, None] == np.arange(classes))
        best = winners(others)
        right += (best == votes[:, rater]).sum()
        judged += (best >= 0).sum()
    assert truth["ceiling"] == pytest.approx(right / judged, abs=0.002)
    # Fleiss 1971: agreement of two raters of an utterance, and that of shares of all votes.
    agreed = ((counts * (counts - 1)).sum(1) / (raters * (raters - 1))).mean()
    chance = ((counts.sum(0) / counts.sum()) ** 2).sum()
    assert truth["kappa"] == pytest.approx((agreed - chance) / (1 - chance), abs=0.002)


def test_probabilities_of_counts_are_those_of_all_ways_to_vote():
    counts, chances = count_probabilities(np.array([[[0.5, 0.5], [0.25, 0.75]]]))
    assert dict(zip(map(tuple, counts.tolist()), chances[0].tolist(), strict=True)) == {
        (2, 0): 0.125,
        (1, 1): 0.5,
        (0, 2): 0.375,
    }


def test_soft_targets_lead_below_majority_labels_by_what_is_stated(tmp_path):
    planted = plant_votes()
    corpus = write_planted(planted, tmp_path)
    inputs, train, test = features(corpus), rows(corpus, "train"), rows(corpus, "test")
    votes = np.array([[*utterance.ratings["emotion"].values()] for utterance in corpus.utterances])
    shares = np.stack([(votes == name).mean(1) for name in CLASSES], axis=1)
    majority = np.array([utterance.labels.get("emotion", "") for utterance in corpus.utterances])
    judged = test & (majority != "")
    assert 1 - judged.sum() / test.sum() == pytest.approx(planted.truth["ties"], abs=0.02)
    inputs = StandardScaler().fit(inputs[train]).transform(inputs)
    model = LogisticRegression(C=0.03, max_iter=200)
    row, said = shares[train].nonzero()
    soft = model.fit(inputs[train][row], np.array(CLASSES)[said], sample_weight=5 * shares[train][row, said])
    assert tuple(soft.classes_) == CLASSES
    found = -(shares[judged] * soft.predict_log_proba(inputs[judged])).sum(1).mean()
    assert found == pytest.approx(planted.truth["cross_entropy"], abs=0.05)
    accuracy = (soft.predict(inputs[judged]) == majority[judged]).mean()
    assert accuracy == pytest.approx(planted.truth["accuracy"], abs=0.03)
    known = train & (majority != "")
    hard = model.fit(inputs[known], majority[known])
    worse = -(shares[judged] * hard.predict_log_proba(inputs[judged])).sum(1).mean()
    assert worse > found + 0.1
    assert worse == pytest.approx(planted.truth["cross_entropy_of_majority"], abs=0.06)


def test_agreement_and_ceilings_of_raters_are_those_that_were_planted():
    """The package's own figures on the test utterances: their intervals over speakers hold the stated ones."""
    planted = plant_votes(8)
    test = [row for row, split in enumerate(planted.spoken.splits) if split == "test"]
    jackknife = Jackknife(choose_clusters({"speaker": [str(planted.spoken.speakers[row]) for row in test]}, len(test)))
    said = np.array([[CLASSES.index(one) for one in planted.ratings[row]["emotion"].values()] for row in test])
    votes = Votes.of_counts((said[:, :, None] == np.arange(4)).sum(1))
    assert within(accuracy_ceiling(votes, jackknife), planted.truth["ceiling"], 0.03)
    assert within(fleiss_kappa(votes, jackknife), planted.truth["kappa"], 0.04)
    planted = plant_scores(8, plan=ScorePlan(raters=4))
    for name, truth in planted.truth.items():
        table = np.array([list(planted.ratings[row].get(name, dict.fromkeys("1234", np.nan)).values()) for row in test])
        ratings = Ratings.of_table(table.T)
        ceilings = score_ceilings(ratings, jackknife)
        assert within(ceilings["ccc"], truth["rater_ccc"], 0.04)
        assert within(ceilings["pearson"], truth["rater_pearson"], 0.04)
        assert within(interval_alpha(ratings, jackknife), truth["alpha"], 0.04)


def within(estimate, truth, half):
    return estimate.low < truth < estimate.high and estimate.high - estimate.low < 2 * half


@pytest.mark.parametrize("plant", [plant_scores, plant_votes])
def test_the_corpus_is_read_as_it_was_written(tmp_path, plant):
    planted = plant(5, SMALL)
    corpus, read = write_planted(planted, tmp_path), read_corpus(tmp_path)
    assert read.utterances == corpus.utterances
    assert (dict(read.classes), dict(read.ranges)) == (dict(planted.classes), dict(planted.ranges))
    assert (read.name, read.caveats) == (planted.name, " (synthetic speech)")
    np.testing.assert_array_equal(read.audio.flat, corpus.audio.flat)
    assert 0 < read.audio.flat.min() < read.audio.flat.max() < 1
    assert read.counts() == {"train": 60, "valid": 20, "test": 30}
    speakers = {(utterance.speaker, utterance.split) for utterance in read.utterances}
    assert len(speakers) == len({speaker for speaker, _ in speakers}) == 9
    assert Counter(split for _, split in speakers) == SMALL.of_split
    assert len({utterance.id for utterance in read.utterances}) == 110
    assert json.loads((tmp_path / "planted.json").read_text()) == planted.truth
    if plant is plant_votes:
        for utterance in read.utterances:
            (_, most), *rest = Counter(utterance.ratings["emotion"].values()).most_common()
            ties = bool(rest) and rest[0][1] == most
            assert ("emotion" not in utterance.labels) == ties


def table_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_the_table_of_scores_has_a_column_for_each_and_recordings_that_tell_arousal(tmp_path):
    planted = plant_scores(6, Sizes(160, 20, 60, 12))
    table = table_of(write_table(planted, tmp_path))
    assert list(table[0]) == ["utterance", "audio", "text", "speaker", "split", *DIMENSIONS]
    assert [row["utterance"] for row in table] == planted.spoken.ids
    for row, labels in zip(table, planted.labels, strict=True):
        assert {name: float(row[name]) for name in DIMENSIONS if row[name]} == labels
    frames = []
    for row in table:
        samples, rate = soundfile.read(tmp_path / row["audio"], dtype="float32")
        assert rate == planted_content.FRONTEND.sample_rate
        assert abs(samples).max() < 1
        frames.append(log_mels(torch.from_numpy(samples), planted_content.FRONTEND).mean(0).numpy())
    train, arousal = np.array([row["split"] == "train" for row in table]), planted.expected[:, 0]
    frames = np.array(frames)
    assert Ridge(0.01).fit(frames[train], arousal[train]).score(frames[~train], arousal[~train]) > 0.85


def test_the_tables_of_raters(tmp_path):
    planted = plant_scores(7, SMALL, ScorePlan(raters=2))
    table = table_of(write_table(planted, tmp_path / "scores"))
    assert list(table[0])[5:] == [f"{name}_rater_{rater}" for name in DIMENSIONS for rater in (1, 2)]
    for row, ratings in zip(table, planted.ratings, strict=True):
        assert [float(row[f"valence_rater_{rater}"]) for rater in "12"] == list(ratings["valence"].values())
        assert (row["dominance_rater_1"] == "") == ("dominance" not in ratings)
    planted = plant_votes(7, SMALL, VotePlan(raters=4))
    each = table_of(write_table(planted, tmp_path / "each"))
    counted = table_of(write_table(planted, tmp_path / "counted", "votes"))
    assert list(each[0])[5:] == ["rater_1", "rater_2", "rater_3", "rater_4"]
    assert list(counted[0])[5:] == ["votes"]
    for one, other in zip(each, counted, strict=True):
        votes = Counter(list(one.values())[5:])
        assert {name: int(number) for name, number in (part.split(":") for part in other["votes"].split("|"))} == votes


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


OPTIONS = ["--train", "60", "--valid", "20", "--test", "30", "--speakers", "9"]


@pytest.mark.parametrize("kind", ["scores", "votes"])
def test_the_tool_gives_the_same_bytes_for_the_same_seed_and_says_what_can_be_reached(tmp_path, capsys, kind):
    name = kind.upper()
    for folder, seed in (("first", "1"), ("again", "1"), ("other", "2")):
        places = ["--out", str(tmp_path / folder), "--seed", seed, "--planted", kind]
        assert main([*places, *OPTIONS]) == 0
        assert main([*places, *OPTIONS, "--recordings"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{tmp_path / 'first' / name}: written, generated data"
    assert said[2] == f"{tmp_path / 'first' / name}-TABLE: written, generated data"
    truth = json.loads((tmp_path / "first" / name / "planted.json").read_text())
    assert f"{(truth['arousal']['ccc'] if kind == 'scores' else truth['accuracy']):.3f}" in said[1]
    first, again, other = (contents(tmp_path / folder) for folder in ("first", "again", "other"))
    assert first == again
    assert first[f"{name}/utterances.jsonl"] != other[f"{name}/utterances.jsonl"]
    assert main(["--out", str(tmp_path / "first"), "--planted", kind, *OPTIONS]) == 0
    assert capsys.readouterr().out.startswith(f"{name}: already there\n")
    assert main(["--out", str(tmp_path / "first"), "--planted", kind, *OPTIONS, "--raters", "3"]) == 0
    assert "written, generated data" in capsys.readouterr().out
    assert contents(tmp_path / "first") != first


def test_data_that_were_not_generated_are_never_touched(tmp_path, capsys):
    (tmp_path / "SCORES").mkdir()
    (tmp_path / "SCORES" / "corpus.json").write_text("real")
    assert main(["--out", str(tmp_path), "--planted", "scores", *OPTIONS]) == 1
    assert "they were not generated" in capsys.readouterr().err
    assert contents(tmp_path) == {"SCORES/corpus.json": b"real"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speakers", "2"], "expected at least one utterance and one speaker for each of the splits"),
        (["--speakers", "100", "--valid", "1"], "expected at least one utterance for each speaker"),
        (["--raters", "1"], "expected no raters, or at least two"),
        (["--range", "5:1"], "expected a range from low to high"),
        (["--range", "5"], "invalid _range value"),
    ],
)
def test_sizes_that_make_no_corpus_are_refused(tmp_path, capsys, options, said):
    with pytest.raises(SystemExit, match="2"):
        main(["--out", str(tmp_path), "--planted", "scores", *OPTIONS, *options])
    assert said in capsys.readouterr().err
    assert not contents(tmp_path)


def test_noise_that_would_leave_the_range_is_refused():
    with pytest.raises(ValueError, match=r"expected less noise: numbers may reach 3\.84, and 3 is the end of a range"):
        ScorePlan(noise=dict.fromkeys(DIMENSIONS, 1.1166), speaker=0.06)
    with pytest.raises(ValueError, match="at least two raters"):
        VotePlan(raters=1)
