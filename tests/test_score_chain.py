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
from bundle_running import run_alone
from scipy.special import softmax
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
        folder: folder of the table that it began with.
        table: its rows, by utterance.
        said: standard output of each command, by its name and that of the run.
        written: JSON that it wrote, by the same key.
        told: rows of `ensemble --csv`, by run, set and utterance.
    """

    folder: Path
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
        self.run("report", name, "--name", name)
        for row in rows_of(f"{name}.csv"):
            self.told.setdefault((name, row["set"]), {})[row["utterance"]] = row

    def finish(self, name: str) -> None:
        """Predict the test utterances as new recordings, and the first of them with the exported bundle, too."""
        asked = [row for row in self.table.values() if row["split"] == "test"]
        with Path("asked.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["utterance", "audio", "text"], extrasaction="ignore")
            writer.writeheader()
            writer.writerows({**row, "audio": f"{self.folder}/{row['audio']}"} for row in asked)
        self.run("predict", name, "--name", name, "--table", "asked.csv")
        sertool("export", "--name", name, "--out", "bundle", "--with-frontend")
        row = asked[0]
        done = run_alone(
            Path("bundle").resolve(), f"{self.folder}/{row['audio']}", "--text", row["text"], "--json", "run.json"
        )
        assert done.returncode == 0, done.stderr
        self.said["run.py", name] = done.stdout
        self.written["run.py", name] = json.loads(Path("run.json").read_text())


def rows_of(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def begun(kind: str, *options: str) -> Chain:
    """Write a planted table with WAV files, and make a corpus of it."""
    folder = Path(f"made/{kind.upper()}-TABLE").resolve()
    assert not synthetic_corpora.main(["--planted", kind, "--recordings", "--out", "made", *SIZES, *options])
    chain = Chain(folder, {row["utterance"]: row for row in rows_of(folder / "table.csv")})
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
        chain.run("compare", "losses", "of-mse", "of-ccc")
        chain.finish("of-ccc")
        yield chain


@pytest.fixture(scope="module")
def votes(tmp_path_factory) -> Iterator[Chain]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("votes"))
        chain = begun("votes", "--counted")
        chain.train("majority", "custom", "dataset.path=corpus")
        chain.train("soft", "custom", "dataset.path=corpus", "dataset.labels=soft")
        chain.run("compare", "labels", "majority", "soft", "--metric", "accuracy,cross_entropy,jsd")
        chain.finish("soft")
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


def test_a_comparison_of_losses_has_the_figures_of_both(scores):
    (pair,) = scores.written["compare", "losses"]["pairs"]
    assert [row["metric"] for row in pair["metrics"]] == ["ccc"] * 4 + ["mae"] * 4
    of_mse, of_ccc = (scores.written["ensemble", name]["sets"]["test"] for name in ("of-mse", "of-ccc"))
    for row in pair["metrics"]:
        a, b = ((one["scores"][row["score"]] if row["score"] else one)[row["metric"]] for one in (of_mse, of_ccc))
        assert (row["a"], row["b"]) == (pytest.approx(a), pytest.approx(b))
        difference = row["difference"]
        assert difference["value"] == pytest.approx(b - a)
        assert difference["low"] <= difference["value"] <= difference["high"]
        assert (difference["p"] < 0.05) == (not difference["low"] <= 0 <= difference["high"])
    assert (pair["unit"], pair["clusters"]) == ("speaker", 6)


def test_new_recordings_get_the_scores_of_the_corpus_with_intervals(scores):
    told, half = scores.told["of-ccc", "test"], scores.written["ensemble", "of-ccc"]["intervals"]["half_widths"]
    predicted = scores.written["predict", "of-ccc"]["predictions"]
    assert {one["id"] for one in predicted} == set(told)
    for one in predicted:
        for dimension in DIMENSIONS:
            score = one["scores"][dimension]
            assert score == pytest.approx(float(told[one["id"]][f"predicted_{dimension}"]), abs=1e-4)
            low, high = one["intervals"][dimension]
            assert (score - low, high - score) == pytest.approx((half[dimension], half[dimension]))
    shown = scores.said["predict", "of-ccc"]
    assert f"{predicted[0]['id']}" in shown
    assert f"{predicted[0]['scores']['valence']:.2f}" in shown


def test_the_bundle_of_scores_predicts_what_predict_does(scores):
    (own,) = scores.written["run.py", "of-ccc"]["predictions"]
    wanted = scores.written["predict", "of-ccc"]["predictions"][0]
    assert own["scores"] == pytest.approx(wanted["scores"], abs=1e-3)
    for dimension in DIMENSIONS:
        assert own["intervals"][dimension] == pytest.approx(wanted["intervals"][dimension], abs=1e-3)
    low, high = own["intervals"]["arousal"]
    assert f"arousal {own['scores']['arousal']:.2f} ({low:.2f} to {high:.2f})" in scores.said["run.py", "of-ccc"]
    card = Path("bundle/README.md").read_text()
    assert "arousal 1 to 5, valence 1 to 5, dominance 1 to 5; not cut to these ranges" in card
    assert "| raters | arousal: 3 for each of 350 utterances, Krippendorff's alpha 0." in card
    ccc = scores.written["ensemble", "of-ccc"]["sets"]["test"]["scores"]["valence"]["ccc"]
    assert f"{ccc:.3f} (" in next(line for line in card.splitlines() if line.startswith("| CCC |"))
    assert "`labels.json`: the scores," in card


def vote_pairs(chain: Chain, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Votes and probabilities of the test utterances, (N, C) both: those whose raters do not tie."""
    temperature = chain.written["ensemble", name]["calibration"]["temperature"] or 1.0
    votes, shares = [], []
    for id_, row in chain.told[name, "test"].items():
        counted = dict(one.split(":") for one in chain.table[id_]["votes"].split("|"))
        votes.append([int(counted.get(label, 0)) / 5 for label in CLASSES])
        shares.append(probabilities(row, temperature))
    return np.array(votes), np.array(shares)


