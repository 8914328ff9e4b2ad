"""A training that is killed at any moment is resumed and ends with the same bytes; a folder holds one run only."""

import fcntl
import json
import random
from dataclasses import replace

import pytest
from builders import CPU, make_corpus, tiny_recipe, write_tiny
from killed_training import DROPOUT, UNEVEN, Killed, contents, kill_and_resume, killing

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.files import artifacts
from sertool.core.runs import train as runs
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.folder import list_runs
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Resumed, train_recipe
from sertool.core.training import loop as training
from sertool.core.training.loop import Epoch

FOLDS = {"scheme": "folds", "folds": 3, "group": "speaker"}


def complete(recipe, data, folder, seeds, group_size=None, precision=CPU):
    plan = plan_training(open_experiment(recipe, data), folder, seeds, group_size, precision)
    return list(train_recipe(plan, data, precision))


@pytest.fixture
def save_always(monkeypatch):
    """Save the state after every epoch, and let members leave the stack after different epochs."""

    def drawn(state, *_):
        return [random.Random(f"{member.name}/{state.epoch}").random() for member in state.members]

    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)
    monkeypatch.setattr(training, "validate", drawn)


@pytest.mark.parametrize(
    ("splits", "group_size"),
    [({}, None), *(pytest.param(own, 2, marks=pytest.mark.slow) for own in ({}, FOLDS))],
    ids=["stack", "groups", "folds"],
)
def test_killed_before_any_write_it_ends_with_the_same_bytes(tmp_path, monkeypatch, save_always, splits, group_size):
    data = write_tiny(tmp_path / "data", make_corpus({"train": 12, "valid": 24, "test": 6}))
    seeds = [1] if splits else [1, 2, 3]
    recipe = tiny_recipe(splits=splits, training=UNEVEN, model=DROPOUT)
    complete(recipe, data, tmp_path / "whole", seeds, group_size)
    wanted = contents(tmp_path / "whole")
    assert len([name for name in wanted if name.endswith("run.json")]) == 3
    lengths = {run.epochs for run in list_runs(tmp_path / "whole")}
    assert len(lengths) > 1, "the members should stop after different epochs"

    with monkeypatch.context() as patch:
        left = killing(patch, 10**6)
        complete(recipe, data, tmp_path / "counted", seeds, group_size)
        writes = 10**6 - left[0]
    assert writes > 25
    for at in random.Random(1).sample(range(1, writes + 1), 12):
        folder = tmp_path / f"killed-{at}"
        with monkeypatch.context() as patch:
            killing(patch, at)
            with pytest.raises(Killed):
                complete(recipe, data, folder, seeds, group_size)
        complete(recipe, data, folder, seeds, group_size)
        assert contents(folder) == wanted, at


@pytest.mark.slow
def test_killed_while_groups_train_side_by_side(tmp_path, monkeypatch, save_always):
    """Large members on a CPU with several cores train each in a thread of its own."""
    monkeypatch.setattr("sertool.core.training.logits.SMALL_HIDDEN_SIZE", 1)
    two = replace(CPU, cores=2)
    data = write_tiny(tmp_path / "data", make_corpus({"train": 12, "valid": 24, "test": 6}))
    recipe = tiny_recipe(training=UNEVEN, model=DROPOUT)
    plan = plan_training(open_experiment(recipe, data), tmp_path / "whole", [1, 2, 3], None, two)
    assert (plan.groups, plan.workers, plan.threads) == (((0,), (1,), (2,)), 2, 1)
    complete(recipe, data, tmp_path / "whole", [1, 2, 3], precision=two)
    for at in (3, 7, 12, 19):
        with monkeypatch.context() as patch:
            killing(patch, at)
            with pytest.raises(Killed):
                complete(recipe, data, tmp_path / f"killed-{at}", [1, 2, 3], precision=two)
        complete(recipe, data, tmp_path / f"killed-{at}", [1, 2, 3], precision=two)
        assert contents(tmp_path / f"killed-{at}") == contents(tmp_path / "whole")
    # And one by one it is the same: what a group computes does not depend on the others.
    complete(recipe, data, tmp_path / "single", [1, 2, 3], 1)
    assert contents(tmp_path / "single") == contents(tmp_path / "whole")


