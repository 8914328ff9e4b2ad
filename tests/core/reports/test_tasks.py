"""Tables of a data set and task: the runs, their paired difference, published figures, missing results."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import tiny_recipe
from faulty_runs import PAPERS
from scored_sets import make_score_set
from stored_sets import changed, make_origin, make_set, report, write_run

from sertool.core.metrics.classification import METRICS
from sertool.core.recipe.load import load
from sertool.core.reports.build import build_report
from sertool.core.reports.contents import Report
from sertool.core.reports.html.page import render
from sertool.core.reports.latex import latex_files
from sertool.core.reports.text.markdown import to_markdown
from sertool.core.reports.text.terminal import show


def pair(folder: Path, honest_ids: range = range(400), *, speakers: int = 10, **changes) -> Report:
    """A paper's run, and an honest one that is worse and was judged on the utterances of these numbers."""
    test, rows = make_set("test", speakers=speakers), [number % 400 for number in honest_ids]
    write_run(folder / "tiny", replace(test, origin=PAPERS))
    own = test.predictions
    noise = np.random.default_rng(2).normal(0, 2, own.logits.shape).astype(np.float32)
    origin = make_origin(tiny_recipe(name="tiny-honest"), counts={"train": 700, "test": 400})
    honest = changed(
        replace(test, origin=origin, spoken=tuple(test.spoken[row] for row in rows)),
        ids=tuple(f"test{number}" for number in honest_ids),
        utterances=tuple(honest_ids),
        targets=own.targets[rows],
        logits=(own.logits + noise)[:, rows],
    )
    write_run(folder / "tiny-honest", changed(honest, **changes))
    return report(folder)


def test_paper_less_honest_is_paired_over_the_same_utterances(tmp_path):
    (task,) = pair(tmp_path).tasks
    on_test = [make_set("test").predictions.metric("accuracy", k) for k in (1, 2, 3)]
    assert [(row.run, row.protocol, row.k) for row in task.ours] == [
        ("tiny", "paper", 1 + int(np.argmax(on_test))),
        ("tiny-honest", "honest", 3),
    ]
    rows = {row.metric: row for row in task.differences}
    assert list(rows) == list(METRICS)
    difference = rows["accuracy"].difference
    figures = [row.metrics["accuracy"].value for row in task.ours]
    assert difference.value == pytest.approx(figures[0] - figures[1])
    assert 0 < difference.low < difference.value < difference.high
    assert rows["accuracy"].p < 0.05
    assert {row.note for row in task.differences} == {
        "the honest run was trained on 700 utterances, the paper's run on 800 utterances"
    }


def test_the_difference_is_over_shared_utterances_and_says_so(tmp_path):
    (task,) = pair(tmp_path, range(150, 500)).tasks
    row = task.differences[0]
    assert row.note.startswith("over the 250 utterances that both runs cover; ")
    assert row.difference.low is not None


def test_the_difference_over_few_speakers_says_why_it_has_no_interval(tmp_path):
    (task,) = pair(tmp_path, speakers=3).tasks
    row = task.differences[0]
    assert (row.difference.low, row.p) == (None, None)
    assert row.note.startswith("3 test speakers: too few for an interval (5 are needed); cross-validate with ")


def test_without_shared_utterances_or_with_other_labels_there_is_no_interval(tmp_path):
    (task,) = pair(tmp_path, range(400, 800)).tasks
    row = task.differences[0]
    assert (row.difference.low, row.p) == (None, None)
    assert row.note.startswith("the test utterances differ, so there is no interval; ")
    (task,) = pair(tmp_path, targets=np.zeros(400, np.int64)).tasks
    assert task.differences[0].note.startswith("the labels of the same utterances differ, so there is no interval; ")


def test_runs_that_differ_in_more_than_protocol_are_not_set_against_each_other(tmp_path):
    write_run(tmp_path / "tiny", make_set("test", origin=PAPERS))
    larger = tiny_recipe(name="larger", model={"hidden_size": 16})
    write_run(tmp_path / "larger", make_set("test", origin=make_origin(larger)))
    (task,) = report(tmp_path).tasks
    assert len(task.ours) == 2
    assert task.differences == ()


def test_published_figures_are_the_recipes(tmp_path):
    recipe = load("iemocap")
    origin = make_origin(recipe, dataset="IEMOCAP", selected_on_test=True)
    write_run(tmp_path / "iemocap", make_set("test", classes=list("abcd"), origin=origin))
    (task,) = report(tmp_path).tasks
    assert [(row.metric, row.value, row.members) for row in task.published] == [
        ("accuracy", 787 / 1085, 5),
        ("f1_weighted", 0.74, None),
    ]


