"""``sertool compare`` on predicted scores, and on probabilities beside raters' votes."""

import json
from dataclasses import replace
from pathlib import Path

import audmetric
import jsonschema
import numpy as np
import pytest
from builders import write_tiny
from commands_run import run as run_command
from compared_runs import decided, refusal, rows_of, run, stored, wrong
from json_results import schemas
from scored_corpora import scored_corpus, voted_corpus, voted_recipe, write_scored
from scored_sets import make_score_set, make_voted_set
from stored_sets import changed, make_set

from sertool.core.metrics import Difference, clusters_of, holm
from sertool.core.metrics.bootstrap import bootstrap_differences
from sertool.core.metrics.calibration import Calibration
from sertool.core.metrics.distributions import distribution_differences
from sertool.core.metrics.jackknife import Jackknife
from sertool.core.recipe.load import resolved
from sertool.core.reports.compare.asked import comparable
from sertool.core.reports.compare.pairs import compare, verdict
from sertool.core.runs.prediction_files import read_set
from sertool.core.runs.temperature import write_calibration

COMPARISON = jsonschema.Draft202012Validator(schemas()["sertool-comparison/1"])


def scored(name, **options):
    own = make_score_set(**options)
    stored(name, own)
    return own


def ccc_and_mae(targets, values) -> dict[str, np.ndarray]:
    known = ~np.isnan(targets)
    pairs = [(targets[rows, place], values[rows, place]) for place, rows in enumerate(known.T)]
    return {
        "ccc": np.array([audmetric.concordance_cc(*pair) for pair in pairs]),
        "mae": np.array([np.abs(x - y).mean() for x, y in pairs]),
    }


def test_the_whole_output_of_two_runs_with_scores(here):
    a = scored("a", noise=0.2, seed=1, missing=9)
    b = scored("b", noise=0.15, seed=2, missing=9)
    result = run("a", "b", "--flips", "2", "--json", "c.json", "--csv", "c.csv")
    assert result.exit_code == 0, result.stderr
    targets, (of_a, of_b) = a.predictions.targets, (one.predictions.logits.mean(0) for one in (a, b))
    clusters = clusters_of(a.spoken)
    always = np.broadcast_to(a.origin.train_means, targets.shape)
    figures = [ccc_and_mae(targets, values) for values in (of_a, of_b, always)]
    lines, rows = result.stdout.splitlines(), []
    assert lines[0] == "TINY · valence, arousal · test · 400 utterances"
    for metric, name in (("ccc", "CCC"), ("mae", "MAE")):
        for score, columns in (("mean", [0, 1]), ("valence", [0]), ("arousal", [1])):
            found = bootstrap_differences(targets[:, columns], of_a[:, columns], of_b[:, columns], clusters)[metric]
            said = [one[metric][columns].mean() for one in figures]
            assert found.value == pytest.approx(said[1] - said[0], abs=1e-6)
            rows.append((f"{name}, {score}", [*said[:2], 0.0 if metric == "ccc" else said[2]], found))
    adjusted = holm([found.p for *_, found in rows])
    table = {line.partition("  ")[0]: line.split() for line in lines[6:14]}
    for (title, said, found), p in zip(rows, adjusted, strict=True):
        shown = [f"{found.low:.3f}", "to", f"{found.high:.3f}"]
        assert table[title][2:] == [
            *(f"{one:.3f}" for one in said),
            f"{found.value:+.3f}",
            *shown,
            written(found.p),
            written(p),
        ]
        assert f"{title}: {found.value:+.3f}, interval {' '.join(shown)} by speaker: better" in lines
    assert "paired intervals over 10 speakers" in lines
    assert not any("McNemar" in line or "Cohen" in line or "points" in line for line in lines)
    assert_moves(lines, targets, of_a, of_b, a)
    content = json.loads((here / "c.json").read_text())
    COMPARISON.validate(content)
    [pair] = content["pairs"]
    assert [(row["metric"], row["score"]) for row in pair["metrics"]] == [
        (metric, score) for metric in ("ccc", "mae") for score in ("", "valence", "arousal")
    ]
    assert (pair["mcnemar"], pair["mcnemar_holm"], pair["cohens_h"]) == (None, None, None)
    assert (content["kind"], content["classes"]) == ("scores", ["valence", "arousal"])


