"""Sets of fewer than five speakers: no interval, no p-value and no finding from one; the figures of each speaker."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from builders import tiny_recipe
from commands_run import run
from faulty_runs import kinds
from sklearn.metrics import accuracy_score, mean_absolute_error, recall_score
from stored_sets import changed, make_origin, make_set, only, report, shuffled, write_run

from sertool.core.metrics.sentiment import score_of
from sertool.core.reports.probes import ORDER
from sertool.core.reports.wording import figure

SAID = "2 test speakers: too few for an interval (5 are needed); cross-validate with --set splits.scheme=folds"
FOLDS = "2 test speakers: too few for an interval (5 are needed)"


def unlucky(speakers=2, **changes):
    """A set with every reason for a finding: labels of women drawn at random, overconfident, hardly above chance."""
    stored = make_set("test", 400, speakers=speakers)
    own, random = stored.predictions, np.random.default_rng(2)
    women = np.array([one.gender == "f" for one in stored.spoken])
    targets = np.where(women, random.integers(0, 3, 400), own.targets)
    return changed(stored, targets=targets, logits=own.logits * 3, **changes)


def write_unlucky(folder, **options) -> None:
    valid = make_set("valid", 200)
    write_run(folder, unlucky(**options), valid, probes=lambda stored: dict.fromkeys(ORDER, shuffled(stored)))


def values(content: Any, *keys: str) -> Iterator[Any]:
    """All values of some keys, at any depth."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key in keys:
                yield value
            else:
                yield from values(value, *keys)
    elif isinstance(content, list):
        for value in content:
            yield from values(value, *keys)


def test_no_finding_comes_from_an_interval_that_does_not_exist(tmp_path):
    write_unlucky(tmp_path / "many", speakers=10)
    write_unlucky(tmp_path / "few", speakers=2)
    many, few = report(tmp_path, "many", "few").runs
    assert {"miscalibrated", "weak-slice"} <= set(kinds(many))
    assert set(kinds(few)) == {"few-clusters"}


def test_accuracy_that_is_not_above_the_majority_is_named_without_an_interval(tmp_path):
    test = make_set("test", 300, speakers=2)
    targets = np.where(np.arange(300) < 200, 0, test.predictions.targets)
    always = np.zeros_like(test.predictions.logits)
    always[:, :, 1] = 5
    write_run(tmp_path / "tiny", changed(test, targets=targets, logits=always))
    (found,) = [one.text for one in only(tmp_path).findings if one.kind == "no-better-than-majority"]
    assert "(" not in found.partition(" %,")[0]


