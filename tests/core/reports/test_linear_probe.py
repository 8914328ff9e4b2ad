"""A run beside its linear probe: found by its name or named, judged by the paired difference, refused where unlike."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import tiny_recipe
from report_pages import parsed, text_of
from scored_corpora import scored_recipe
from scored_sets import make_score_set, score_origin
from stored_sets import changed, make_origin, make_set, report, write_run

from sertool.core.errors import DataError, UsageError
from sertool.core.reports.data_files import figure_rows, to_json
from sertool.core.reports.html.page import render
from sertool.core.reports.text.markdown import to_markdown
from sertool.core.reports.text.terminal import show


def linear_recipe(**sections):
    model = {"architecture": "linear", **sections.pop("model", {})}
    return tiny_recipe(model=model, **sections)


def pair(folder: Path, noise: float, *, speakers=10, name="tiny-linear", number=400, **sections) -> Path:
    """A run and its linear probe, whose logits are the run's and some noise: a worse model for a positive one."""
    test = make_set("test", speakers=speakers)
    valid, own = make_set("valid", 200, speakers=speakers), test.predictions
    write_run(folder / "tiny", test, valid)
    noisy = own.logits + np.random.default_rng(2).normal(0, noise, own.logits.shape).astype(np.float32)
    other = changed(
        replace(test, origin=make_origin(linear_recipe(**sections)), spoken=test.spoken[:number]),
        logits=noisy[:, :number],
        targets=own.targets[:number],
        ids=own.ids[:number],
        utterances=own.utterances[:number],
    )
    write_run(folder / name, other, replace(valid, origin=other.origin))
    return folder


def beside(folder: Path, **options):
    (run,) = report(folder, "tiny", **options).runs
    return run.linear


def test_a_fusion_that_is_better_earns_its_keep(tmp_path):
    linear = beside(pair(tmp_path, 4.0))
    figures = {one.metric: one for one in linear.figures}
    assert list(figures) == ["accuracy", "uar", "f1_macro", "f1_weighted"]
    accuracy = figures["accuracy"]
    assert accuracy.difference.value == pytest.approx(accuracy.run - accuracy.linear)
    assert 0 < accuracy.difference.low < accuracy.difference.value < accuracy.difference.high
    assert (linear.name, linear.k, linear.members, linear.judged_by, linear.notes) == (
        "tiny-linear",
        3,
        3,
        "accuracy",
        (),
    )
    assert linear.verdict == "better"
    assert linear.sentence.startswith("the fusion earns its keep beside its linear probe: accuracy +")
    assert "points (95 % interval " in linear.sentence


def test_a_fusion_like_its_linear_probe_is_not_shown_to_be_better(tmp_path):
    linear = beside(pair(tmp_path, 0.3))
    assert linear.verdict in ("not shown to be better", "not shown to be worse", "not shown to be different")
    assert linear.sentence.startswith("the fusion is not shown to be better than its linear probe: accuracy ")


def test_a_model_that_is_worse_says_so_and_one_of_audio_alone_is_no_fusion(tmp_path):
    linear, fusion = (make_origin(recipe(dataset={"modalities": ["audio"]})) for recipe in (linear_recipe, tiny_recipe))
    good, bad = make_set("test", origin=linear), make_set("test", origin=fusion, seed=3)
    write_run(tmp_path / "good-linear", good)
    write_run(tmp_path / "good", changed(bad, targets=good.predictions.targets))
    (run,) = report(tmp_path, "good").runs
    assert run.linear.verdict == "worse"
    assert run.linear.sentence.startswith("the MAT is worse than its linear probe: accuracy -")


def test_few_speakers_cannot_tell(tmp_path):
    linear = beside(pair(tmp_path, 4.0, speakers=3))
    assert linear.verdict == "cannot tell"
    assert linear.sentence.startswith("3 speakers cannot tell whether the fusion is better than its linear probe: ")
    assert linear.sentence.endswith(" points, higher for 3 of 3 speakers")


