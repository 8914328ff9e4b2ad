"""Groups in processes of their own: the bytes of groups in this process, and trainings that are killed."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from builders import CPU, NO_DROPOUT, make_corpus, tiny_recipe, write_tiny
from killed_training import DROPOUT, UNEVEN, contents, kill_and_resume

from sertool.core.compute.local import LocalLauncher
from sertool.core.compute.processes import ProcessLauncher
from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, Resumed, train_recipe
from sertool.core.training.loop import Epoch


@pytest.mark.parametrize("cards", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["local", "cards"])
def test_every_byte_is_as_in_one_process(tmp_path, monkeypatch, cards):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)
    data = write_tiny(tmp_path / "data", make_corpus({"train": 12, "valid": 24, "test": 6}))
    experiment = open_experiment(tiny_recipe(training=UNEVEN, model=DROPOUT), data)

    def trained(folder, launcher=None, **changes):
        plan = plan_training(experiment, tmp_path / folder, [1, 2, 3, 4, 5], 2, CPU)
        assert len(plan.groups) == 3
        events = list(train_recipe(replace(plan, **changes), data, CPU, launcher))
        assert {member.seed for event in events if isinstance(event, Epoch) for member, _ in event.rows} == {
            *range(1, 6)
        }
        return contents(tmp_path / folder)

    one = trained("one")
    assert len([name for name in one if name.endswith("model.safetensors")]) == 5
    if cards:
        # As --devices 0,1 does, but that the workers compute on the CPU.
        assert trained("two", ProcessLauncher(cards=(0, 1)), workers=2) == one
    else:
        assert trained("two", workers=2, processes=True) == one


def worker_processes() -> list[int]:
    """Return the worker processes of this process; other tests may have left children of other kinds."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(child) for child in children if b"process_worker" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_every_byte_is_as_without(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)
    data = write_tiny(tmp_path / "data")
    recipe = tiny_recipe(training={"max_epochs": 30, "patience": None}, model=DROPOUT)
    plan = plan_training(open_experiment(recipe, data), tmp_path / "whole", [1, 2, 3, 4], 2, CPU)
    list(train_recipe(plan, data, CPU))
    said, saved, killed = [], set(), False
    for event in train_recipe(replace(plan, folder=tmp_path / "killed", workers=2, processes=True), data, CPU):
        if isinstance(event, Epoch) and event.number >= 3:
            saved |= {member.seed for member, _ in event.rows}
        if len(saved) == 4 and not killed:  # whichever is killed has a state to resume
            os.kill(worker_processes()[0], signal.SIGKILL)
            killed = True
        if killed and not isinstance(event, Epoch):
            said.append(event)
    assert [type(event) for event in said] == [Note, Resumed]
    number = said[1].group + 1
    assert said[0].text == f"group {number} is run again: its process was killed (SIGKILL)"
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_kill_minus_nine_many_times(tmp_path):
    kill_and_resume(tmp_path, 6, processes=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_all_cards_train_as_the_first_one_alone(tmp_path):
    """Every group trains on a card that its process knows as the first; with one card there is one process."""
    data = write_tiny(tmp_path / "data")
    experiment = open_experiment(tiny_recipe(model=NO_DROPOUT), data)

    def losses(folder, launcher):
        precision = launcher.choose("auto", "fp32")
        plan = plan_training(experiment, tmp_path / folder, [1, 2, 3, 4], 1, precision)
        events = [event for event in train_recipe(plan, data, precision, launcher) if isinstance(event, Epoch)]
        found = sorted((member.seed, row.epoch, row.loss) for event in events for member, row in event.rows)
        return plan.workers, found

    _, alone = losses("one", LocalLauncher())
    cards = tuple(range(torch.cuda.device_count()))
    workers, shared = losses("all", ProcessLauncher(cards))
    assert workers == min(len(cards), 4)
    assert [row[:2] for row in shared] == [row[:2] for row in alone]
    assert [row[2] for row in shared] == pytest.approx([row[2] for row in alone], rel=1e-3)