def probabilities(row: dict[str, str], temperature: float = 1.0) -> np.ndarray:
    return softmax([float(row[f"logit_{label}"]) / temperature for label in CLASSES])


def test_ties_have_no_majority_and_train_on_votes(votes):
    counts = [sorted(int(one.split(":")[1]) for one in row["votes"].split("|")) for row in votes.table.values()]
    tied = sum(len(own) > 1 and own[-1] == own[-2] for own in counts)
    assert tied > 20
    own = votes.written["prepare", "votes"]
    assert own["agreement"]["emotion"]["ties"] == tied
    assert sum(own["tasks"]["emotion"]["labelled"].values()) == len(counts) - tied
    for split in ("valid", "test"):
        assert votes.told["soft", split].keys() == votes.told["majority", split].keys()


@pytest.mark.parametrize("name", ["majority", "soft"])
def test_figures_beside_votes_are_those_of_the_formulas(votes, name):
    own = votes.written["ensemble", name]["sets"]["test"]
    of_raters, shares = vote_pairs(votes, name)
    assert own["distribution"]["cross_entropy"] == pytest.approx(-(of_raters * np.log(shares)).sum(1).mean(), rel=1e-4)
    middle = (of_raters + shares) / 2
    divergence = (relative(of_raters, middle) + relative(shares, middle)) / 2
    assert own["distribution"]["jsd"] == pytest.approx(divergence.mean(), rel=1e-4)
    truth, said = of_raters.argmax(1), shares.argmax(1)
    assert own["accuracy"] == own["distribution"]["accuracy"] == pytest.approx((truth == said).mean())
    assert own["uar"] == pytest.approx(audmetric.unweighted_average_recall(truth, said))
    assert own["accuracy"] > 0.5


def relative(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The Kullback-Leibler divergence of each row, in bits."""
    return np.where(p > 0, p * np.log2(np.where(p > 0, p, 1) / q), 0).sum(1)


def test_the_ceiling_is_how_often_one_rater_says_what_most_others_say(votes):
    right = judged = 0
    # Of all test utterances: those whose raters tie have no label, and leaving them out would leave the easy ones.
    for row in (row for row in votes.table.values() if row["split"] == "test"):
        said = [
            name for one in row["votes"].split("|") for name, number in [one.split(":")] for _ in range(int(number))
        ]
        for place, own in enumerate(said):
            others = said[:place] + said[place + 1 :]
            best = sorted(((others.count(name), name) for name in CLASSES), reverse=True)
            if best[0][0] > best[1][0]:
                judged += 1
                right += own == best[0][1]
    own = votes.written["ensemble", "soft"]["sets"]["test"]["distribution"]
    assert own["ceiling"] == pytest.approx(right / judged)
    assert own["accuracy"] > own["ceiling"]  # it learns from five raters
    (line,) = (
        line for line in votes.said["ensemble", "soft"].splitlines() if f"ceiling of {100 * right / judged:.2f}" in line
    )
    assert line.startswith(f"accuracy {100 * own['accuracy']:.2f}, above the")


@pytest.mark.parametrize("name", ["majority", "soft"])
def test_a_report_beside_votes_has_the_figures_of_ensemble(votes, name):
    (run,) = votes.written["report", name]["runs"]
    own, wanted = run["sets"]["test"], votes.written["ensemble", name]["sets"]["test"]
    assert own["metrics"]["uar"]["value"] == wanted["uar"]
    for key in ("cross_entropy", "jsd"):
        assert own["votes"]["metrics"][key]["value"] == pytest.approx(wanted["distribution"][key], rel=1e-9)
    assert own["votes"]["ceilings"]["accuracy"]["value"] == wanted["distribution"]["ceiling"]


def test_a_comparison_of_labels_has_the_figures_of_both(votes):
    (pair,) = votes.written["compare", "labels"]["pairs"]
    rows = {row["metric"]: row for row in pair["metrics"]}
    assert list(rows) == ["accuracy", "cross_entropy", "jsd"]
    for key, row in rows.items():
        a, b = (votes.written["ensemble", name]["sets"]["test"]["distribution"][key] for name in ("majority", "soft"))
        assert (row["a"], row["b"]) == (pytest.approx(a), pytest.approx(b))
    assert pair["notes"] == ["majority learnt the majority label, soft learnt the shares of the raters"]


def test_new_recordings_get_the_shares_of_the_corpus(votes):
    own = votes.written["predict", "soft"]
    assert "shares of the raters" in own["uncalibrated"]
    told = votes.told["soft", "test"]
    predicted = {one["id"]: one for one in own["predictions"]}
    assert len(predicted) == 100  # those whose raters tie, too
    for id_, row in told.items():
        wanted = dict(zip(CLASSES, probabilities(row), strict=True))
        assert predicted[id_]["probabilities"] == pytest.approx(wanted, abs=1e-4)
        assert predicted[id_]["label"] == row["predicted"]


def test_the_bundle_of_votes_predicts_what_predict_does(votes):
    (own,) = votes.written["run.py", "soft"]["predictions"]
    wanted = votes.written["predict", "soft"]["predictions"][0]
    assert own["label"] == wanted["label"]
    assert own["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-3)
    card = Path("bundle/README.md").read_text()
    assert "the share of raters that choose each of angry, happy, neutral, sad" in card
    assert "| raters | 5 for each of 350 utterances, Krippendorff's alpha 0." in card