def written(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def assert_moves(lines, targets, of_a, of_b, a) -> None:
    """The scores whose error changes most, as a share of the range of each, come first."""
    ranges = np.array([high - low for low, high in a.predictions.ranges])
    change = (np.abs(of_b - targets) - np.abs(of_a - targets)) / ranges
    nearer, farther = (change < 0).sum(), (change > 0).sum()
    first = lines.index(f"from A to B: {nearer} nearer to the true score · {farther} farther from it")
    order = np.argsort(-np.abs(np.nan_to_num(change)).ravel(), kind="stable")
    moves = rows_of(Path("c.csv"))
    assert list(moves[0]) == [
        *("a", "b", "set", "utterance", "speaker", "score", "true", "predicted_a", "predicted_b", "change", "text")
    ]
    assert len(moves) == np.isfinite(change).sum()
    for place, move in zip(order.tolist(), moves, strict=False):
        row, column = divmod(place, 2)
        assert (move["utterance"], move["score"]) == (f"test{row}", ("valence", "arousal")[column])
        values = [f"{one[row, column]:.3f}" for one in (targets, of_a, of_b)]
        assert [move["true"], move["predicted_a"], move["predicted_b"]] == values
        assert move["change"] == ("nearer" if change[row, column] < 0 else "farther")
    for line, move in zip(lines[first + 2 : first + 4], moves, strict=False):
        assert line.split()[:6] == [
            move[key] for key in ("utterance", "score", "change", "true", "predicted_a", "predicted_b")
        ]
    assert lines[-3].startswith(f"and {len(moves) - 2:,} more: --flips N shows N, --csv FILE writes all")


def test_a_single_score_has_one_row_for_each_metric(here):
    for name, noise in (("a", 0.2), ("b", 0.2)):
        scored(name, noise=noise, seed=ord(name), scores=("sentiment",))
    lines = run("a", "b", "--metric", "mae,ccc,r2").stdout.splitlines()
    first = next(place for place, line in enumerate(lines) if "baseline" in line)
    assert [line.split()[0] for line in lines[first : first + 4]] == ["A", "MAE", "CCC", "R2"]
    assert lines[0] == "TINY · sentiment · test · 400 utterances"
    change = lines.index(next(line for line in lines if line.startswith("from A to B")))
    assert lines[change + 1].split() == ["utterance", "change", "true", "A", "B", "text"]


def test_an_error_that_grows_is_worse(here):
    scored("good", noise=0.1, seed=1)
    scored("bad", noise=0.3, seed=2)
    lines = run("good", "bad").stdout.splitlines()
    [line] = [line for line in lines if line.startswith("MAE, mean: ")]
    assert line.startswith("MAE, mean: +")
    assert line.endswith(" by speaker: worse")
    assert any(line.startswith("CCC, mean: -") and line.endswith(": worse") for line in lines)


def test_a_lower_error_is_better():
    less, more = Difference(-0.5, -0.9, -0.1, 0.01), Difference(0.5, 0.1, 0.9, 0.01)
    assert [verdict(one, 0.01, 1, lower_is_better=True) for one in (less, more)] == ["better", "worse"]
    assert [verdict(one, 0.01, 1) for one in (less, more)] == ["worse", "better"]
    unsure = Difference(-0.5, -0.9, 0.1, 0.2)
    assert verdict(unsure, 0.2, 1, lower_is_better=True) == "not shown to be better"
    assert verdict(less, 0.2, 4, lower_is_better=True) == "not shown to be better after correction for 4 tests"


def test_only_utterances_of_both_count_and_rows_are_matched_by_id(here):
    a, own = scored("a", noise=0.2, seed=1), make_score_set(noise=0.15, seed=2)
    order = np.random.default_rng(1).permutation(400)[:350]
    some = changed(
        own,
        ids=tuple(own.predictions.ids[row] for row in order),
        utterances=tuple(range(350)),
        targets=own.predictions.targets[order],
        logits=own.predictions.logits[:, order],
    )
    stored("b", replace(some, spoken=tuple(own.spoken[row] for row in order)))
    pair = compare(["a", "b"], here / "ckpt", "test").pairs[0]
    assert (pair.utterances, pair.only_a, pair.only_b) == (350, 50, 0)
    rows = np.sort(order)
    wanted = [
        ccc_and_mae(a.predictions.targets[rows], one.predictions.logits.mean(0)[rows])["ccc"].mean() for one in (a, own)
    ]
    assert (pair.metrics[0].a, pair.metrics[0].b) == pytest.approx(wanted, abs=1e-6)


def test_few_speakers_have_no_intervals(here):
    a, b = (scored(name, noise=0.2, seed=seed, speakers=3) for name, seed in (("a", 1), ("b", 2)))
    lines = run("a", "b").stdout.splitlines()
    first = lines.index("CCC, mean by speaker")
    for place in range(3):
        rows = np.arange(400) % 3 == place
        one, other = (
            ccc_and_mae(a.predictions.targets[rows], own.predictions.logits.mean(0)[rows])["ccc"].mean()
            for own in (a, b)
        )
        cells = lines[first + 2 + place].split()
        assert cells[:4] == [f"test-{place}", f"{rows.sum()}", f"{one:.3f}", f"{other:.3f}"]
        assert float(cells[4]) == pytest.approx(other - one, abs=1.1e-3)
    assert any(line.endswith(": cannot tell from 3 speakers") for line in lines)
    assert "MAE, mean by speaker" in lines


def test_clipped_runs_are_compared_as_they_predict(here):
    a = make_score_set(noise=0.4, seed=1)
    stored("a", a)
    stored("b", changed(a, clip=True))
    row = compare(["a", "b"], here / "ckpt", "test", ["mae"]).pairs[0].metrics[0]
    low, high = np.array(a.predictions.ranges).T
    values = a.predictions.logits.mean(0)
    wanted = [np.abs(one - a.predictions.targets).mean(0).mean() for one in (values, values.clip(low, high))]
    assert (row.a, row.b) == pytest.approx(wanted, rel=1e-6)
    assert row.verdict == "better"


def test_runs_of_other_kinds_or_scores_are_refused(here):
    scored("a")
    scored("b", scores=("sentiment",))
    hint = "\n  try: compare runs of the same task on the same data set\n"
    assert refusal("a", "b", code=2) == f"error: a and b have different scores: valence, arousal and sentiment{hint}"
    stored("c", make_set())
    for names, kinds in ((("a", "c"), ("scores", "classes")), (("c", "a"), ("classes", "scores"))):
        said = " and ".join(f"{name} predicts {kind}" for name, kind in zip(names, kinds, strict=True))
        assert refusal(*names, code=2) == f"error: {said}: they cannot be compared{hint}"
    stored("d", changed(make_score_set(), ranges=((1.0, 7.0), (0.0, 10.0))))
    assert refusal("a", "d", code=2) == (
        "error: a and d have different ranges of scores: valence 1 to 5, arousal 0 to 10 and valence 1 to 7, "
        f"arousal 0 to 10{hint}"
    )
    own = make_score_set(missing=100)
    stored("e", own)
    targets = own.predictions.targets.copy()
    targets[100, 0] += 0.5
    stored("f", changed(own, targets=targets))
    true = own.predictions.targets[100, 0]
    assert refusal("e", "f", code=1).startswith(
        "error: e and f have different labels for 1 of 400 utterances, the first is 'test100': "
        f"valence {true:g}, arousal unknown and valence {true + 0.5:g}, arousal unknown\n"
    )


def test_metrics_of_other_tasks_are_refused(here):
    scored("a")
    scored("b", seed=2)
    assert refusal("a", "b", "--metric", "uar", code=2) == (
        "error: --metric uar: is a metric of classes; expected one of ccc, pearson, mae, rmse, r2\n"
    )
    stored("c", decided(wrong({1})))
    stored("d", decided(wrong({2})))
    told = "expected one of accuracy, uar, f1_macro, f1_weighted, cross_entropy, jsd\n"
    assert refusal("c", "d", "--metric", "ccc", code=2) == f"error: --metric ccc: is a metric of scores; {told}"
    assert refusal("c", "d", "--metric", "jsd", code=2) == (
        "error: --metric jsd: needs votes of raters, and the runs hold none for the same utterances\n"
    )
    assert comparable("multi") == ("accuracy", "exact_match", "uar", "f1_macro", "f1_micro", "f1_weighted")


# Votes


def soft(own):
    """A run that learnt the shares of the raters, as `sertool ensemble` leaves it: without a temperature."""
    return replace(own, origin=replace(own.origin, rule="votes", data_hash="other"))


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits.astype(np.float64))
    return shares / shares.sum(-1, keepdims=True)


