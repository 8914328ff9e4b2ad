"""Tables of a data set and task: the runs, their paired difference, published figures, missing results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import tiny_recipe
from faulty_runs import PAPERS
from stored_sets import changed, make_origin, make_set, report, write_run

from sertool.core.metrics.classification import METRICS
from sertool.core.recipe.load import load
from sertool.core.reports.build import build_report
from sertool.core.reports.contents import Report


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
    assert lines == {
        f"iemocap: needs {data}/IEMOCAP: sertool fetch-data data",
        "vgaf: not trained yet: sertool train --recipe vgaf",
        "meld: not evaluated yet: sertool ensemble --name meld --split test",
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
