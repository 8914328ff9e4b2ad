"""A stack that does not fit into memory is halved until it does, and goes on from its last saved state."""

import os
import pickle
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from builders import CPU, NO_DROPOUT, make_corpus, tiny_recipe, write_tiny
from commands_run import refusal, run, tiny
from killed_training import DROPOUT, UNEVEN, Killed, contents, killing
from scarce_memory import ScarceTraining, limited

from sertool.core.compute.local import LocalLauncher
from sertool.core.compute.processes import ProcessLauncher
from sertool.core.errors import DataError, SertoolError
from sertool.core.files import artifacts
from sertool.core.runs import checkpoint, group
from sertool.core.runs import train as runs
from sertool.core.runs.checkpoint import select_state, write_state
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.group_files import GroupFiles
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, Resumed, train_recipe
from sertool.core.training import loop as training
from sertool.core.training.loop import Epoch

SEEDS = [1, 2, 3, 4, 5]


@pytest.fixture
def data(tmp_path):
    return write_tiny(tmp_path / "data", make_corpus({"train": 12, "valid": 24, "test": 6}))


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)


@pytest.fixture
def uneven(save_always, monkeypatch):
    """Let members leave the stack after different epochs."""

    def drawn(state, *_):
        return [random.Random(f"{member.name}/{state.epoch}").random() for member in state.members]

    monkeypatch.setattr(training, "validate", drawn)


def complete(recipe, data, folder, group_size=5, launcher=None):
    plan = plan_training(open_experiment(recipe, data), folder, SEEDS, group_size, CPU)
    return list(train_recipe(plan, data, CPU, launcher))


def scarce(patch, most, epochs=0):
    patch.setattr(group, "train", limited(group.train, most, epochs))


def notes(events) -> list[str]:
    return [event.text for event in events if isinstance(event, Note) and "memory" in event.text]


def history(folder, seed):
    return artifacts.read_json_lines(folder / f"run-{seed}/history.jsonl")


def test_at_the_first_step_the_halves_begin_anew(tmp_path, data, monkeypatch):
    """To the bit: the halves are the groups of --group-size 3, dropout included."""
    recipe = tiny_recipe(model=DROPOUT)
    complete(recipe, data, tmp_path / "groups", group_size=3)
    scarce(monkeypatch, 3)
    events = complete(recipe, data, tmp_path / "halved")
    assert notes(events) == ["out of memory with 5 members: they train as 3 and 2, from the beginning"]
    assert contents(tmp_path / "halved") == contents(tmp_path / "groups")


@pytest.mark.slow
def test_halves_are_halved_again(tmp_path, data, monkeypatch):
    recipe = tiny_recipe(model=DROPOUT)
    complete(recipe, data, tmp_path / "groups", group_size=1)
    scarce(monkeypatch, 1)
    events = complete(recipe, data, tmp_path / "halved")
    assert notes(events) == [
        "out of memory with 5 members: they train as 3 and 2, from the beginning",
        "out of memory with 3 members: they train as 2 and 1, from the beginning",
        "out of memory with 2 members: they train as 1 and 1, from the beginning",
        "out of memory with 2 members: they train as 1 and 1, from the beginning",
    ]
    assert contents(tmp_path / "halved") == contents(tmp_path / "groups")


def test_after_some_epochs_they_go_on_from_the_saved_state(tmp_path, data, monkeypatch, save_always):
    recipe = tiny_recipe(model=NO_DROPOUT, training={"max_epochs": 6})
    complete(recipe, data, tmp_path / "groups", group_size=3)
    scarce(monkeypatch, 3, epochs=4)
    events = complete(recipe, data, tmp_path / "halved")
    assert notes(events) == ["out of memory with 5 members: they train as 3 and 2, from epoch 4"]
    assert [event.epoch for event in events if isinstance(event, Resumed)] == [4, 4]
    trained = [(event.number, len(event.rows)) for event in events if isinstance(event, Epoch)]
    assert trained == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 3), (6, 3), (5, 2), (6, 2)]
    assert set(contents(tmp_path / "halved")) == set(contents(tmp_path / "groups"))
    for seed in SEEDS:
        own, other = ([row["loss"] for row in history(tmp_path / name, seed)] for name in ("halved", "groups"))
        assert own == pytest.approx(other, rel=1e-3)  # a stack of five adds in another order than one of three


