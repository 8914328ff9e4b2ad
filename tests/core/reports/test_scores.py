"""Figures of predicted scores in a report: means, each score, residuals, coverage, slices, the table beside others."""

import json
import math
from dataclasses import replace

import audmetric
import jsonschema
import numpy as np
import pytest
from json_results import schemas
from report_pages import rows_of
from scipy import stats
from score_example import scores_report
from scored_corpora import scored_recipe
from scored_sets import make_score_set, score_origin
from sklearn import metrics as sklearn
from stored_sets import changed, only, report, write_run

from sertool.core.files.csv_text import csv_text
from sertool.core.metrics import Estimate
from sertool.core.reports.data_files import figure_rows, to_json
from sertool.core.reports.html.page import render
from sertool.core.reports.score_contents import IntervalRow
from sertool.core.reports.score_findings import score_findings
from sertool.core.reports.text.markdown import to_markdown
from sertool.core.reports.text.terminal import show
from sertool.core.runs.predictions import MemberScore


@pytest.fixture
def scored(tmp_path):
    """A folder with one clean run of two scores."""
    write_run(tmp_path / "tiny", make_score_set("test", missing=7), make_score_set("valid", 200))
    return tmp_path


def known_of(stored, place, k=3):
    """The true and the predicted scores of one dimension, where a true one is known."""
    own = stored.predictions
    known = np.isfinite(own.targets[:, place])
    return own.targets[known, place], own.ensemble_logits(k)[known, place].astype(np.float64)


def test_each_score_has_the_figures_of_other_packages(scored):
    stored, test = make_score_set("test", missing=7), only(scored).sets["test"]
    assert (test.kind, test.classes, test.confusion, test.calibration, test.rows) == ("scores", (), None, None, ())
    for place, one in enumerate(test.dimensions):
        true, said = known_of(stored, place)
        expected = {
            "ccc": audmetric.concordance_cc(true, said),
            "pearson": stats.pearsonr(true, said).statistic,
            "mae": sklearn.mean_absolute_error(true, said),
            "rmse": sklearn.root_mean_squared_error(true, said),
            "r2": sklearn.r2_score(true, said),
        }
        for name, value in expected.items():
            assert one.metrics[name].value == pytest.approx(value, abs=1e-6)
            assert one.metrics[name].low < value < one.metrics[name].high
        assert one.utterances == len(true)
        assert (one.true.mean, one.true.sd) == pytest.approx((true.mean(), true.std()))
        assert (one.predicted.mean, one.predicted.sd) == pytest.approx((said.mean(), said.std()), abs=1e-6)
        mean = stored.origin.train_means[place]
        assert one.baseline["mae"] == pytest.approx(np.abs(true - mean).mean())
        assert one.baseline["r2"] == pytest.approx(sklearn.r2_score(true, np.full(len(true), mean)))
        assert (one.baseline["ccc"], one.baseline["pearson"]) == (0, 0)
    assert [one.utterances for one in test.dimensions] == [400, 342]
    for name, mean in test.metrics.items():
        assert mean.value == pytest.approx(np.mean([one.metrics[name].value for one in test.dimensions]))


def test_members_and_sizes_have_the_mean_figures(scored):
    test = only(scored).sets["test"]
    assert list(test.members[0].metrics) == ["ccc", "pearson", "mae", "rmse", "r2"]
    assert test.sizes[-1].metrics["mae"] == pytest.approx(test.metrics["mae"].value)
    assert test.spread["ccc"].mean == pytest.approx(np.mean([one.metrics["ccc"] for one in test.members]))


def test_an_error_that_selects_is_shown_as_it_is(tmp_path):
    origin = score_origin(recipe=scored_recipe(training={"select": "mae"}))
    sets = [make_score_set(name, origin=origin) for name in ("test", "valid")]
    members = [replace(one, validation=-0.4) for one in sets[0].predictions.members]  # stored with a minus
    write_run(tmp_path / "tiny", *(changed(one, members=tuple(members)) for one in sets))
    (tmp_path / "tiny" / "run-1").mkdir()
    epoch = '{"epoch": 1, "loss": 1.0, "score": -0.5, "learning_rate": 0.1, "outcome": "better", "seconds": 1.0}'
    (tmp_path / "tiny" / "run-1" / "history.jsonl").write_text(epoch + "\n")
    run = only(tmp_path)
    assert [one.validation for one in run.sets["test"].members] == [0.4] * 3
    assert [one.score for one in run.histories["run-1"]] == [0.5]