def test_a_soft_run_against_a_majority_run(here):
    own = make_voted_set()
    stored("majority", own)
    write_calibration(
        here / "ckpt/majority", Calibration(("run-1", "run-2", "run-3"), 2.0, "valid", 99, 0.1, 0.1, 1.0, 1.0)
    )
    flat = soft(changed(own, logits=own.predictions.logits / 4))
    stored("soft", flat)
    result = run("majority", "soft", "--json", "c.json")
    assert result.exit_code == 0, result.output
    lines, votes = result.stdout.splitlines(), own.predictions.votes
    # The temperature of the majority run counts, as `sertool predict` uses it.
    shares = softmax(own.predictions.logits.mean(0) / 2), softmax(flat.predictions.logits.mean(0))
    entropy = [-(votes * np.log(one)).sum(1).mean() for one in shares]
    found = distribution_differences(votes, *shares, Jackknife(clusters_of(own.spoken)))
    always = -(votes * np.log(votes.mean(0))).sum(1).mean()
    [line] = [line for line in lines if line.startswith("cross-entropy  ")]
    assert line.split()[1:5] == [*(f"{one:.3f}" for one in (*entropy, always)), f"{entropy[1] - entropy[0]:+.3f}"]
    interval = f"{found['cross_entropy'].low:.3f} to {found['cross_entropy'].high:.3f}"
    assert f"cross-entropy: {entropy[1] - entropy[0]:+.3f}, interval {interval} by speaker: better" in lines
    assert any(line.startswith("Jensen-Shannon divergence: ") and line.endswith(": better") for line in lines)
    assert "note: majority learnt the majority label, soft learnt the shares of the raters" in lines
    assert not any("different versions" in line for line in lines)
    content = json.loads((here / "c.json").read_text())
    COMPARISON.validate(content)
    assert [row["metric"] for row in content["pairs"][0]["metrics"]] == [
        *("accuracy", "uar", "f1_weighted", "cross_entropy", "jsd")
    ]
    only = run("majority", "soft", "--metric", "jsd,accuracy").stdout.splitlines()
    assert [
        line.partition(":")[0] for line in only if ": " in line and "interval " in line and "by speaker" in line
    ] == [
        "Jensen-Shannon divergence",
        "accuracy",
    ]


