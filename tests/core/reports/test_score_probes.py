"""Probes and clusters of a task of scores: by how much the CCC falls, and the verdict on both modalities."""

import math

import audmetric
import numpy as np
import pytest
from scored_sets import make_score_set
from stored_sets import changed

from sertool.core.reports.details import Details, details_of
from sertool.core.reports.probes import ORDER

BOTH = ("text", "audio")


def exchanged(stored):
    """Predictions of other utterances."""
    return np.roll(stored.predictions.logits, 7, axis=1)


def judged(stored, k=3, **probes) -> Details:
    as_it_is = stored.predictions.logits
    logits = {name: probes.get(name.replace(" ", "_"), as_it_is) for name in ORDER}
    return details_of(stored.predictions, stored.spoken, logits, k, BOTH, 1)


def mean_ccc(own, values) -> float:
    known = ~np.isnan(own.targets)
    each = [
        audmetric.concordance_cc(own.targets[rows, place], values[rows, place]) for place, rows in enumerate(known.T)
    ]
    return float(np.mean(each))


def test_the_fall_is_that_of_the_mean_ccc(tmp_path):
    stored = make_score_set(missing=5)
    own, other = stored.predictions, exchanged(stored)
    found = judged(stored, text_masked=other, text_shuffled=other)
    intact, probed = (mean_ccc(own, one.mean(0)) for one in (own.logits, other))
    rows = {row.name: row for row in found.probes}
    assert list(rows) == list(ORDER[:4])  # there are no dialogues
    assert rows["text shuffled"].drop.value == pytest.approx(intact - probed, abs=1e-6)
    assert rows["text shuffled"].metrics["ccc"].value == pytest.approx(probed, abs=1e-6)
    mae = np.nanmean(np.abs(own.targets - other.mean(0)), 0).mean()
    assert rows["text shuffled"].metrics["mae"].value == pytest.approx(mae)
    assert rows["text shuffled"].drop.low > 0.5
    assert rows["audio shuffled"].drop.value == 0
    assert (found.use.text, found.use.audio) == ("used", "ignored")
    assert found.use.sentence == (
        "it uses the text and ignores the audio: with the audio of other utterances the CCC stays at "
        f"{intact:.3f} ({intact:.3f} as it is), and the 95 % interval excludes a fall of 0.02"
    )
    assert found.by_cluster == ()


def test_a_probe_is_cut_to_the_range_where_predictions_are():
    stored = changed(make_score_set(members=1), clip=True)
    own = stored.predictions
    far = own.logits + 100
    found = judged(stored, k=1, text_shuffled=far)
    low, high = np.array(own.ranges).T
    errors = np.abs(own.targets - far[0].clip(low, high)).mean(0)
    assert found.probes[1].metrics["mae"].value == pytest.approx(errors.mean(), rel=1e-5)


def test_an_uncertain_fall_is_told_in_units_of_the_ccc():
    stored = make_score_set(number=60, noise=0.3)
    own = stored.predictions
    other = own.logits.copy()
    other[:, :3] = exchanged(stored)[:, :3]
    sentence = judged(stored, text_shuffled=exchanged(stored), audio_shuffled=other).use.sentence
    fall = mean_ccc(own, own.logits.mean(0)) - mean_ccc(own, other.mean(0))
    verb = "falls" if fall >= 0 else "rises"
    assert (
        f"with the audio of other utterances the CCC {verb} by {abs(fall):.3f} (95 % interval of the fall" in sentence
    )
    assert "points" not in sentence


def test_few_speakers_are_judged_one_by_one():
    stored = make_score_set(speakers=3, missing=4)
    own, other = stored.predictions, exchanged(stored)
    found = judged(stored, text_shuffled=other)
    assert found.use.sentence.endswith(
        "; the CCC falls for 3 of 3 speakers with the text of other utterances, for 0 with their audio"
    )
    assert [row.name for row in found.by_cluster] == ["test-0", "test-1", "test-2"]
    for place, row in enumerate(found.by_cluster):
        rows = np.arange(400) % 3 == place
        assert (row.utterances, math.isnan(row.accuracy)) == (rows.sum(), True)
        part = changed(stored, targets=own.targets[rows]).predictions
        assert row.scores["ccc"] == pytest.approx(mean_ccc(part, own.logits.mean(0)[rows]), abs=1e-6)
        fall = row.scores["ccc"] - mean_ccc(part, other.mean(0)[rows])
        assert found.probes[1].by_cluster[row.name] == pytest.approx(fall, abs=1e-6)
