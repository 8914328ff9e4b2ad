"""``sertool ensemble`` of scores and of raters' votes: every figure against numpy, audmetric or scikit-learn."""

import csv
import json
import re
from pathlib import Path

import audmetric
import jsonschema
import numpy as np
import pytest
from commands_run import run
from json_results import schemas
from scored_corpora import scored_corpus, voted_corpus, write_scored, write_voted
from sklearn.metrics import accuracy_score, f1_score, r2_score

from sertool.core.files import artifacts
from sertool.core.runs.prediction_files import read_set

EVALUATION = jsonschema.Draft202012Validator(schemas()["sertool-evaluation/1"])


def trained(*words: str) -> None:
    done = run("train", "--recipe", "tiny.yaml", *words)
    assert done.exit_code == 0, done.output


def evaluated(*words: str) -> tuple[list[str], dict]:
    """Run the command; return the lines that it shows, and its JSON, which is as its page says."""
    done = run("ensemble", "--name", "tiny", *words, "--json", "r.json")
    assert done.exit_code == 0, done.output
    table = json.loads(Path("r.json").read_text())
    EVALUATION.validate(table)
    return done.stdout.splitlines(), table


def figures(true: np.ndarray, said: np.ndarray) -> dict[str, float]:
    known = ~np.isnan(true)
    x, y = true[known], said[known]
    return {
        "ccc": audmetric.concordance_cc(x, y),
        "pearson": audmetric.pearson_cc(x, y),
        "mae": np.abs(x - y).mean(),
        "rmse": np.sqrt(np.square(x - y).mean()),
        "r2": r2_score(x, y),
    }