def test_killed_again_and_again_it_ends_with_the_same_bytes(tmp_path, monkeypatch, save_always):
    data = write_tiny(tmp_path / "data", make_corpus({"train": 12, "valid": 24, "test": 6}))
    recipe = tiny_recipe(training=UNEVEN, model=DROPOUT)
    complete(recipe, data, tmp_path / "whole", [1, 2, 3])
    draw, killed = random.Random(2), 0
    while True:
        with monkeypatch.context() as patch:
            killing(patch, 6 + draw.randrange(12))
            try:
                complete(recipe, data, tmp_path / "killed", [1, 2, 3])
                break
            except Killed:
                killed += 1
    assert killed >= 3
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_what_is_done_is_not_trained_again(tmp_path, save_always):
    data = write_tiny(tmp_path / "data")
    recipe = tiny_recipe()
    assert complete(recipe, data, tmp_path / "run", [1, 2])
    before = contents(tmp_path / "run")
    assert complete(recipe, data, tmp_path / "run", [1, 2]) == []
    assert contents(tmp_path / "run") == before
    # More members join those that are there, and what stays of a group's state is swept away.
    progress = {"best": 0.5, "decays": 0, "waited": 0, "history": []}
    left_over = {"epoch": 1, "members": [[1, 0], [2, 0]], "progress": [progress, progress]}
    artifacts.write_arrays(tmp_path / "run/state/group-0.safetensors", {}, {"state": json.dumps(left_over)})
    assert complete(recipe, data, tmp_path / "run", [1, 2]) == []
    assert contents(tmp_path / "run") == before
    events = complete(recipe, data, tmp_path / "run", [1, 2, 3])
    assert {member.seed for event in events if isinstance(event, Epoch) for member, _ in event.rows} == {3}
    after = contents(tmp_path / "run")
    assert {name: after[name] for name in before} == before


def test_more_members_join_those_that_were_killed(tmp_path, monkeypatch, save_always):
    data = write_tiny(tmp_path / "data")
    recipe = tiny_recipe(training={"max_epochs": 3, "patience": None})
    with monkeypatch.context() as patch:
        killing(patch, 12)
        with pytest.raises(Killed):
            complete(recipe, data, tmp_path / "run", [1, 2])
    complete(recipe, data, tmp_path / "run", [1, 2, 3])
    assert {run.seed for run in list_runs(tmp_path / "run")} == {1, 2, 3}
    assert not [name for name in contents(tmp_path / "run") if name.startswith("state")]


def test_more_members_of_scores_join_the_others(tmp_path):
    """The ranges of the scores are lists in corpus.json, and tuples in a task."""
    corpus = make_corpus({"train": 12, "valid": 8, "test": 4})
    rated = tuple(replace(own, labels={"valence": 1.0 + n % 5}) for n, own in enumerate(corpus.utterances))
    data = write_tiny(tmp_path / "data", replace(corpus, utterances=rated, classes={}, ranges={"valence": (1.0, 5.0)}))
    recipe = tiny_recipe(dataset={"target": "scores"}, training={"runs": 1, "max_epochs": 1, "select": "ccc"})
    complete(recipe, data, tmp_path / "run", [1])
    complete(recipe, data, tmp_path / "run", [1, 2])
    assert sorted(run.seed for run in list_runs(tmp_path / "run")) == [1, 2]


def test_it_says_where_it_goes_on(tmp_path, monkeypatch, save_always):
    data = write_tiny(tmp_path / "data")
    recipe = tiny_recipe(training={"max_epochs": 3, "patience": None})
    with monkeypatch.context() as patch:
        killing(patch, 12)  # recipe, corpus, vocabulary, then four files an epoch
        with pytest.raises(Killed):
            complete(recipe, data, tmp_path / "run", [1, 2, 3])
    events = complete(recipe, data, tmp_path / "run", [1, 2, 3])
    assert [event for event in events if isinstance(event, Resumed)] == [Resumed(0, 2)]
    assert [event.number for event in events if isinstance(event, Epoch)] == [3]