def test_a_half_begins_with_the_bytes_of_the_saved_state(tmp_path, data, monkeypatch, save_always):
    saved = {}

    def remember(path, packed):
        saved.setdefault(path.name, {}).update({packed.epoch: select_state(packed, packed.members)})  # copies
        write_state(path, packed)

    monkeypatch.setattr("sertool.core.runs.checkpoint.write_state", remember)
    scarce(monkeypatch, 3, epochs=2)
    complete(tiny_recipe(model=DROPOUT), data, tmp_path / "run")
    whole = saved["group-0.safetensors"][2]
    for name, places in (("group-0-0-2.safetensors", slice(0, 3)), ("group-0-3-4.safetensors", slice(3, 5))):
        half = saved[name][2]
        assert (half.members, half.progress) == (whole.members[places], whole.progress[places])
        assert set(half.arrays) == set(whole.arrays)
        for key, array in half.arrays.items():
            np.testing.assert_array_equal(array, whole.arrays[key][places])


@pytest.mark.slow
def test_members_that_have_finished_stay_so(tmp_path, data, monkeypatch, uneven):
    recipe = tiny_recipe(training=UNEVEN, model=DROPOUT)
    with monkeypatch.context() as patch:
        first = [event for event in complete(recipe, data, tmp_path / "whole") if isinstance(event, Epoch)]
        leaving = next(event for event in first if event.finished)
        # Memory ends right after the first member has left.
        scarce(patch, 1, epochs=leaving.number)
        events = complete(recipe, data, tmp_path / "halved")
    gone = {finished.member.seed for finished in leaving.finished}
    later = [event for event in events if isinstance(event, Epoch)][leaving.number :]
    assert not gone & {member.seed for event in later for member, _ in event.rows}
    for seed in gone:
        name = f"run-{seed}/model.safetensors"
        assert contents(tmp_path / "halved")[name] == contents(tmp_path / "whole")[name]


@pytest.mark.slow
def test_killed_while_it_divides_it_ends_with_the_same_bytes(tmp_path, data, monkeypatch, save_always):
    recipe = tiny_recipe(model=DROPOUT)
    scarce(monkeypatch, 3, 2)
    with monkeypatch.context() as patch:
        left, divided = killing(patch, 10**6), []
        divide = GroupFiles._divide

        def noting(self, parts):
            divided.append(10**6 - left[0])
            divide(self, parts)

        patch.setattr(GroupFiles, "_divide", noting)
        complete(recipe, data, tmp_path / "whole")
    (before,) = divided
    # The two halves, the list of stacks, and a history of the first half.
    for at in range(before + 1, before + 5):
        folder = tmp_path / f"killed-{at}"
        with monkeypatch.context() as patch:
            killing(patch, at)
            with pytest.raises(Killed):
                complete(recipe, data, folder)
        assert (folder / "state/group-0.json").is_file() == (at == before + 4)
        complete(recipe, data, folder)
        assert contents(folder) == contents(tmp_path / "whole"), at


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [0, 3])
def test_killed_before_any_write_it_ends_with_the_same_bytes(tmp_path, data, monkeypatch, uneven, epochs):
    recipe = tiny_recipe(training=UNEVEN, model=DROPOUT)
    scarce(monkeypatch, 2, epochs)
    with monkeypatch.context() as patch:
        left = killing(patch, 10**6)
        complete(recipe, data, tmp_path / "whole")
        writes = 10**6 - left[0]
    wanted = contents(tmp_path / "whole")
    assert not [name for name in wanted if name.startswith("state")]
    divisions = 0
    for at in random.Random(epochs).sample(range(1, writes + 1), 25):
        folder = tmp_path / f"killed-{at}"
        with monkeypatch.context() as patch:
            killing(patch, at)
            with pytest.raises(Killed):
                complete(recipe, data, folder)
        divisions += (folder / "state/group-0.json").is_file()
        complete(recipe, data, folder)
        assert contents(folder) == wanted, at
    assert divisions > 10, "most kills should come after the group was divided"


