"""From a table of three scores, or of raters' votes, to a bundle that runs without PyTorch: each command by itself.

The figures that the commands show are computed again here, with audmetric and scikit-learn or from their formula, from
the table and the predictions that `ensemble --csv` writes.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import audmetric
import numpy as np
import pytest
import synthetic_corpora
from sklearn import metrics as sklearn
from typer.testing import CliRunner

from sertool.cli import app

pytestmark = pytest.mark.slow

SIZES = ["--train", "260", "--valid", "90", "--test", "100", "--speakers", "28"]
SMALL = ["model.hidden_size=32", "model.ffn_size=64", "model.num_layers=1", "model.num_heads=2", "training.runs=2"]
SMALL += ["training.max_epochs=10", "training.learning_rate=0.005"]
DIMENSIONS = ("arousal", "valence", "dominance")
CLASSES = ("angry", "happy", "neutral", "sad")


def sertool(*arguments: str) -> str:
    """Run a command; return what it writes to standard output."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


@dataclass
class Chain:
    """What a chain of commands said and wrote.

    Attributes:
        table: rows of the table that it began with.
        said: standard output of each command, by its name and that of the run.
        written: JSON that it wrote, by the same key.
        told: rows of `ensemble --csv`, by run, set and utterance.
    """

    table: dict[str, dict[str, str]]
    said: dict[tuple[str, str], str] = field(default_factory=dict)
    written: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    told: dict[tuple[str, str], dict[str, dict[str, str]]] = field(default_factory=dict)

    def run(self, command: str, name: str, *arguments: str) -> None:
        """Run a command that writes JSON, and keep what it says."""
        path = Path(f"{command}-{name}.json")
        self.said[command, name] = sertool(command, *arguments, "--json", str(path))
        self.written[command, name] = json.loads(path.read_text())

    def train(self, name: str, recipe: str, *changes: str) -> None:
        """Train a run and evaluate it."""
        settings = [word for one in (*SMALL, *changes) for word in ("--set", one)]
        sertool("train", "--recipe", recipe, "--name", name, *settings)
        self.run("ensemble", name, "--name", name, "--split", "valid,test", "--csv", f"{name}.csv")
        for row in rows_of(f"{name}.csv"):
            self.told.setdefault((name, row["set"]), {})[row["utterance"]] = row


def rows_of(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def begun(kind: str, *options: str) -> Chain:
    """Write a planted table with WAV files, and prepare it."""
    folder = f"made/{kind.upper()}-TABLE"
    assert not synthetic_corpora.main(["--planted", kind, "--recordings", "--out", "made", *SIZES, *options])
    chain = Chain({row["utterance"]: row for row in rows_of(f"{folder}/table.csv")})
    ranges = ["--range", "1:5"] if kind == "scores" else []
    chain.run("prepare", kind, f"{folder}/table.csv", "--out", "corpus", "--workers", "1", *ranges)
    return chain


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> Iterator[Chain]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("scores"))
        chain = begun("scores", "--raters", "3")
        chain.train("of-ccc", "custom-scores", "dataset.path=corpus", "training.loss=ccc")
        chain.train("of-mse", "custom-scores", "dataset.path=corpus", "training.loss=mse")
        for name in ("of-ccc", "of-mse"):
            chain.run("report", name, "--name", name)
        yield chain


def score_pairs(chain: Chain, name: str, split: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """True and predicted scores by dimension, without those that are missing; true ones are means of three raters."""
    pairs = {}
    for dimension in DIMENSIONS:
        true, told = [], []
        for id_, row in chain.told[name, split].items():
            said = [chain.table[id_][f"{dimension}_rater_{rater}"] for rater in (1, 2, 3)]
            if said[0]:
                true.append(np.mean([float(one) for one in said]))
                told.append(float(row[f"predicted_{dimension}"]))
        pairs[dimension] = np.array(true), np.array(told)
    return pairs


def figures(true: np.ndarray, told: np.ndarray) -> dict[str, float]:
    return {
        "ccc": audmetric.concordance_cc(true, told),
        "pearson": audmetric.pearson_cc(true, told),
        "mae": audmetric.mean_absolute_error(true, told),
        "rmse": np.sqrt(audmetric.mean_squared_error(true, told)),
        "r2": sklearn.r2_score(true, told),
    }


def test_prepare_tells_the_scores_and_how_far_raters_agree(scores):
    said, written = scores.said["prepare", "scores"], scores.written["prepare", "scores"]
    assert "next: sertool train --recipe custom-scores --name corpus --set dataset.path=corpus" in said
    assert set(written["agreement"]) == set(DIMENSIONS)
    truth = json.loads(Path("made/SCORES-TABLE/planted.json").read_text())
    for dimension in DIMENSIONS:
        ceiling = written["agreement"][dimension]["ceilings"]["ccc"]
        assert ceiling["low"] <= truth[dimension]["rater_ccc"] <= ceiling["high"], dimension


@pytest.mark.parametrize("name", ["of-ccc", "of-mse"])
@pytest.mark.parametrize("split", ["valid", "test"])
def test_figures_of_scores_are_those_of_other_packages(scores, name, split):
    own = scores.written["ensemble", name]["sets"][split]
    wanted = {dimension: figures(*pair) for dimension, pair in score_pairs(scores, name, split).items()}
    for dimension, of_scores in wanted.items():
        assert own["scores"][dimension] == pytest.approx(of_scores, abs=1e-5), dimension
        assert own["scores"][dimension]["ccc"] > 0.5
    for key in ("ccc", "pearson", "mae", "rmse", "r2"):
        assert own[key] == pytest.approx(np.mean([one[key] for one in wanted.values()]), abs=1e-5)


def test_intervals_come_from_the_residuals_of_validation(scores):
    own = scores.written["ensemble", "of-ccc"]["intervals"]
    residuals = {
        split: {name: np.abs(true - told) for name, (true, told) in score_pairs(scores, "of-ccc", split).items()}
        for split in ("valid", "test")
    }
    for dimension, half in own["half_widths"].items():
        fitted = np.sort(residuals["valid"][dimension])
        rank = int(np.ceil(0.9 * (len(fitted) + 1)))
        assert half == pytest.approx(fitted[rank - 1], abs=1e-5)
        covered = (residuals["test"][dimension] <= half).mean()
        assert own["coverage"]["test"][dimension]["value"] == pytest.approx(covered, abs=1e-9)


@pytest.mark.parametrize("name", ["of-ccc", "of-mse"])
def test_a_report_of_scores_has_the_figures_of_ensemble(scores, name):
    (run,) = scores.written["report", name]["runs"]
    for split, wanted in scores.written["ensemble", name]["sets"].items():
        own = run["sets"][split]
        assert own["metrics"]["ccc"]["value"] == wanted["ccc"]
        assert {one["name"] for one in own["dimensions"]} == set(DIMENSIONS)
        for one in own["dimensions"]:
            values = {key: estimate["value"] for key, estimate in one["metrics"].items()}
            assert values == pytest.approx(wanted["scores"][one["name"]], rel=1e-12)