def test_parts_of_files_that_a_killed_process_left_are_swept_away(tmp_path):
    data = write_tiny(tmp_path / "data")
    recipe = tiny_recipe()
    run = tmp_path / "run/run-1"
    run.mkdir(parents=True)
    (run / ".model.safetensors.abc.part").write_bytes(b"half")
    complete(recipe, data, tmp_path / "run", [1])
    assert not [name for name in contents(tmp_path / "run") if name.endswith(".part")]


def test_a_damaged_state_is_told(tmp_path, monkeypatch, save_always):
    data = write_tiny(tmp_path / "data")
    recipe = tiny_recipe()
    with monkeypatch.context() as patch:
        killing(patch, 12)
        with pytest.raises(Killed):
            complete(recipe, data, tmp_path / "run", [1, 2, 3])
    state = tmp_path / "run/state/group-0.safetensors"
    whole = state.read_bytes()
    with pytest.raises(DataError) as caught:
        complete(recipe, data, tmp_path / "run", [4, 5, 6])
    assert str(caught.value) == (
        f"{state}: holds the members (seed, fold) (1, 0), (2, 0), (3, 0); this group has (4, 0), (5, 0), (6, 0)"
    )
    assert caught.value.hint == (
        "give the same seeds and --group-size, or delete it to train this group from the beginning"
    )
    state.write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"group-0\.safetensors: not a readable safetensors file"):
        complete(recipe, data, tmp_path / "run", [1, 2, 3])


# One run a folder


def test_another_recipe_in_the_folder_is_refused(tmp_path):
    data, folder = write_tiny(tmp_path / "data"), tmp_path / "run"
    complete(tiny_recipe(), data, folder, [1])
    other = tiny_recipe(training={"batch_size": 4, "runs": 9, "seed": 7}, model={"num_heads": 1})
    with pytest.raises(UsageError) as caught:
        complete(other, data, folder, [1])
    assert str(caught.value) == (
        f"{folder}: holds a run of another recipe: model.num_heads 2 -> 1; training.batch_size 8 -> 4"
    )
    assert caught.value.hint == "choose another --name, or delete the folder"


def test_other_data_in_the_folder_are_refused(tmp_path):
    folder = tmp_path / "run"
    complete(tiny_recipe(), write_tiny(tmp_path / "data"), folder, [1])
    before = contents(folder)
    for change in (make_corpus(seed=1), make_corpus(width=6)):
        with pytest.raises(UsageError) as caught:
            complete(tiny_recipe(), write_tiny(tmp_path / "other", change), folder, [1])
        assert str(caught.value) == f"{folder}: holds a run on other data than TINY as it is now"
    assert contents(folder) == before


def test_a_folder_of_the_references_checkpoints_is_refused(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "best80.0_1.pkl").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        complete(tiny_recipe(), write_tiny(tmp_path / "data"), folder, [1])
    assert str(caught.value) == f"{folder}: holds checkpoints of the reference; choose another --name"


def test_a_second_process_is_refused(tmp_path):
    data, folder = write_tiny(tmp_path / "data"), tmp_path / "run"
    folder.mkdir()
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(SertoolError) as caught:
            complete(tiny_recipe(), data, folder, [1])
        assert str(caught.value) == f"{folder}: another process is training there"
    assert complete(tiny_recipe(), data, folder, [1])


# Real processes, really killed


@pytest.mark.slow
def test_kill_minus_nine(tmp_path):
    kill_and_resume(tmp_path, 4)


@pytest.mark.slow
@pytest.mark.parametrize("extra", [(), ("--group-size", "2")], ids=["stack", "groups"])
@pytest.mark.parametrize("splits", [{}, FOLDS], ids=["corpus", "folds"])
def test_kill_minus_nine_many_times(tmp_path, extra, splits):
    kill_and_resume(tmp_path, 6, *extra, splits=splits)