@pytest.mark.slow
def test_kill_minus_nine_between_the_halves(tmp_path, monkeypatch):
    """In a process of its own, through the command; the files tell when the first half has finished."""
    monkeypatch.chdir(tmp_path)
    tiny(tmp_path, model=DROPOUT)
    command = ["train", "--recipe", "tiny.yaml", "--seeds", "1,2,3", "--device", "cpu", "--name"]

    def child(name, write):
        code = f"import scarce_memory; scarce_memory.train_and_die(2, 2, {write})"
        paths = os.pathsep.join(sys.path)
        return subprocess.run(
            [sys.executable, "-c", code, *command, name],
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=100,
        )

    assert child("whole", 0).returncode == 0
    # Six files describe the run and each of two epochs writes four; the division writes three, and the first half,
    # which trains for two epochs more, four and then six.
    died = child("killed", 6 + 8 + 3 + 3 + 6)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert "out of memory with 3 members: they train as 2 and 1, from epoch 2" in died.stderr
    assert (tmp_path / "ckpt/killed/state/group-0.json").is_file()
    resumed = child("killed", 0)
    assert resumed.returncode == 0, resumed.stderr
    assert "out of memory" not in resumed.stderr
    assert contents(tmp_path / "ckpt/killed") == contents(tmp_path / "ckpt/whole")


def test_a_lone_member_that_does_not_fit_is_one_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny(tmp_path)
    scarce(monkeypatch, 0)
    told = refusal("train", "--recipe", "tiny.yaml", "--seeds", "7,8", "--device", "cpu", code=1)
    assert told.endswith(
        "out of memory with 2 members: they train as 1 and 1, from the beginning\n"
        "error: seed 7: out of memory, the system has no 2.1 GB to spare\n"
        "  try: use a smaller training.batch_size, or end other processes\n"
    )


def test_the_command_says_so_and_goes_on(tmp_path, monkeypatch, save_always):
    monkeypatch.chdir(tmp_path)
    tiny(tmp_path)
    scarce(monkeypatch, 2, epochs=3)
    result = run("train", "--recipe", "tiny.yaml", "--runs", "3", "--device", "cpu", "--name", "x")
    assert result.exit_code == 0, result.output
    told = result.stderr.splitlines()
    place = told.index("out of memory with 3 members: they train as 2 and 1, from epoch 3")
    assert told[place + 1] == "resuming after epoch 3"
    assert "3 members" in result.stdout.splitlines()[0]


def test_the_last_one_trains_alone():
    assert (
        str(group.Halved(0, 2, (((7, 1),),), 12))
        == "out of memory with 2 members: the one that is left trains alone, from epoch 12"
    )


def test_the_corpus_that_does_not_fit(tmp_path, data, monkeypatch):
    monkeypatch.setattr("sertool.core.training.batches.Tables.to", failing)
    with pytest.raises(SertoolError, match=r"^the corpus: out of memory$"):
        complete(tiny_recipe(), data, tmp_path / "run")


