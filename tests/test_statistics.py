"""The cluster bootstrap against a naive one, and whether its intervals cover the truth."""

import numpy as np
import pytest

from sertool.core.metrics import uar
from sertool.core.statistics import Interval, uar_interval


def sample(draw, speakers, each, number=3, spread=0.0):
    """Utterances of speakers who are recognised more or less well, by ``spread``."""
    targets, predictions, names = [], [], []
    for speaker in range(speakers):
        right = np.clip(0.6 + spread * draw.standard_normal(), 0.0, 1.0)
        own = draw.integers(0, number, each)
        wrong = (own + draw.integers(1, number, each)) % number
        targets.append(own)
        predictions.append(np.where(draw.random(each) < right, own, wrong))
        names += [f"speaker{speaker}"] * each
    return np.concatenate(targets), np.concatenate(predictions), names


def naive_interval(targets, predictions, number, names, resamples, seed):
    """Speakers drawn with replacement, one resample at a time."""
    draw, speakers = np.random.default_rng(seed), sorted(set(names))
    places = {name: np.flatnonzero(np.array(names) == name) for name in speakers}
    values = []
    for _ in range(resamples):
        rows = np.concatenate([places[name] for name in draw.choice(speakers, len(speakers))])
        values.append(uar(targets[rows], predictions[rows], number))
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize(("speakers", "each"), [(6, 12), (12, 5), (30, 1)])
def test_it_is_the_naive_bootstrap(speakers, each):
    case = sample(np.random.default_rng(speakers), speakers, each, spread=0.2)
    found = uar_interval(case[0], case[1], 3, case[2], resamples=8000)
    wanted = naive_interval(case[0], case[1], 3, case[2], 3000, seed=9)
    np.testing.assert_allclose([found.low, found.high], wanted, atol=0.02)
    assert (found.unit, found.clusters) == ("speaker", speakers)


def test_speakers_that_differ_widen_the_interval():
    targets, predictions, names = sample(np.random.default_rng(3), 10, 50, spread=0.25)
    by_speaker = uar_interval(targets, predictions, 3, names)
    by_utterance = uar_interval(targets, predictions, 3, None)
    assert by_utterance.unit == "utterance"
    assert by_utterance.clusters == 500
    assert by_speaker.high - by_speaker.low > 2 * (by_utterance.high - by_utterance.low)
    assert by_speaker.low < uar(targets, predictions, 3) < by_speaker.high


def test_the_interval_is_the_seeds():
    case = sample(np.random.default_rng(1), 8, 10, spread=0.2)
    one, same, other = (uar_interval(case[0], case[1], 3, case[2], seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_one_speaker_tells_nothing_of_others():
    targets, predictions, names = sample(np.random.default_rng(1), 1, 20)
    value = uar(targets, predictions, 3)
    assert uar_interval(targets, predictions, 3, names) == Interval(value, value, "speaker", 1)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """The truth: the UAR of endlessly many such speakers. Percentile intervals of 20 clusters are a little narrow."""
    truth = np.clip(0.6 + 0.15 * np.random.default_rng(0).standard_normal(1_000_000), 0, 1).mean()
    covered = narrow = 0
    trials = 100
    for trial in range(trials):
        case = sample(np.random.default_rng(1000 + trial), 20, 30, spread=0.15)
        interval = uar_interval(case[0], case[1], 3, case[2], resamples=500)
        covered += interval.low <= truth <= interval.high
        utterances = uar_interval(case[0], case[1], 3, None, resamples=500)
        narrow += utterances.low <= truth <= utterances.high
    assert 0.88 <= covered / trials <= 0.99
    assert narrow / trials < 0.8, "utterances resampled as if independent should cover too rarely"
