"""``sertool compare`` on scores from -3 to 3: the accuracies and F1 of the field's tables beside CCC and MAE."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from compared_runs import decided, refusal, run, stored, wrong
from json_results import schemas
from scored_sets import make_score_set
from sklearn.metrics import accuracy_score, f1_score
from stored_sets import changed

from sertool.core.metrics import clusters_of, holm
from sertool.core.metrics.bootstrap import bootstrap_differences, sentiment_differences
from sertool.core.metrics.sentiment import SENTIMENT_METRICS

COMPARISON = jsonschema.Draft202012Validator(schemas()["sertool-comparison/1"])


def scored(name, *, zeros=0, **options):
    """Store a run; every utterance of a number in a row has the score 0."""
    own = make_score_set(**{"scores": ("sentiment",), **options})
    if zeros:
        targets = own.predictions.targets.copy()
        targets[::zeros] = 0.0
        own = changed(own, targets=targets)
    stored(name, own)
    return own


def rows_and_pair(*arguments):
    result = run(*arguments, "--json", "c.json")
    assert result.exit_code == 0, result.output
    content = json.loads(Path("c.json").read_text(encoding="utf-8"))
    COMPARISON.validate(content)
    return result.stdout.splitlines(), content["pairs"][0], content


def test_accuracies_and_f1_stand_beside_ccc_and_mae_in_points(here):
    a, b = (scored(name, noise=noise, seed=seed, zeros=3) for name, noise, seed in (("a", 0.2, 1), ("b", 0.15, 2)))
    lines, pair, content = rows_and_pair("a", "b", "--flips", "0")
    targets, clusters = a.predictions.targets[:, 0], clusters_of(a.spoken)
    said = [one.predictions.logits.mean(0) for one in (a, b)]
    values = [one[:, 0] for one in said]
    tested = sentiment_differences(targets, *values, clusters)
    tested |= bootstrap_differences(targets[:, None], *said, clusters)
    rows = {row["metric"]: row for row in pair["metrics"]}
    assert list(rows) == ["ccc", "mae", *SENTIMENT_METRICS]
    assert {row["score"] for row in rows.values()} == {""}
    other = targets != 0
    constant = np.full(len(targets), a.origin.train_means[0])
    for key, one in zip(("a", "b", "baseline"), (*values, constant), strict=True):
        wanted = {
            "acc2_with_zeros": accuracy_score(targets >= 0, one >= 0),
            "acc2_without_zeros": accuracy_score(targets[other] > 0, one[other] > 0),
            "f1_with_zeros": f1_score(targets >= 0, one >= 0, average="weighted"),
            "f1_without_zeros": f1_score(targets[other] > 0, one[other] > 0, average="weighted"),
            "acc7": np.mean(np.round(targets) == np.round(one.clip(-3, 3))),
            "acc5": np.mean(np.round(targets.clip(-2, 2)) == np.round(one.clip(-2, 2))),
        }
        assert {name: rows[name][key] for name in wanted} == pytest.approx(wanted)
    for name, row in rows.items():
        own = tested[name]
        assert row["difference"] == {"value": own.value, "low": own.low, "high": own.high, "p": own.p}
    # One test for each row, and all of them are one family.
    assert content["tests"] == 8
    assert [row["holm"] for row in rows.values()] == holm([tested[name].p for name in rows])
    assert "Holm: p corrected for 8 tests, one for each p of the table" in lines
    row, own = rows["acc2_without_zeros"], tested["acc2_without_zeros"]
    [line] = [line for line in lines if line.startswith("acc2, without zeros  ")]
    figures = [*(f"{100 * row[key]:.2f}" for key in ("a", "b", "baseline")), f"{100 * own.value:+.2f}"]
    interval = f"{100 * own.low:.1f} to {100 * own.high:.1f}"
    assert line.split()[3:] == [*figures, *interval.split(), f"{own.p:.3f}", f"{row['holm']:.3f}"]
    told = f"acc2, without zeros: {100 * own.value:+.1f} points, interval {interval} by speaker: "
    assert any(line.startswith(told) for line in lines)


def test_short_names_stand_for_both_ways_with_zeros(here):
    for name, seed in (("a", 1), ("b", 2)):
        scored(name, seed=seed)
    _, pair, content = rows_and_pair("a", "b", "--metric", "f1,acc5,acc2_with_zeros")
    assert [row["metric"] for row in pair["metrics"]] == [
        "f1_with_zeros",
        "f1_without_zeros",
        "acc5",
        "acc2_with_zeros",
    ]
    assert content["tests"] == 4
    assert refusal("a", "b", "--metric", "acc2,acc2", code=2) == "error: --metric acc2: is given twice\n"
    assert refusal("a", "b", "--metric", "acc2,acc2_with_zeros", code=2) == (
        "error: --metric acc2_with_zeros: is given twice\n"
    )


def test_of_several_scores_those_from_minus_3_to_3_have_them(here):
    for name, seed in (("a", 1), ("b", 2)):
        scored(name, seed=seed, scores=("valence", "sentiment"))
    lines, pair, content = rows_and_pair("a", "b", "--metric", "mae,acc7")
    assert [(row["metric"], row["score"]) for row in pair["metrics"]] == [
        *(("mae", score) for score in ("", "valence", "sentiment")),
        ("acc7", "sentiment"),
    ]
    assert content["tests"] == 4
    assert any(line.startswith("acc7, sentiment  ") for line in lines)


def test_other_ranges_and_classes_have_none(here):
    for name, seed in (("a", 1), ("b", 2)):
        scored(name, seed=seed, scores=("valence", "arousal"))
    for metric in ("acc2", "f1_with_zeros"):
        assert refusal("a", "b", "--metric", metric, code=2) == (
            f"error: --metric {metric}: is a metric of scores from -3 to 3, not of valence 1 to 5, arousal 0 to 10; "
            "expected one of ccc, pearson, mae, rmse, r2\n"
        )
    stored("c", decided(wrong({1})))
    stored("d", decided(wrong({2})))
    assert refusal("c", "d", "--metric", "f1", code=2) == (
        "error: --metric f1: is a metric of scores from -3 to 3; "
        "expected one of accuracy, uar, f1_macro, f1_weighted, cross_entropy, jsd\n"
    )


def test_few_speakers_have_them_one_by_one_and_a_dash_where_nothing_counts(here):
    # Every score of one of three speakers is 0, so that none of them counts without zeros.
    a = scored("a", noise=0.2, seed=1, speakers=3, zeros=3)
    scored("b", noise=0.15, seed=2, speakers=3, zeros=3)
    lines, pair, content = rows_and_pair("a", "b", "--metric", "acc2")
    assert content["tests"] == 0
    assert {row["difference"]["p"] for row in pair["metrics"]} == {None}
    first = lines.index("acc2, without zeros by speaker")
    assert lines[first + 2].split() == ["test-0", "134", *["not", "defined"] * 3]
    own = np.arange(400) % 3 == 1
    true, said = a.predictions.targets[own, 0], a.predictions.logits.mean(0)[own, 0]
    assert lines[first + 3].split()[:3] == ["test-1", "133", f"{100 * accuracy_score(true > 0, said > 0):.2f}"]
    assert pair["by_cluster"][0]["a"]["acc2_without_zeros"] is None
    # Scores of which all are 0 have a row without a figure.
    for name, seed in (("c", 1), ("d", 2)):
        scored(name, seed=seed, zeros=1)
    lines, pair, content = rows_and_pair("c", "d", "--metric", "acc2_without_zeros,acc7")
    assert (pair["metrics"][0]["a"], pair["metrics"][0]["holm"], content["tests"]) == (None, None, 1)
    assert "acc2, without zeros: not defined: no interval can be given" in lines