def test_residuals_by_speaker_are_students_and_in_order(scored):
    stored, test = make_score_set("test", missing=7), only(scored).sets["test"]
    true, said = known_of(stored, 0)
    speakers = np.array([one.speaker for one in stored.spoken])
    rows = test.dimensions[0].speakers
    assert len(rows) == 10
    assert [one.mean.value for one in rows] == sorted(one.mean.value for one in rows)
    for one in rows:
        apart = (said - true)[speakers == one.name]
        found = stats.ttest_1samp(apart, 0)
        interval = found.confidence_interval(0.95)
        assert (one.mean.low, one.mean.high) == pytest.approx((interval.low, interval.high), abs=1e-6)
        assert one.median == pytest.approx(np.median(apart), abs=1e-6)
        assert one.p >= found.pvalue
        assert (one.utterances, one.biased) == (40, False)


def test_residuals_by_range_show_regression_to_the_mean(tmp_path):
    write_run(tmp_path / "tiny", make_score_set("test", slope=0.3, noise=0.04), make_score_set("valid", 200))
    bins = only(tmp_path).sets["test"].dimensions[0].bins
    true, said = known_of(make_score_set("test", slope=0.3, noise=0.04), 0)
    assert [(one.low, one.high) for one in bins] == [(1 + place / 2, 1.5 + place / 2) for place in range(8)]
    assert sum(one.utterances for one in bins) == 400
    assert bins[0].residual.low > 0 > bins[-1].residual.high
    inside = (true >= 2) & (true < 2.5)
    assert bins[2].residual.value == pytest.approx((said - true)[inside].mean(), abs=1e-6)
    assert bins[-1].utterances == (true >= 4.5).sum()  # with those at the very end of the range


def test_intervals_are_fitted_on_validation_and_judged_on_test(scored):
    run = only(scored)
    for place, one in enumerate(run.sets["test"].dimensions):
        valid = known_of(make_score_set("valid", 200), place)
        test = known_of(make_score_set("test", missing=7), place)
        apart = np.sort(np.abs(valid[0] - valid[1]))
        half = apart[math.ceil((len(apart) + 1) * 0.9) - 1]
        assert one.intervals.half == pytest.approx(half)
        assert one.intervals.covered.value == pytest.approx((np.abs(test[0] - test[1]) <= half).mean())
        assert one.intervals.width < 2 * half  # cut to the range
    assert [one.intervals.covered for one in run.sets["valid"].dimensions] == [None, None]
    assert run.provenance["intervals"] == "intervals of 90 %, fitted on validation for the first 3 members"
    assert run.provenance["scores"] == "valence from 1 to 5, arousal from 0 to 10"


def test_intervals_are_never_fitted_on_test(tmp_path):
    origin = score_origin(recipe=scored_recipe(protocol="paper"), selected_on_test=True)
    write_run(tmp_path / "tiny", *(make_score_set(name, origin=origin) for name in ("test", "valid")))
    run = only(tmp_path)
    assert run.provenance["intervals"].startswith("none: validation is the test split")
    assert run.sets["test"].dimensions[0].intervals.half is None


def test_a_slice_with_a_larger_error_is_weak(tmp_path):
    test = make_score_set("test")
    logits, random = test.predictions.logits.copy(), np.random.default_rng(3)
    women = np.array([one.gender == "f" for one in test.spoken])
    logits[:, women] += random.normal(0, 2, (women.sum(), 2))
    test = changed(test, logits=logits)
    write_run(tmp_path / "tiny", test, make_score_set("valid", 200))
    run = only(tmp_path)
    rows = {(one.kind, one.name): one for one in run.sets["test"].score_slices}
    own = test.predictions
    apart = np.abs(own.ensemble_logits(3) - own.targets)
    mae = [np.nanmean(apart[mask], axis=0).mean() for mask in (women, ~women)]
    row = rows["gender", "f"]
    assert (row.mae.value, row.difference) == pytest.approx((mae[0], mae[0] - mae[1]))
    assert (row.weak, row.size, row.clusters) == (True, 200, 5)
    assert not rows["gender", "m"].weak
    said = [one.text for one in run.findings if one.kind == "weak-slice"]
    assert any(one.startswith(f"test: gender f: MAE {row.mae.value:.3f} (") for one in said)