def test_votes_count_where_both_runs_hold_the_same(here):
    own = make_voted_set()
    stored("a", own)
    stored("b", changed(own, votes=None))
    assert "cross-entropy" not in run("a", "b").stdout
    other = own.predictions.votes.copy()
    other[0] = np.roll(other[0], 1)
    stored("c", changed(own, votes=other))
    shown = run("a", "c").stdout
    assert "note: the runs hold different votes of raters, so probabilities are not compared with votes" in shown
    assert "cross-entropy" not in shown
    some = own.predictions.votes.copy()
    some[::2] = np.nan
    for name in ("d", "e"):
        stored(name, changed(own, votes=some))
    row = compare(["d", "e"], here / "ckpt", "test", ["cross_entropy"]).pairs[0].metrics[0]
    shares = softmax(own.predictions.logits.mean(0))
    assert row.a == pytest.approx(-(some * np.log(shares)).sum(1)[1::2].mean())
    assert row.verdict == "no difference"


def test_few_speakers_have_divergences_one_by_one(here):
    own = make_voted_set(speakers=3)
    stored("a", own)
    stored("b", soft(changed(own, logits=own.predictions.logits / 4)))
    lines = run("a", "b").stdout.splitlines()
    first = lines.index("Jensen-Shannon divergence by speaker")
    assert [line.split()[0] for line in lines[first + 2 : first + 5]] == ["test-0", "test-1", "test-2"]


# The whole chain


def test_trained_runs_are_compared(here):
    write_scored(here, scored_corpus(raters=2))
    for loss in ("mse", "ccc"):
        words = ("--recipe", "tiny.yaml", "--name", loss, "--set", f"training.loss={loss}")
        assert run_command("train", *words).exit_code == 0
        assert run_command("ensemble", "--name", loss, "--split", "valid,test").exit_code == 0
    result = run("mse", "ccc", "--json", "c.json")
    assert result.exit_code == 0, result.output
    own = read_set(here / "ckpt/mse", "test").predictions
    row = json.loads((here / "c.json").read_text())["pairs"][0]["metrics"][0]
    k = json.loads((here / "ckpt/mse/size.json").read_text())["k"]
    assert row["a"] == pytest.approx(ccc_and_mae(own.targets, own.logits[:k].mean(0))["ccc"].mean(), abs=1e-6)
    assert "chosen on validation by CCC" in result.stdout


def test_trained_runs_with_soft_and_majority_labels_are_compared(here):
    write_tiny(here / "data", voted_corpus())
    for labels in ("majority", "soft"):
        (here / f"{labels}.yaml").write_text(resolved(voted_recipe(labels)))
        assert run_command("train", "--recipe", f"{labels}.yaml", "--name", labels).exit_code == 0
        assert run_command("ensemble", "--name", labels, "--split", "valid,test").exit_code == 0
    result = run("majority", "soft", "--json", "c.json")
    assert result.exit_code == 0, result.output
    [pair] = json.loads((here / "c.json").read_text())["pairs"]
    assert (pair["only_a"], pair["only_b"]) == (0, 0)  # ties are in neither test set
    assert {row["metric"] for row in pair["metrics"]} >= {"cross_entropy", "jsd"}
