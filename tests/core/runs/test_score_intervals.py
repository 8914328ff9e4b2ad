"""The intervals of a run's scores in their file, and what stored predictions hold of scores and raters alone."""

import json

import numpy as np
import pytest
from builders import CPU
from scored_corpora import scored_corpus, voted_corpus, write_scored, write_voted

from sertool.core.corpora.corpus import Corpus
from sertool.core.errors import DataError
from sertool.core.inference.ensemble import open_ensemble
from sertool.core.inference.evaluate import Evaluation, evaluate
from sertool.core.metrics.conformal import Intervals
from sertool.core.recipe.load import load
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.prediction_files import read_set
from sertool.core.runs.score_intervals import read_intervals, write_intervals
from sertool.core.runs.train import train_recipe

STORED = Intervals(
    level=0.9,
    half=(0.5, None),
    set="valid",
    utterances=12,
    members=("run-2", "run-1"),
    names=("valence", "arousal"),
    reasons=("", "4 validation utterances have this score: intervals of 90 % need 9"),
    note="few",
)


def evaluated(here, *sets: str, k: int | None = None, changes: list[str] | None = None) -> Evaluation:
    """Train the recipe tiny.yaml and evaluate it."""
    data, output = here / "data", here / "ckpt"
    experiment = open_experiment(load(str(here / "tiny.yaml"), changes), data)
    list(train_recipe(plan_training(experiment, output / "tiny", [1, 2], None, CPU), data, CPU))
    return evaluate(open_ensemble("tiny", output, data), sets, k, CPU)


def test_what_is_written_is_read(tmp_path):
    assert read_intervals(tmp_path) is None
    write_intervals(tmp_path, STORED)
    assert read_intervals(tmp_path) == STORED
    content = json.loads((tmp_path / "intervals.json").read_text())
    assert (content["format"], content["half"]) == ("sertool-intervals/1", [0.5, None])
    assert STORED.fits(["run-2", "run-1"])
    assert not STORED.fits(["run-1", "run-2"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": "other/1"}, 'format: expected sertool-intervals/1 (got "other/1")'),
        ({"level": 2}, "level: must be at most 0.999 (got 2)"),
        ({"half": [-1.0, None]}, "half[0]: must be at least 0 (got -1.0)"),
        ({"half": [1.0]}, "names: 2 for 1 widths and 2 reasons"),
        ({"members": 5}, "members: expected a list (got 5)"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, text):
    write_intervals(tmp_path, STORED)
    path = tmp_path / "intervals.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError) as raised:
        read_intervals(tmp_path)
    assert str(raised.value).startswith(f"{path}: {text}")


def test_half_widths_are_quantiles_of_the_averaged_members_residuals_on_validation(tmp_path):
    write_scored(tmp_path, scored_corpus(raters=3))
    found = evaluated(tmp_path, "valid", "test", k=2)
    [valid, test] = found.results
    assert read_intervals(tmp_path / "ckpt/tiny") == found.intervals
    assert found.intervals.members == tuple(member.name for member in valid.members)
    for place, half in enumerate(found.intervals.half):
        true = valid.targets[:, place]
        residuals = np.abs(true - valid.logits.mean(0)[:, place])[~np.isnan(true)]
        n = len(residuals)
        assert half == pytest.approx(sorted(residuals)[int(np.ceil((n + 1) * 0.9)) - 1])
    assert np.isnan(valid.targets[:, 1]).any()  # so the second score has fewer residuals
    stored = read_set(tmp_path / "ckpt/tiny", "test")
    assert (stored.predictions.ceilings, stored.predictions.members) == (test.ceilings, test.members)
    assert set(test.ceilings) == {"valence", "arousal"}
    train = [one.labels for one in scored_corpus(raters=3).utterances if one.split == "train"]
    means = [np.mean([own[name] for own in train if name in own]) for name in ("valence", "arousal")]
    assert stored.origin.train_means == pytest.approx(means)


def test_in_cross_validation_residuals_of_all_folds_are_pooled(tmp_path):
    write_scored(tmp_path)
    found = evaluated(tmp_path, "test", k=2, changes=["splits.scheme=folds", "splits.folds=3"])
    assert found.intervals.utterances == len(read_set(tmp_path / "ckpt/tiny", "valid").predictions.ids) == 120
    assert len(found.intervals.members) == 2 * 3


def test_intervals_are_never_fitted_on_test(tmp_path):
    write_scored(tmp_path)
    found = evaluated(tmp_path, "test", changes=["protocol=paper", "splits.valid=test"])
    assert found.intervals is None
    assert found.no_intervals == "validation is the test split here, and intervals are never fitted on test"
    assert not (tmp_path / "ckpt/tiny/intervals.json").exists()


def test_votes_have_a_ceiling_and_no_intervals(tmp_path):
    corpus = voted_corpus()
    write_voted(tmp_path, corpus)
    found = evaluated(tmp_path, "test")
    assert (found.intervals, found.no_intervals) == (None, "")
    ceiling = found.results[0].ceilings["emotion"]
    assert ceiling["accuracy"].value == pytest.approx(right_alone(corpus))
    assert read_set(tmp_path / "ckpt/tiny", "test").predictions.ceilings["emotion"] == ceiling


def right_alone(corpus: Corpus) -> float:
    """Compute how often a rater of the test set chooses what most of the others chose, where these do not tie."""
    right, asked = 0.0, 0.0
    for one in corpus.utterances:
        votes = list(one.ratings["emotion"].values()) if one.split == "test" else []
        for place, vote in enumerate(votes):
            others = votes[:place] + votes[place + 1 :]
            counts = sorted((others.count(name) for name in set(others)), reverse=True)
            if len(counts) == 1 or counts[0] > counts[1]:
                asked += 1
                right += others.count(vote) == counts[0]
    return right / asked
