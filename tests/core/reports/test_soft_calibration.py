"""A model of raters' votes has no temperature, and is not called miscalibrated: it estimates shares of raters."""

from dataclasses import replace

import pytest
from scipy.special import softmax
from scored_sets import make_voted_set
from stored_sets import make_origin, only, write_run

from sertool.core.metrics.distributions import cross_entropy
from sertool.core.runs.temperature import SHARES


def reported(tmp_path, rule):
    # Sharper than the votes, so that a majority model is overconfident and gets a temperature.
    sets = [replace(make_voted_set(name), origin=make_origin(rule=rule)) for name in ("test", "valid")]
    sharp = [
        replace(one, predictions=replace(one.predictions, logits=3 * one.predictions.logits.astype("float32")))
        for one in sets
    ]
    write_run(tmp_path / rule, *sharp, calibrated=False)
    return only(tmp_path), sharp[0].predictions


def test_shares_of_raters_get_no_temperature_and_no_test(tmp_path):
    run, own = reported(tmp_path, "votes")
    row = run.sets["test"].calibration
    assert (row.temperature, row.p, row.uncalibrated) == (None, None, SHARES)
    assert run.provenance["calibration"] == f"uncalibrated: {SHARES}"
    assert "miscalibrated" not in {one.name for one in run.findings}
    shares = run.sets["test"].votes.metrics["cross_entropy"].value
    assert shares == pytest.approx(
        cross_entropy(own.votes, softmax(own.ensemble_logits(3).astype(float), axis=1)).mean()
    )


def test_the_same_probabilities_of_a_majority_model_do(tmp_path):
    run, _ = reported(tmp_path, "name")
    row = run.sets["test"].calibration
    assert row.temperature > 1
    assert row.p is not None
