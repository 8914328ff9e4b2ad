"""Curves for TensorBoard: what its own reader finds in them, live, after a kill and for members that were done."""

import json
from dataclasses import asdict, replace

import pytest
from builders import CPU, tiny_recipe, write_tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.errors import UsageError
from sertool.core.files.artifacts import write_json_lines
from sertool.core.runs import tensorboard as tracking
from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.folder import read_history
from sertool.core.runs.plan import plan_training
from sertool.core.runs.tensorboard import check_tensorboard, tracked
from sertool.core.runs.train import train_recipe
from sertool.core.training.loop import Epoch

TAGS = ["learning_rate", "loss", "valid/accuracy"]


def curves(folder):
    """Read what TensorBoard reads from a member's folder: (epoch, value) by tag, in the order of the file."""
    accumulator = EventAccumulator(str(folder), purge_orphaned_data=False)
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in sorted(tags)}


def in_history(run):
    rows = [asdict(row) for row in read_history(run)]
    keys = {"learning_rate": "learning_rate", "loss": "loss", "valid/accuracy": "score"}
    return {tag: [(row["epoch"], pytest.approx(row[key])) for row in rows] for tag, key in keys.items()}


@pytest.fixture
def planned(tmp_path):
    """Gives a plan of the same training in the same folder; each call sees what is done by then."""
    data = write_tiny(tmp_path / "data")

    def plan(**sections):
        experiment = open_experiment(tiny_recipe(**sections), data)
        seeds = range(1, experiment.recipe.training.runs + 1)
        return plan_training(experiment, tmp_path / "tiny", list(seeds), None, CPU), data

    return plan


def test_every_member_has_its_curves(planned):
    plan, data = planned()
    list(tracked(plan, train_recipe(plan, data, CPU)))
    folder = plan.folder / "tensorboard"
    assert sorted(path.name for path in folder.iterdir()) == ["run-1", "run-2", "run-3"]
    for path in folder.iterdir():
        found = curves(path)
        assert list(found) == TAGS
        assert found["loss"]
        assert found == in_history(plan.folder / path.name)


def test_folds_have_theirs(planned):
    plan, data = planned(
        splits={"scheme": "folds", "folds": 3, "group": "speaker"}, training={"runs": 1, "max_epochs": 1}
    )
    list(tracked(plan, train_recipe(plan, data, CPU)))
    names = sorted(path.name for path in (plan.folder / "tensorboard").iterdir())
    assert names == ["run-1-0", "run-1-1", "run-1-2"]


def test_they_grow_after_each_epoch(planned):
    plan, data = planned(training={"patience": None})
    seen = []
    for event in tracked(plan, train_recipe(plan, data, CPU)):
        if isinstance(event, Epoch):
            seen.append([step for step, _ in curves(plan.folder / "tensorboard" / "run-2")["loss"]])
    assert seen == [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]


@pytest.mark.parametrize(("share", "saved"), [(1e9, (2, 3)), (1e-9, ())], ids=["often", "never"])
def test_a_killed_training_goes_on_without_a_doubled_point(planned, monkeypatch, share, saved):
    """Without a saved state the curves have reached epochs that are trained again."""
    monkeypatch.setattr(runs, "SAVING_SHARE", share)
    settings = {"patience": None, "max_epochs": 5}
    plan, data = planned(training=settings)
    events = tracked(plan, train_recipe(plan, data, CPU))
    while not (isinstance(event := next(events), Epoch) and event.number == 3):
        pass
    events.close()

    plan, data = planned(training=settings)
    events = tracked(plan, train_recipe(plan, data, CPU))
    resumed = [event.epoch for event in events if isinstance(event, runs.Resumed)]
    assert len(resumed) == (1 if saved else 0)
    assert set(resumed) <= set(saved)
    for run in ("run-1", "run-2", "run-3"):
        found = curves(plan.folder / "tensorboard" / run)
        assert [step for step, _ in found["loss"]] == [1, 2, 3, 4, 5]
        assert found == in_history(plan.folder / run)


def test_a_training_that_begins_anew_shows_nothing_of_the_one_before(planned):
    """Its state may have been deleted, as the hint for a damaged one says."""
    plan, data = planned()
    old = {"epoch": 1, "loss": 99.0, "score": 0.0, "learning_rate": 1.0, "outcome": "better"}
    write_json_lines(plan.folder / "run-1" / "history.jsonl", [{**old, "epoch": epoch} for epoch in (1, 2)])
    list(tracked(plan, train_recipe(plan, data, CPU)))
    assert curves(plan.folder / "tensorboard" / "run-1") == in_history(plan.folder / "run-1")


def test_an_epoch_that_a_cluster_gives_again_is_written_once(planned):
    plan, data = planned(training={"patience": None})
    events = list(train_recipe(plan, data, CPU))
    again = [event for event in events if isinstance(event, Epoch) and event.number == 2]
    plan = replace(plan, done=frozenset())
    list(tracked(plan, [*events[:-1], *again, events[-1]]))
    assert [step for step, _ in curves(plan.folder / "tensorboard" / "run-3")["loss"]] == [1, 2, 3, 4]


def test_members_that_were_done_get_their_curves_too(planned):
    plan, data = planned()
    list(train_recipe(plan, data, CPU))
    assert not (plan.folder / "tensorboard").exists()
    for _ in range(2):
        plan, data = planned()
        assert len(plan.done) == 3
        list(tracked(plan, train_recipe(plan, data, CPU)))
        files = list((plan.folder / "tensorboard" / "run-1").iterdir())
        assert len(files) == 1
        assert curves(files[0].parent) == in_history(plan.folder / "run-1")


def test_tracking_changes_no_other_file(planned, tmp_path):
    plan, data = planned()
    list(train_recipe(plan, data, CPU))
    plain = {path.name: path.read_bytes() for path in (plan.folder / "run-1").iterdir()}
    plan.folder.rename(tmp_path / "plain")
    plan, data = planned()
    list(tracked(plan, train_recipe(plan, data, CPU)))
    assert {path.name: path.read_bytes() for path in (plan.folder / "run-1").iterdir()} == plain


def test_the_command_writes_them(tmp_path):
    write_tiny(tmp_path / "data")
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(json.dumps(tiny_recipe(training={"runs": 1, "max_epochs": 2}).model_dump(mode="json")))
    places = ["--data", str(tmp_path / "data"), "--output", str(tmp_path / "ckpt")]
    done = CliRunner().invoke(app, ["train", "--recipe", str(recipe), "--tensorboard", *places])
    assert done.exit_code == 0, done.output
    assert [step for step, _ in curves(tmp_path / "ckpt/tiny/tensorboard/run-1")["loss"]] == [1, 2]


def test_a_missing_package_is_told_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^--tensorboard needs the package tensorboard$") as caught:
        check_tensorboard()
    assert caught.value.hint == "pip install 'sertool[track]'"
    done = CliRunner().invoke(app, ["train", "--recipe", "demo", "--tensorboard", "--output", str(tmp_path)])
    assert done.exit_code == 2
    assert "--tensorboard needs the package tensorboard" in done.output
    assert not list(tmp_path.iterdir())