def test_every_output_shows_the_speakers_and_no_interval(here):
    write_unlucky(here / "ckpt/tiny")
    files = [part for kind in ("json", "csv", "markdown", "html") for part in (f"--{kind}", f"r.{kind}")]
    done = run("report", "--name", "tiny", *files)
    assert done.exit_code == 0, done.output
    test = json.loads((here / "r.json").read_text())["runs"][0]["sets"]["test"]
    assert set(values(test, "low", "high", "p")) == {None}
    stored = unlucky()
    of = np.array([one.speaker for one in stored.spoken])
    decided = stored.predictions.decisions(test["k"])
    assert [row["name"] for row in test["by_cluster"]] == ["test-0", "test-1"]
    for row in test["by_cluster"]:
        part = stored.predictions.targets[of == row["name"]], decided[of == row["name"]]
        assert row["utterances"] == 200
        assert row["accuracy"] == pytest.approx(accuracy_score(*part))
        assert row["uar"] == pytest.approx(recall_score(*part, average="macro"))
    cells = [
        [row["name"], "200", *(f"{100 * row[name]:.2f}" for name in ("accuracy", "uar"))] for row in test["by_cluster"]
    ]
    shown = [line.split() for line in done.stdout.splitlines()]
    markdown = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in (here / "r.markdown").read_text().split("\n")
    ]
    page = (here / "r.html").read_text()
    with (here / "r.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["what"] == "cluster"]
    for line in cells:
        assert line in shown
        assert line in markdown
        assert all(f">{figure}</td>" in page for figure in line[1:])
    assert [(row["name"], row["metric"], float(row["value"])) for row in rows] == [
        (row["name"], metric, row[metric]) for row in test["by_cluster"] for metric in ("utterances", "accuracy", "uar")
    ]
    flat = " ".join(done.stdout.split())
    assert SAID in flat
    of_test = done.stdout.partition("valid · ")[0]
    assert "95 %" not in of_test.replace("95 % interval", "")  # no empty column
    assert page.count("95 % intervals over") == 1  # validation has ten speakers
    assert test["use"]["sentence"] in flat
    for name in ("r.markdown", "r.html"):
        assert test["use"]["sentence"][1:] in (here / name).read_text().replace("\\", "")


def test_a_run_that_is_cross_validated_is_not_told_to_be(tmp_path):
    write_run(tmp_path / "tiny", replace(unlucky(), origin=make_origin(folds=1)))
    assert only(tmp_path).sets["test"].unit_note == SAID
    stored = unlucky()
    members = tuple(replace(one, fold=place % 3) for place, one in enumerate(stored.predictions.members))
    folds = changed(stored, members=members, logits=stored.predictions.logits[:1])
    write_run(tmp_path / "tiny", replace(folds, origin=make_origin(folds=3)))
    assert only(tmp_path).sets["test"].unit_note == FOLDS


def test_five_speakers_have_intervals_and_no_rows_of_their_own(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", speakers=5))
    own = only(tmp_path).sets["test"]
    assert own.by_cluster == ()
    assert own.metrics["uar"].low is not None
    dialogues = tuple(replace(one, dialogue=f"d{row % 7}") for row, one in enumerate(unlucky().spoken))
    write_run(tmp_path / "tiny", replace(unlucky(), spoken=dialogues))
    own = only(tmp_path).sets["test"]
    assert (own.unit, own.by_cluster) == ("dialogue", ())
    assert own.unit_note.endswith("says nothing about other speakers")


def test_scores_are_shown_speaker_by_speaker(here):
    test = make_set("test", classes=[str(score) for score in range(-3, 4)], speakers=2)
    recipe = tiny_recipe(dataset={"task": "sentiment", "num_classes": 7})
    origin = make_origin(recipe, task="sentiment", rule="seven", train_classes=[1] * 7)
    scores = test.predictions.targets - 3.0
    write_run(here / "ckpt/tiny", replace(changed(test, scores=scores), origin=origin), calibrated=False)
    own = only(here / "ckpt").sets["test"]
    said = score_of(test.predictions.ensemble_logits(own.k), test.predictions.classes)
    for place, row in enumerate(own.by_cluster):
        rows = slice(place, None, 2)
        assert row.scores["mae"] == pytest.approx(mean_absolute_error(scores[rows], said[rows]))
        assert row.scores["pearson"] == pytest.approx(np.corrcoef(scores[rows], said[rows])[0, 1])
        assert row.scores["acc7"] == pytest.approx(row.accuracy)
    shown = run("report", "--name", "tiny", "--csv", "r.csv", "--html", "r.html")
    cells = [cell for line in shown.stdout.splitlines() if line.startswith("test-1 ") for cell in line.split()[1:]]
    row = own.by_cluster[1]
    figures = {"accuracy": row.accuracy, "uar": row.uar, **row.scores}
    assert cells == ["200", *(figure(value, name) for name, value in figures.items())]
    with (here / "r.csv").open(newline="") as file:
        found = {row["metric"]: row["value"] for row in csv.DictReader(file) if row["name"] == "test-1"}
    assert float(found["ccc"]) == pytest.approx(row.scores["ccc"])
    assert f'<td class="n">{row.scores["mae"]:.3f}</td>' in (here / "r.html").read_text()


def test_two_runs_are_compared_speaker_by_speaker(here):
    first = unlucky()
    second = changed(first, logits=first.predictions.logits[:, ::-1].copy())
    for name, stored in (("a", first), ("b", second)):
        write_run(here / "ckpt" / name, stored)
    done = run("compare", "a", "b", "--metric", "accuracy,uar", "--json", "c.json")
    assert done.exit_code == 0, done.output
    (pair,) = json.loads((here / "c.json").read_text())["pairs"]
    assert set(values(pair, "low", "high", "p", "holm", "mcnemar_holm")) == {None}
    assert {row["verdict"] for row in pair["metrics"]} == {"cannot tell from 2 speakers"}
    assert pair["unit_note"] == SAID
    lines = done.stdout.splitlines()
    of = np.array([one.speaker for one in first.spoken])
    for row in pair["by_cluster"]:
        for side, stored in (("a", first), ("b", second)):
            mask = of == row["name"]
            part = stored.predictions.targets[mask], stored.predictions.decisions(3)[mask]
            assert row[side]["accuracy"] == pytest.approx(accuracy_score(*part))
            assert row[side]["uar"] == pytest.approx(recall_score(*part, average="macro"))
        for metric in ("accuracy", "uar"):
            figures = 100 * row["a"][metric], 100 * row["b"][metric]
            assert [row["name"], "200", *(f"{one:.2f}" for one in figures)] in [line.split()[:4] for line in lines]
    assert SAID in lines
    assert not [line for line in lines if "p = " in line or "p < " in line]