def cells(lines: list[str], name: str) -> list[str]:
    """Return the cells of the row of a table that begins with a name."""
    [line] = [line for line in lines if line.startswith(f"{name} ")]
    return [cell.strip() for cell in line[len(name) :].split("  ") if cell.strip()]


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_of(path: str, scores: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    rows = rows_of(path)
    true = [[float(row[name] or "nan") for name in scores] for row in rows]
    return np.array(true), np.array([[float(row[f"predicted_{name}"]) for name in scores] for row in rows])


def test_figures_are_those_of_the_averaged_members(here):
    write_scored(here, scored_corpus(raters=3))
    trained()
    lines, table = evaluated("--members", "2", "--csv", "p.csv")
    true, said = table_of("p.csv", ("valence", "arousal"))
    assert np.isnan(true[:, 1]).sum() == sum(
        "arousal" not in one.labels for one in scored_corpus(raters=3).utterances if one.split == "test"
    )
    own, stored = table["sets"]["test"], read_set(here / "ckpt/tiny", "test").predictions
    np.testing.assert_allclose(stored.logits.mean(0), said, rtol=1e-6)
    each = {name: figures(true[:, place], said[:, place]) for place, name in enumerate(("valence", "arousal"))}
    mean = {key: np.mean([one[key] for one in each.values()]) for key in each["valence"]}
    for name, wanted in each.items():
        assert own["scores"][name] == pytest.approx(wanted, abs=1e-6)
        assert {key: one["value"] for key, one in own["estimates"]["scores"][name].items()} == own["scores"][name]
        shown = cells(lines, name)
        low, high = (own["estimates"]["scores"][name]["ccc"][end] for end in ("low", "high"))
        assert shown[1:3] == [f"{wanted['ccc']:.3f}", f"{low:.3f} - {high:.3f}"]
        assert [shown[3], shown[4], *shown[6:]] == [f"{wanted[key]:.3f}" for key in ("pearson", "mae", "rmse", "r2")]
    assert {key: own[key] for key in mean} == pytest.approx(mean, abs=1e-6)
    assert cells(lines, "mean")[0] == f"{mean['ccc']:.3f}"
    train = [one.labels for one in scored_corpus(raters=3).utterances if one.split == "train"]
    means = [np.mean([labels[name] for labels in train if name in labels]) for name in ("valence", "arousal")]
    mae = np.nanmean(np.abs(true - means), 0).mean()
    assert own["baseline"]["name"] == "always the mean"
    assert own["baseline"]["metrics"]["mae"] == pytest.approx(mae)
    assert cells(lines, "baseline")[:3] == ["0.000", "0.000", f"{mae:.3f}"]
    assert "baseline: always the mean of training, the mean over the scores" in lines
    members = [[figures(true[:, place], one[:, place])["ccc"] for place in range(2)] for one in stored.logits]
    for shown, alone in zip(own["members"], members, strict=True):
        assert (shown["accuracy"], shown["figures"]["ccc"]) == (None, pytest.approx(np.mean(alone), abs=1e-6))
        assert f"{shown['name']}   {np.mean(alone):.3f}" in lines
    assert [one["ccc"] for one in own["ensemble"]] == pytest.approx([np.mean(members[0]), mean["ccc"]], abs=1e-6)
    assert f"       2  {mean['ccc']:.3f}  <- report" in lines
    assert "averaged    CCC" in lines
    assert not any(
        "%" in line or "accuracy" in line for line in lines if not re.search("intervals|95 %|they cover", line)
    )
    ceiling = own["ceilings"]["valence"]
    assert any(
        f"valence CCC {ceiling['ccc']['value']:.3f}, MAE {ceiling['mae']['value']:.3f}" in line for line in lines
    )
    assert table["calibration"]["reason"] == "scores have no probabilities"
    assert not any("calibration" in line for line in lines)


def test_intervals_are_told_with_their_coverage_on_test(here):
    write_scored(here)
    trained()
    lines, table = evaluated("--split", "valid,test")
    own = table["intervals"]
    assert (own["level"], own["fitted_on"], own["utterances"], own["reason"], own["reasons"]) == (
        0.9,
        "valid",
        30,
        "",
        {},
    )
    stored = read_set(here / "ckpt/tiny", "test").predictions
    said, parts = stored.logits[: table["size"]["k"]].mean(0), []
    for place, name in enumerate(stored.classes):
        known = ~np.isnan(stored.targets[:, place])
        held = np.abs(stored.targets - said)[known, place] <= own["half_widths"][name]
        found = own["coverage"]["test"][name]
        assert found["value"] == pytest.approx(held.mean())
        low, high = stored.ranges[place]
        ends = [(said[:, place] + sign * own["half_widths"][name]).clip(low, high) for sign in (-1, 1)]
        assert found["width"] == pytest.approx((ends[1] - ends[0]).mean(), rel=1e-5)
        ends = f" ({100 * found['low']:.1f} - {100 * found['high']:.1f})" if found["low"] is not None else ""
        parts.append(f"{100 * held.mean():.1f} % of {name}{ends}")
    half = ", ".join(f"{name} ±{width:.3f}" for name, width in own["half_widths"].items())
    told = f"90 % intervals: {half} (from 30 validation utterances)"
    assert lines[-3:-1] == [told, f"on test they cover {', '.join(parts)}"]
    assert own["coverage"]["valid"]["valence"]["value"] >= 0.9


def test_a_score_with_few_targets_has_no_interval(here):
    corpus = scored_corpus({"train": 60, "valid": 8, "test": 30}, missing=0)
    write_scored(here, corpus)
    trained("--set", "training.max_epochs=1")
    lines, table = evaluated()
    assert table["intervals"]["half_widths"] == {"valence": None, "arousal": None}
    why = "8 validation utterances have this score: intervals of 90 % need 9"
    assert lines[-3:-1] == [f"intervals: none for {name}: {why}" for name in ("valence", "arousal")]


def test_scores_from_minus_3_to_3_have_the_figures_of_the_field(here):
    write_scored(here, scored_corpus(scores=("sentiment",)))
    trained()
    lines, table = evaluated("--csv", "p.csv")
    true, said = (one[:, 0] for one in table_of("p.csv", ("sentiment",)))
    own = {key: one["value"] for key, one in table["sets"]["test"]["sentiment"]["sentiment"].items()}
    other = true != 0
    assert own == pytest.approx(
        {
            "acc2_with_zeros": accuracy_score(true >= 0, said >= 0),
            "acc2_without_zeros": accuracy_score(true[other] > 0, said[other] > 0),
            "f1_with_zeros": f1_score(true >= 0, said >= 0, average="weighted"),
            "f1_without_zeros": f1_score(true[other] > 0, said[other] > 0, average="weighted"),
            "acc7": np.mean(np.round(true) == np.round(said.clip(-3, 3))),
            "acc5": np.mean(np.round(true.clip(-2, 2)) == np.round(said.clip(-2, 2))),
        }
    )
    train = [one.labels["sentiment"] for one in scored_corpus(scores=("sentiment",)).utterances if one.split == "train"]
    always = np.mean(np.round(true) == np.round(np.mean(train)))
    first = next(place for place, line in enumerate(lines) if line.startswith("sentiment, in percent"))
    assert cells(lines[first:], "acc7")[0] == f"{100 * own['acc7']:.2f}"
    assert cells(lines[first:], "acc7")[-1] == f"{100 * always:.2f}"
    assert not any(line.startswith("mean ") for line in lines)  # of a single score
    assert "baseline: always the mean of training" in lines


def test_an_error_that_selects_has_no_minus_and_orders_the_members(here):
    write_scored(here, training={"select": "mae", "runs": 3}, dataset={"task": "arousal"})
    trained()
    lines, table = evaluated("--split", "valid")
    own = table["sets"]["valid"]
    alone = [one["figures"]["mae"] for one in own["members"]]
    assert alone == sorted(alone)
    assert alone[0] > 0
    first = lines.index("member    MAE")
    assert lines[first + 1 : first + 4] == [f"{one['name']}   {one['figures']['mae']:.3f}" for one in own["members"]]
    sizes = [one["mae"] for one in own["ensemble"]]
    assert lines[first + 5] == "averaged    MAE"
    assert [line.split()[1] for line in lines[first + 6 : first + 9]] == [f"{one:.3f}" for one in sizes]
    size = table["size"]
    assert f"chosen on validation by MAE: MAE on validation is {sizes[size['k'] - 1]:.3f}" in lines[-3]
    assert (size["chosen_by"], size["metric"]) == ("validation", "mae")


def test_few_speakers_are_shown_one_by_one(here):
    write_scored(here, scored_corpus(speakers=9, missing=0))
    trained()
    lines, table = evaluated("--probe")
    own = table["sets"]["test"]
    first = lines.index("speaker  utterances    CCC    MAE")
    stored = read_set(here / "ckpt/tiny", "test")
    said = stored.predictions.logits[: table["size"]["k"]].mean(0)
    for line, row in zip(lines[first + 1 : first + 4], own["by_cluster"], strict=True):
        rows = [place for place, one in enumerate(stored.spoken) if one.speaker == row["name"]]
        each = [figures(stored.predictions.targets[rows, place], said[rows, place]) for place in range(2)]
        ccc, mae = (np.mean([one[key] for one in each]) for key in ("ccc", "mae"))
        assert line.split() == [row["name"], "10", f"{ccc:.3f}", f"{mae:.3f}"]
        assert (row["accuracy"], row["scores"]["ccc"]) == (None, pytest.approx(ccc, abs=1e-6))
    assert lines[first + 4].startswith("3 test speakers: too few for an interval (5 are needed); cross-validate")
    assert "95 %" not in "".join(lines)
    probed = lines.index(next(line for line in lines if line.startswith("reading or listening?")))
    assert lines[probed].split()[3:] == ["CCC", "falls", "by", "test-0", "test-1", "test-2"]
    assert own["use"]["sentence"] in lines
    assert "the CCC falls for" in own["use"]["sentence"]


def test_probes_tell_how_far_the_ccc_falls(here):
    """Words carry valence, frames do not."""
    corpus = scored_corpus({"train": 90, "valid": 60, "test": 60}, scores=("valence",))
    write_scored(here, corpus, training={"max_epochs": 12})
    trained()
    lines, table = evaluated("--probe")
    own = table["sets"]["test"]
    rows = {row["name"]: row for row in own["probes"]}
    assert (own["use"]["text"], own["use"]["audio"] != "used") == ("used", True)
    assert own["use"]["sentence"] in lines
    fall = rows["text shuffled"]["drop"]["value"]
    assert fall == pytest.approx(own["ccc"] - rows["text shuffled"]["metrics"]["ccc"]["value"])
    first = lines.index(next(line for line in lines if line.startswith("reading or listening?")))
    assert lines[first + 3].split()[2:4] == [f"{rows['text shuffled']['metrics']['ccc']['value']:.3f}", f"{fall:.3f}"]


def test_cross_validation_pools_folds_and_a_private_set_is_predicted_by_all(here):
    write_scored(here, scored_corpus({"train": 60, "valid": 30, "test": 30, "private": 6}))
    folds = ("splits.scheme=folds", "splits.folds=3")
    trained(*(word for one in folds for word in ("--set", one)))
    lines, table = evaluated("--split", "test,private", "--members", "2", "--csv", "p.csv")
    own, stored = table["sets"]["test"], read_set(here / "ckpt/tiny", "test").predictions
    assert (own["utterances"], len(own["members"]), len(own["ensemble"])) == (120, 6, 2)
    for member in own["members"]:
        fold = next(one.fold for one in stored.members if one.name == member["name"])
        rank = [one.name for one in stored.members if one.fold == fold].index(member["name"])
        rows = rows_of_fold(stored, fold, here)
        each = [figures(stored.targets[rows, place], stored.logits[rank][rows, place])["ccc"] for place in range(2)]
        assert member["figures"]["ccc"] == pytest.approx(np.mean(each), abs=1e-6)
    assert own["scores"]["valence"] == pytest.approx(
        figures(stored.targets[:, 0], stored.logits.mean(0)[:, 0]), abs=1e-6
    )
    assert table["intervals"]["utterances"] == 120
    assert "cross-validate" not in "".join(lines)
    assert set(table["sets"]["private"]) == {"utterances", "members"}
    assert any(
        line.startswith("this set has no labels, so there is nothing to evaluate; --csv FILE ") for line in lines
    )
    private = [row for row in rows_of("p.csv") if row["set"] == "private"]
    assert [(row["valence"], row["arousal"]) for row in private] == [("", "")] * 6
    assert all(float(row["predicted_valence"]) for row in private)


def rows_of_fold(stored, fold: int, here: Path) -> list[int]:
    """Return the places of the utterances that a fold tests, which are pooled in the order of the folds."""
    sizes = [one["test"] for one in json.loads((here / "ckpt/tiny/corpus.json").read_text())["folds"]]
    return list(range(sum(sizes[:fold]), sum(sizes[: fold + 1])))


def test_under_the_papers_protocol_everything_is_chosen_on_test_and_there_are_no_intervals(here):
    write_scored(here, protocol="paper", splits={"valid": "test"})
    trained()
    lines, table = evaluated()
    assert table["selected_on_test"]
    assert table["size"]["chosen_by"] == "test"
    why = "validation is the test split here, and intervals are never fitted on test"
    assert table["intervals"] == {"half_widths": {}, "reason": why, "coverage": {}}
    assert f"intervals: none, {why}" in lines
    assert not (here / "ckpt/tiny/intervals.json").exists()


def test_members_with_infinite_values_are_left_out(here):
    write_scored(here)
    trained()
    path = here / "ckpt/tiny/run-1/model.safetensors"
    arrays, metadata = artifacts.read_arrays(path)
    bias = next(name for name in arrays if name.endswith("bias") and arrays[name].shape == (2,))
    artifacts.write_arrays(path, {**arrays, bias: np.full(2, np.inf, np.float32)}, metadata)
    lines, table = evaluated()
    assert "left out because their logits are not finite: run-1" in lines
    assert [one["name"] for one in table["sets"]["test"]["members"]] == ["run-2"]
    assert table["intervals"]["members"] == ["run-2"]


def test_probabilities_are_compared_with_votes_and_accuracy_with_the_ceiling(here):
    corpus = voted_corpus()
    write_voted(here, corpus)
    trained()
    lines, table = evaluated("--split", "test")
    own, stored = table["sets"]["test"]["distribution"], read_set(here / "ckpt/tiny", "test").predictions
    logits = stored.logits[: table["size"]["k"]].mean(0).astype(np.float64)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    by_id = {one.id: list(one.ratings["emotion"].values()) for one in corpus.utterances}
    votes = np.array([[by_id[name].count(label) / 4 for label in stored.classes] for name in stored.ids])
    assert own["cross_entropy"] == pytest.approx(-(votes * np.log(shares)).sum(1).mean(), rel=1e-5)
    middle = (votes + shares) / 2
    bits = lambda p: -np.where(p > 0, p * np.log2(np.where(p > 0, p, 1)), 0).sum(1)  # noqa: E731
    assert own["jsd"] == pytest.approx((bits(middle) - (bits(votes) + bits(shares)) / 2).mean(), rel=1e-5)
    assert own["entropy"] == pytest.approx(bits(votes).mean() * np.log(2))
    assert own["accuracy"] == table["sets"]["test"]["accuracy"]
    assert own["ceiling"] == pytest.approx(stored.ceilings["emotion"]["accuracy"].value)
    assert own["utterances"] == len(stored.ids)
    [line] = [line for line in lines if line.startswith("votes of raters on ")]
    assert f"cross-entropy {own['cross_entropy']:.3f} (" in line
    assert f"Jensen-Shannon divergence {own['jsd']:.3f} (" in line
    [line] = [line for line in lines if line.startswith("accuracy ") and "ceiling" in line]
    assert own["accuracy"] > own["ceiling"]  # the planted raters differ, and words tell what most of them say
    beside = f"accuracy {100 * own['accuracy']:.2f}, above the ceiling of {100 * own['ceiling']:.2f} ("
    assert line.startswith(beside)
    assert line.endswith("; a model that learns from all raters may do better than one of them")
    assert table["intervals"] is None


def test_probabilities_beside_votes_are_those_that_predict_gives(here):
    """A majority model is calibrated, so its temperature counts."""
    write_voted(
        here, voted_corpus({"train": 90, "valid": 160, "test": 60}), labels="majority", training={"max_epochs": 12}
    )
    trained()
    _, table = evaluated("--split", "test")
    temperature = table["calibration"]["temperature"]
    assert table["calibration"]["calibrated"], table["calibration"]["reason"]
    assert temperature != 1
    stored = read_set(here / "ckpt/tiny", "test").predictions
    logits = stored.logits[: table["size"]["k"]].mean(0).astype(np.float64) / temperature
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    wanted = -(stored.votes * logs).sum(1).mean()
    assert table["sets"]["test"]["distribution"]["cross_entropy"] == pytest.approx(wanted, rel=1e-5)


def test_sets_without_raters_and_several_labels_have_no_distribution(here):
    write_voted(here, labels="any")
    trained("--set", "training.max_epochs=1")
    lines, table = evaluated()
    assert "distribution" not in table["sets"]["test"]
    assert not any("votes" in line for line in lines)


def test_clipped_predictions_stay_within_the_range_everywhere(here):
    write_scored(here, scored_corpus(missing=0), dataset={"clip": True}, training={"max_epochs": 3})
    trained()
    # Far off, so that clipping shows: the last layer's bias moves all predictions of arousal up.
    for path in Path("ckpt/tiny").glob("run-*/model.safetensors"):
        arrays, metadata = artifacts.read_arrays(path)
        bias = next(name for name in arrays if name.endswith("bias") and arrays[name].shape == (2,))
        moved = {**arrays, bias: arrays[bias] + np.array([0, 2], np.float32)}
        artifacts.write_arrays(path, moved, metadata)
    lines, table = evaluated("--members", "2", "--csv", "p.csv")
    true, said = table_of("p.csv", ("valence", "arousal"))
    assert (said[:, 1].max(), said[:, 1].min() >= 0) == (10.0, True)
    assert table["sets"]["test"]["scores"]["arousal"] == pytest.approx(figures(true[:, 1], said[:, 1]), abs=1e-6)
    stored = read_set(here / "ckpt/tiny", "test").predictions
    assert stored.logits[..., 1].max() > 10
    low, high = np.array(stored.ranges).T
    for member, values in zip(table["sets"]["test"]["members"], stored.logits, strict=True):
        mae = np.abs(values.clip(low, high) - true).mean(0).mean()
        assert member["figures"]["mae"] == pytest.approx(mae, rel=1e-6)
    assert cells(lines, "arousal")[1] == f"{table['sets']['test']['scores']['arousal']['ccc']:.3f}"