def failing(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_events_travel_between_processes(tmp_path, data, monkeypatch):
    """Everything that passes a launcher is pickled and read back, as on the way to another machine."""

    class Travelling(LocalLauncher):
        def run(self, work, jobs, share):
            for job in jobs:
                for event in pickle.loads(pickle.dumps(work)).open()(pickle.loads(pickle.dumps(job.describe()))):
                    there = pickle.loads(pickle.dumps(event))
                    job.take(there)
                    yield there

    recipe = tiny_recipe(model=DROPOUT)
    complete(recipe, data, tmp_path / "groups", group_size=3)
    monkeypatch.setattr(group, "train", limited(group.train, 3))
    assert notes(complete(recipe, data, tmp_path / "halved", launcher=Travelling()))
    assert contents(tmp_path / "halved") == contents(tmp_path / "groups")


@pytest.mark.slow
def test_in_child_processes(tmp_path, data, monkeypatch):
    recipe = tiny_recipe(model=DROPOUT)
    complete(recipe, data, tmp_path / "groups", group_size=2)
    monkeypatch.setattr(runs, "GroupTraining", ScarceTraining)
    events = complete(recipe, data, tmp_path / "halved", 4, ProcessLauncher())
    assert notes(events) == ["out of memory with 4 members: they train as 2 and 2, from the beginning"]
    assert contents(tmp_path / "halved") == contents(tmp_path / "groups")


@pytest.mark.slow
def test_files_of_a_division_that_do_not_fit(tmp_path, data, monkeypatch, save_always):
    recipe = tiny_recipe()
    scarce(monkeypatch, 2, epochs=2)
    with monkeypatch.context() as patch:
        killing(patch, 35)
        with pytest.raises(Killed):
            complete(recipe, data, tmp_path / "run")
    division = tmp_path / "run/state/group-0.json"
    halves = sorted(path.name for path in division.parent.glob("*.safetensors"))
    assert len(halves) > 1
    with pytest.raises(DataError, match=r"group-0\.json: holds the members .*this group has \(1, 0\), \(2, 0\)$"):
        complete(recipe, data, tmp_path / "run", group_size=2)
    for content in ('{"stacks": [[]]}', '{"stacks": [[1]]}', "[]", "{"):
        division.write_text(content)
        with pytest.raises(DataError, match=r"group-0\.json: "):
            complete(recipe, data, tmp_path / "run")
    # A process that is killed while it divides leaves halves without a list: the whole group is trained again.
    division.unlink()
    complete(recipe, data, tmp_path / "run")
    assert not division.parent.exists()
    # One that was killed at its very end leaves a list of members that have finished.
    checkpoint.write_division(division, [[(1, 0), (2, 0)], [(3, 0)]])
    complete(recipe, data, tmp_path / "run")
    assert not division.parent.exists()


def test_before_any_saved_state_all_members_are_tried_together_again(tmp_path, data, monkeypatch):
    """The recipe may be another one by then, with smaller batches."""
    with monkeypatch.context() as patch:
        scarce(patch, 3)
        killing(patch, 6)
        with pytest.raises(Killed):
            complete(tiny_recipe(), data, tmp_path / "run")
    assert (tmp_path / "run/state/group-0.json").is_file()
    events = complete(tiny_recipe(training={"batch_size": 4}), data, tmp_path / "run")
    assert {len(event.rows) for event in events if isinstance(event, Epoch)} == {5}
    assert not (tmp_path / "run/state").exists()


def test_memory_that_ends_anywhere_else_is_one_message(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny(tmp_path)
    for fails in (failing, lambda *_: np.zeros((2**40, 2**40))):
        monkeypatch.setattr("sertool.core.runs.train.tables_of", fails)
        assert refusal("train", "--recipe", "tiny.yaml", "--device", "cpu", code=1).endswith(
            "error: out of memory\n  try: smaller sizes, --device cpu, or end other processes\n"
        )
    monkeypatch.setattr("sertool.core.runs.train.tables_of", lambda *_: torch.zeros(2) @ torch.zeros(3))
    assert isinstance(run("train", "--recipe", "tiny.yaml", "--device", "cpu").exception, RuntimeError)
