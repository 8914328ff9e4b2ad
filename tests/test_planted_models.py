"""Models on corpora with planted relations: what the noise and the raters allow, and what a report says of them."""

import json
from pathlib import Path

import audmetric
import numpy as np
import pytest
from commands_run import run
from planted_content import Sizes
from planted_corpora import plant_scores, plant_votes, write_planted

from sertool.core.files import artifacts
from sertool.core.metrics import Jackknife, clusters_of
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.distributions import distribution_differences, distribution_figures
from sertool.core.recipe.load import resolved, validate
from sertool.core.runs.prediction_files import read_set

pytestmark = pytest.mark.slow

SIZES = Sizes(train=1200, valid=1200, test=2000, speakers=60)
CONTENT = {
    "about": "a planted corpus",
    "dataset": {"max_text_length": 12, "max_audio_length": 32, "standardize": "corpus"},
    "splits": {"scheme": "corpus"},
    "model": {
        **{"hidden_size": 32, "ffn_size": 64, "num_heads": 2, "num_layers": 1, "embedding_size": 64},
        **{"dropout_input": 0.1, "dropout_residual": 0.1, "dropout_output": 0.2},
    },
    "training": {
        **{"runs": 2, "batch_size": 32, "max_epochs": 4, "learning_rate": 2e-3, "optimizer": "adamw"},
        **{"weight_decay": 0.01, "schedule": "onecycle", "patience": None, "clip_norm": 1.0, "precision": "fp32"},
    },
}


def trained(name, dataset, **training):
    """Train a run on a corpus below ``data``, and store its predictions on valid and test; return those on test."""
    content = {**CONTENT, "name": name, "dataset": {**CONTENT["dataset"], **dataset}}
    content["training"] = {**CONTENT["training"], **training}
    artifacts.write_text(Path(f"{name}.yaml"), resolved(validate(content, name)))
    for words in (
        ("train", "--recipe", f"{name}.yaml"),
        ("ensemble", "--name", name, "--split", "valid,test", "--json", f"{name}.json"),
    ):
        result = run(*words)
        assert result.exit_code == 0, result.output
    return read_set(Path("ckpt") / name, "test")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A planted corpus of scores in the working folder, and what its noise allows."""
    folder = tmp_path_factory.mktemp("scored")
    planted = plant_scores(sizes=SIZES)
    write_planted(planted, folder / "data" / planted.name)
    return folder, planted


def test_a_model_reaches_what_the_noise_allows_and_its_intervals_cover(scored, monkeypatch):
    """90 % of the reachable CCC of each score; intervals of 90 % on 2,000 utterances of unheard speakers."""
    folder, planted = scored
    monkeypatch.chdir(folder)
    dataset = {"path": planted.name, "target": "scores"}
    own = trained("mixed", dataset, loss={"ccc": 1.0, "mse": 0.2}, select="ccc").predictions
    values = own.ensemble_logits(2)
    stored = json.loads(Path("mixed.json").read_text())["sets"]["test"]
    assert own.targets.shape == (2000, 3)
    for place, name in enumerate(own.classes):
        known = ~np.isnan(own.targets[:, place])
        reached = audmetric.concordance_cc(own.targets[known, place], values[known, place])
        assert stored["scores"][name]["ccc"] == pytest.approx(reached, abs=1e-6)
        assert reached >= 0.9 * planted.truth[name]["ccc"]
        half = artifacts.read_json(Path("ckpt/mixed/intervals.json"))["half"][place]
        covered = np.mean(np.abs(own.targets[known, place] - values[known, place]) <= half)
        assert 0.87 <= covered <= 0.93


def test_a_report_names_a_model_of_the_mean(scored, monkeypatch):
    """Words tell nothing of arousal, so a model of words gives its mean."""
    folder, planted = scored
    monkeypatch.chdir(folder)
    dataset = {"path": planted.name, "target": "scores", "task": "arousal", "modalities": ["text"]}
    trained("words", dataset, loss="mse", select="mae")
    result = run("report", "--name", "words")
    assert result.exit_code == 0, result.output
    assert "[predicts-the-mean]" in result.output


def test_soft_targets_beat_majority_labels_in_cross_entropy(tmp_path, monkeypatch):
    """Paired over speakers, on the same utterances; no model has less than the entropy of the planted shares."""
    monkeypatch.chdir(tmp_path)
    planted = plant_votes(sizes=Sizes(train=1200, valid=400, test=1000, speakers=60))
    write_planted(planted, tmp_path / "data" / planted.name)
    own = {
        labels: trained(labels, {"path": planted.name, "labels": labels}, select="accuracy", max_epochs=5)
        for labels in ("soft", "majority")
    }
    soft, majority = own["soft"].predictions, own["majority"].predictions
    assert soft.ids == majority.ids
    np.testing.assert_array_equal(soft.targets, majority.targets)
    said = [probabilities(one.ensemble_logits(2), "single") for one in (majority, soft)]
    jackknife = Jackknife(clusters_of(own["soft"].spoken))
    found = distribution_differences(soft.votes, *said, jackknife)["cross_entropy"]
    assert found.high < 0
    assert found.p < 0.001
    lowest = planted.truth["cross_entropy"]
    reached = distribution_figures(soft.votes, said[1])["cross_entropy"]
    assert 0.97 * lowest < reached < 1.1 * lowest
    stored = json.loads(Path("soft.json").read_text())["sets"]["test"]["distribution"]
    assert stored["cross_entropy"] == pytest.approx(reached, abs=1e-6)
    assert stored["ceiling"] == pytest.approx(planted.truth["ceiling"], abs=0.03)