def test_every_output_shows_it(tmp_path):
    made = report(pair(tmp_path, 4.0), "tiny")
    sentence = made.runs[0].linear.sentence
    assert to_json(made)["runs"][0]["linear"]["sentence"] == sentence
    for text in ("\n".join(show(made, 100)), to_markdown(made), text_of(parsed(render(made)))):
        words = " ".join(text.split())
        assert sentence.removeprefix("the ") in words
        assert "tiny-linear" in words
    rows = [row for row in figure_rows(made) if "tiny-linear" in str(row)]
    assert {row[7] for row in rows} == {"linear probe", "difference"}
    assert made.summary[2].lower() == f"{sentence}.".lower()


def test_no_probe_is_no_row(tmp_path):
    write_run(tmp_path / "tiny", make_set("test"))
    write_run(tmp_path / "tiny-linear-linear", make_set("test"))
    assert [run.linear for run in report(tmp_path).runs] == [None, None]


def test_a_probe_may_be_named_and_other_settings_are_told(tmp_path):
    folder = pair(tmp_path, 4.0, name="probe", training={"learning_rate": 0.1})
    assert beside(folder) is None
    linear = beside(folder, linear="probe")
    assert linear.notes == ("probe has other settings: training.learning_rate 0.01 -> 0.1",)


def test_a_neighbour_with_other_input_is_left_out_and_the_report_says_so(tmp_path):
    made = report(pair(tmp_path, 4.0, dataset={"max_text_length": 4}), "tiny")
    assert made.runs[0].linear is None
    assert made.problems == (
        "tiny-linear is not shown beside tiny: its input differs: dataset.max_text_length 5 -> 4; "
        "--linear tiny-linear shows it all the same",
    )
    assert beside(tmp_path, linear="tiny-linear").verdict == "better"


def test_other_utterances_or_another_architecture_are_refused(tmp_path):
    pair(tmp_path, 4.0, number=390)
    with pytest.raises(DataError, match="have different test utterances: 0 only in the first, 10 only in the second"):
        report(tmp_path, "tiny", linear="tiny-linear")
    assert "have different test utterances" in report(tmp_path, "tiny").problems[0]
    write_run(tmp_path / "mnt", make_set("test", origin=make_origin(tiny_recipe(model={"architecture": "mnt"}))))
    with pytest.raises(UsageError, match="mnt: its architecture is mnt, expected linear"):
        report(tmp_path, "tiny", linear="mnt")
    with pytest.raises(UsageError, match="tiny-linear is a linear probe itself"):
        report(tmp_path, "tiny-linear", linear="tiny-linear")
    with pytest.raises(UsageError, match="no such run"):
        report(tmp_path, "tiny", linear="nothing")
    with pytest.raises(UsageError, match="is the linear probe of one run, expected one --name"):
        report(tmp_path, "tiny", "mnt", linear="tiny-linear")


@pytest.mark.parametrize(("select", "name", "sign"), [("ccc", "CCC", "+"), ("mae", "MAE", "-")])
@pytest.mark.parametrize("speakers", [10, 3])
def test_a_model_of_scores_is_judged_by_its_metric_in_its_units(tmp_path, select, name, sign, speakers):
    recipes = [scored_recipe(training={"select": select}, model={"architecture": one}) for one in ("mat", "linear")]
    for folder, noise, recipe in zip(("tiny", "tiny-linear"), (0.1, 0.25), recipes, strict=True):
        origin = score_origin(recipe=recipe)
        sets = [
            make_score_set(one, noise=noise, origin=origin, missing=9, speakers=speakers) for one in ("test", "valid")
        ]
        write_run(tmp_path / folder, *sets)
    linear = beside(tmp_path)
    assert [one.metric for one in linear.figures] == ["ccc", "pearson", "mae", "rmse", "r2"]
    judged = next(one for one in linear.figures if one.metric == select)
    assert judged.difference.value == pytest.approx(judged.run - judged.linear)
    told = f"its linear probe: {name} {sign}{abs(judged.difference.value):.3f}"
    if speakers == 3:
        word = "higher" if select == "ccc" else "lower"
        assert linear.sentence == (
            f"3 speakers cannot tell whether the fusion is better than {told}, {word} for 3 of 3 speakers"
        )
        return
    assert linear.verdict == "better"
    interval = f"{judged.difference.low:.3f} to {judged.difference.high:.3f}"
    assert linear.sentence == f"the fusion earns its keep beside {told} (95 % interval {interval})"