def test_expected_recipes_without_a_result_say_what_to_do(tmp_path):
    (tmp_path / "data/VGAF").mkdir(parents=True)
    folder = tmp_path / "ckpt"
    (folder / "meld/run-1").mkdir(parents=True)
    (folder / "meld/run-1/run.json").write_text("{}")
    write_run(folder / "tiny", make_set("test"))
    data = tmp_path / "data"
    made = build_report(["tiny"], folder, data, expect=["iemocap", "vgaf", "meld", "emodb"])
    lines = {line for task in made.tasks for line in task.missing}
    places = f"--data {data} --output {folder}"
    assert lines == {
        f"iemocap: needs {data}/IEMOCAP: sertool fetch-data data",
        f"vgaf: not trained yet: sertool train --recipe vgaf {places}",
        f"meld: not evaluated yet: sertool ensemble --name meld --split test {places}",
        f"emodb: needs {data}/EMODB: sertool recipes show emodb",
    }
    assert [(task.dataset, task.task) for task in made.tasks][:2] == [
        ("TINY", "emotion"),
        ("IEMOCAP", "emotion"),
    ]


def test_published_stands_for_the_recipes_of_the_published_data_sets(tmp_path):
    made = report(tmp_path, expect=["published"])
    names = [line.partition(":")[0] for task in made.tasks for line in task.missing]
    assert len(names) == len(set(names)) == 21
    assert not {"demo", "custom", "emodb", "iemocap-tuned"} & set(names)
    assert made.runs == made.problems == ()


def test_an_expected_run_is_reported_without_being_named(tmp_path):
    write_run(tmp_path / "vgaf", make_set("test", origin=make_origin(load("vgaf"), dataset="VGAF")))
    made = report(tmp_path, expect=["vgaf"])
    assert [run.name for run in made.runs] == ["vgaf"]
    assert made.tasks[0].missing == ()


def folded(**changes):
    """A test set of five folds; each of the members has its own."""
    stored = make_set("test", origin=make_origin(folds=5, counts={"train": 339, "valid": 339, "test": 339}, **changes))
    members = tuple(
        replace(member, name=f"{member.name}-{fold}", fold=fold)
        for member in stored.predictions.members
        for fold in range(5)
    )
    return changed(stored, members=members)


def test_in_cross_validation_the_utterances_of_training_are_given_per_fold(tmp_path):
    write_run(tmp_path / "tiny", folded(trained=[201, 203, 201, 207, 205]))
    built = report(tmp_path)
    (row,), (run,) = built.tasks[0].ours, built.runs
    assert row.train == (201, 203, 201, 207, 205)
    assert run.provenance["corpus"] == "TINY: 339 utterances in 5 folds, trained on 201 to 207 utterances per fold"
    assert {one.train for one in run.sets["test"].classes} == {None}  # over all folds it is the whole corpus
    texts = ("\n".join(show(built, 200)), to_markdown(built), render(built))
    assert all("trained on 201 to 207 utterances per fold" in text.replace("\u00a0", " ") for text in texts)
    assert not any("trained on 339" in text for text in texts)


def test_predictions_made_before_know_only_the_whole_corpus(tmp_path):
    write_run(tmp_path / "tiny", folded())
    (row,), (run,) = report(tmp_path).tasks[0].ours, report(tmp_path).runs
    assert row.train == ()
    assert run.provenance["corpus"] == "TINY: 339 utterances in 5 folds, trained on parts of 339 utterances"


def test_the_log_tells_class_counts_from_decisions(tmp_path):
    """The first two entries are of an earlier version, which wrote no use."""
    folder = write_run(tmp_path / "tiny", make_set())
    with (folder / "log.jsonl").open("a") as file:
        for use, purpose in (("class counts", "counted again"), ("decisions", "the doctor decided")):
            read = {"read": "test labels", "time": "t", "by": "x", "purpose": purpose, "use": use, "utterances": 400}
            file.write(json.dumps(read) + "\n")
    built = report(tmp_path)
    uses = [(one.by, one.use) for one in built.runs[0].reads]
    assert uses == [
        *(("sertool train", "class counts"), ("sertool ensemble", "decisions")),
        *(("x", "class counts"), ("x", "decisions")),
    ]
    lines = show(built, 200)
    assert "decisions were compared with the test labels by sertool ensemble, x" in lines
    assert "the test labels were counted, without any decision, by sertool train, x" in lines
    (often,) = (one for one in built.runs[0].findings if one.kind == "read-often")
    assert "evaluation 2 times" in often.text


def test_scores_and_classes_of_one_label_have_a_table_each(tmp_path):
    """As MOSI's sentiment, which some recipes predict as seven classes and others as a score."""
    write_run(tmp_path / "regressed", make_score_set(scores=("sentiment",)))
    write_run(tmp_path / "decided", make_set(origin=make_origin(task="sentiment")))
    own = report(tmp_path)
    assert {(task.task, task.name, task.kind) for task in own.tasks} == {
        ("sentiment", "sentiment", "single"),
        ("sentiment", "sentiment score", "scores"),
    }
    for task in own.tasks:
        assert [row.run for row in task.ours] == ["regressed" if task.kind == "scores" else "decided"]
    shown = "\n".join(show(own, 120))
    assert "TINY · sentiment · test" in shown
    assert "TINY · sentiment score · test" in shown
    assert 'class="side"' not in render(own)  # there is nothing to set side by side
    paths = [path for path, _ in latex_files(own)]
    assert len(paths) == len(set(paths))
    assert {"TINY-sentiment.tex", "TINY-sentiment-score.tex"} <= set(paths)