def test_a_sentiment_score_has_the_fields_accuracies(tmp_path):
    sets = [make_score_set(name, scores=("sentiment",)) for name in ("test", "valid")]
    write_run(tmp_path / "tiny", *sets)
    test = only(tmp_path).sets["test"]
    true, said = known_of(sets[0], 0)
    assert test.scores["acc7"].value == pytest.approx(np.mean(np.round(true) == np.round(said.clip(-3, 3))))
    assert test.scores["acc2_without_zeros"].value == pytest.approx(np.mean((true > 0) == (said > 0)))
    assert test.dimensions[0].sentiment == test.scores
    assert test.baseline.metrics["acc2_with_zeros"] == pytest.approx(np.mean(true >= 0))  # the mean of training is 0
    (task,) = report(tmp_path).tasks
    assert (task.kind, "acc5" in task.ours[0].metrics) == ("scores", True)


def test_the_largest_residual_comes_first(scored):
    stored, test = make_score_set("test", missing=7), only(scored).sets["test"]
    own = stored.predictions
    shares = np.nanmax(np.abs(own.ensemble_logits(3) - own.targets) / (4, 10), axis=1)
    rows = sorted(test.scored, key=lambda one: one.order)
    assert rows[0].id == own.ids[int(shares.argmax())]
    assert rows[0].residual == pytest.approx(shares.max())
    assert test.scored[0].true[1] is None
    assert test.scored[1].spread == pytest.approx(own.logits[:, 1].std(0, ddof=1))


def test_protocols_are_compared_in_the_units_of_the_scores(tmp_path):
    paper = score_origin(recipe=scored_recipe(protocol="paper"), selected_on_test=True)
    write_run(tmp_path / "a", *(make_score_set(name, noise=0.1, origin=paper) for name in ("test", "valid")))
    write_run(tmp_path / "b", make_score_set("test"), make_score_set("valid"))
    made = report(tmp_path)
    rows = {row.metric: row for row in made.tasks[0].differences}
    figures = {run.name: run.sets["test"].metrics for run in made.runs}
    assert rows["mae"].difference.value == pytest.approx(figures["a"]["mae"].value - figures["b"]["mae"].value)
    assert rows["mae"].difference.high < 0
    assert rows["ccc"].p < 0.05
    lines = "\n".join(show(made, 120))
    assert f"{rows['mae'].difference.value:+.3f}" in lines


def test_texts_and_files_show_scores_in_their_units(scored):
    made = report(scored)
    test = made.runs[0].sets["test"]
    ccc, mae = (f"{test.metrics[name].value:.3f}" for name in ("ccc", "mae"))
    assert f"it reaches {ccc} CCC (95 % interval " in made.summary[1]
    assert f"{mae} MAE" in made.summary[1]
    assert ", means over 2 scores; always the mean reaches 0.000 CCC and " in made.summary[1]
    assert "trained on 800 utterances of TINY for scores of valence and arousal" in made.summary[0]
    assert f"CCC      {ccc}" in "\n".join(show(made, 120))
    assert "**test · residuals of arousal by speaker" in to_markdown(made)
    rows = rows_of(csv_text(figure_rows(made)))
    found = {(row["what"], row["name"], row["metric"]): row for row in rows if row["set"] == "test"}
    assert float(found["dimension", "arousal", "ccc"]["value"]) == test.dimensions[1].metrics["ccc"].value
    assert float(found["speaker", "valence: test-3", "residual"]["clusters"]) == 40
    content = to_json(made)["runs"][0]["sets"]["test"]
    assert content["scored"][0]["true"] == [pytest.approx(made.runs[0].sets["test"].scored[0].true[0]), None]


def test_a_small_validation_set_may_be_why_intervals_hold_too_little(scored):
    test = only(scored).sets["test"]
    covered = Estimate(0.84, 0.78, 0.89)

    def found(validated):
        intervals = IntervalRow(0.9, 1.0, covered, 1.8, validated=validated)
        changed = replace(test, dimensions=(replace(test.dimensions[0], intervals=intervals),))
        return dict(score_findings(changed)).get("under-covered")

    assert found(20) is None
    assert found(20_000) == (
        "valence: intervals of 90 % hold the true score of only 84.0 % (78.0 - 89.0) of the utterances"
    )


def test_members_of_folds_have_their_figures_on_their_own_fold(tmp_path):
    origin = score_origin(recipe=scored_recipe(splits={"scheme": "folds", "folds": 3}), folds=3)
    figures = {"ccc": 0.5, "mae": 1.25}
    members = tuple(
        MemberScore(f"run-{seed}-{fold}", fold, None, 0.6, figures) for seed in (1, 2, 3) for fold in range(3)
    )
    sets = (changed(make_score_set(name, origin=origin), members=members) for name in ("test", "valid"))
    write_run(tmp_path / "tiny", *sets)
    test = only(tmp_path).sets["test"]
    assert [member.metrics for member in test.members] == [figures] * 9
    assert (len(test.sizes), test.spread["ccc"].sd > 0) == (3, True)


def test_a_linear_probe_of_scores_is_judged_by_the_metric_that_selected(tmp_path):
    linear = score_origin(recipe=scored_recipe(model={"architecture": "linear"}, training={"select": "mae"}))
    own = score_origin(recipe=scored_recipe(training={"select": "mae"}))
    write_run(tmp_path / "tiny", *(make_score_set(name, noise=0.1, origin=own) for name in ("test", "valid")))
    write_run(tmp_path / "tiny-linear", *(make_score_set(name, origin=linear) for name in ("test", "valid")))
    run = next(run for run in report(tmp_path).runs if run.name == "tiny")
    mae = next(row for row in run.linear.figures if row.metric == "mae")
    assert (run.linear.judged_by, run.linear.verdict) == ("mae", "better")
    assert run.linear.sentence.startswith("the fusion earns its keep beside its linear probe: MAE -")
    assert mae.difference.value == pytest.approx(mae.run - mae.linear)
    text = to_markdown(report(tmp_path, "tiny"))
    assert f"| MAE | {mae.run:.3f} | {mae.linear:.3f} | {mae.difference.value:.3f} |" in text.replace("\\", "")


def test_json_of_scores_and_votes_is_as_the_page_says(tmp_path):
    content = {"format": "sertool-report/1", **to_json(scores_report(tmp_path))}
    schema = schemas()["sertool-report/1"]
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(content, allow_nan=False)))
    kinds = {run["name"]: run["kind"] for run in content["runs"]}
    assert kinds == {"scores": "scores", "narrow": "scores", "votes": "single"}


def test_published_figures_stand_beside_ours_in_their_units(tmp_path):
    published = [
        {"metric": "mae", "value": 0.551, "source": "a paper"},
        {"metric": "pearson", "value": 0.888, "source": "a paper"},
    ]
    origin = score_origin(("sentiment",), recipe=scored_recipe(published=published))
    sets = (make_score_set(name, scores=("sentiment",), origin=origin) for name in ("test", "valid"))
    write_run(tmp_path / "tiny", *sets)
    made = report(tmp_path)
    mae = made.runs[0].sets["test"].metrics["mae"].value
    lines = "\n".join(show(made, 140))
    row = next(line.split() for line in lines.splitlines() if line.startswith("published "))
    assert row[1:] == ["0.888", "0.551"]
    assert f"{mae:.3f} MAE (95 % interval" in made.summary[1]
    assert "published: 0.551)" in made.summary[1]
    page = render(made)
    assert "published 0.551" in page
    assert "MAE, lower is better" in page
