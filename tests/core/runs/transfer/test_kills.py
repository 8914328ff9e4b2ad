"""``train --from``: killed trainings, and an earlier run that changes or is deleted."""

import shutil

import pytest
from builders import tiny_recipe
from killed_training import DROPOUT, Killed, contents, kill_and_resume, killing
from transfers import complete, weights_of

from sertool.core.errors import DataError, UsageError
from sertool.core.files import artifacts
from sertool.core.runs import train as runs
from sertool.core.runs.transfer_weights import weights_hash


@pytest.fixture
def save_always(monkeypatch):
    monkeypatch.setattr(runs, "SAVING_SHARE", 1e9)


def killed(monkeypatch, at, *arguments, **options):
    """Train, and be killed while writing the ``at``-th file."""
    with monkeypatch.context() as patch:
        killing(patch, at)
        with pytest.raises(Killed):
            complete(*arguments, **options)


SETTINGS = {"model": DROPOUT, "training": {"max_epochs": 3}}


def lose(folder):
    shutil.rmtree(folder)


def replace_weights(folder):
    for run in folder.glob("run-*"):
        path = run / "model.safetensors"
        artifacts.write_arrays(path, {name: array + 1 for name, array in weights_of(folder, run.name).items()})


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(lambda folder: None, marks=pytest.mark.slow),
        lose,
        pytest.param(replace_weights, marks=pytest.mark.slow),
    ],
    ids=["same", "gone", "changed"],
)
def test_killed_before_any_write_it_ends_with_the_same_bytes(here, monkeypatch, save_always, after):
    recipe, folder = tiny_recipe(**SETTINGS), here / "ckpt"
    command = {"recipe": recipe, "source": "first", "group_size": 1}
    complete(folder / "whole", **command)
    wanted = contents(folder / "whole")
    assert {"start.json", "run-1/run.json", "run-2/run.json"} <= set(wanted)
    assert not [name for name in wanted if name.startswith("state")]
    shutil.copytree(folder / "first", here / "kept")
    # Three files and two of the start, then two an epoch, or three at its end.
    for at in (5, 9, 15):
        name = f"killed-{at}"
        killed(monkeypatch, at, folder / name, **command)
        saved = [*(folder / name).glob("state/group-*.safetensors"), *(folder / name).glob("run-*/run.json")]
        assert bool(saved) == (at > 7)
        if saved:
            after(folder / "first")
        complete(folder / name, **command)
        assert contents(folder / name) == wanted, at
        shutil.rmtree(folder / "first", ignore_errors=True)
        shutil.copytree(here / "kept", folder / "first")


def test_before_its_first_epoch_the_source_is_read_anew(here, monkeypatch):
    recipe, folder = tiny_recipe(), here / "ckpt/next"
    killed(monkeypatch, 6, folder, recipe, source="first")  # after both files of the start
    assert {"start.json", "state/start.safetensors"} <= set(contents(folder))
    replace_weights(here / "ckpt/first")
    complete(folder, recipe, source="first")
    recorded = artifacts.read_json(folder / "run-1/run.json")["start"]["weights"]
    assert recorded == weights_hash(weights_of(here / "ckpt/first", "run-3"))


def test_a_start_that_came_to_nothing_leaves_nothing_behind(here, monkeypatch):
    recipe, folder = tiny_recipe(), here / "ckpt/next"
    killed(monkeypatch, 6, folder, recipe, source="first")
    complete(folder, recipe)
    complete(here / "ckpt/plain", recipe)
    assert contents(folder) == contents(here / "ckpt/plain")


def test_what_is_done_needs_no_source(here):
    complete(here / "ckpt/next", tiny_recipe(), source="first")
    before = contents(here / "ckpt/next")
    shutil.rmtree(here / "ckpt/first")
    assert complete(here / "ckpt/next", tiny_recipe(), source="first") == []
    assert contents(here / "ckpt/next") == before
    # A member that joins starts from one that is not there any more.
    with pytest.raises(UsageError, match="holds neither runs of sertool nor checkpoints"):
        complete(here / "ckpt/next", tiny_recipe(), seeds=(1, 2, 3), source="first")
    assert contents(here / "ckpt/next") == before


def test_members_that_join_need_the_source_as_it_was(here):
    folder = here / "ckpt/next"
    complete(folder, tiny_recipe(), source="first")
    # The source has got a better member since: the order that the training began with stays.
    shutil.copytree(here / "ckpt/first/run-4", here / "ckpt/first/run-5")
    path = here / "ckpt/first/run-5/run.json"
    artifacts.write_json(path, {**artifacts.read_json(path), "seed": 5, "score": 1.0})
    complete(folder, tiny_recipe(), seeds=(1, 2, 3), source="first")
    complete(here / "ckpt/at-once", tiny_recipe(), seeds=(1, 2, 3), source="first")
    starts = [
        [artifacts.read_json(here / f"ckpt/{name}/run-{seed}/run.json")["start"]["member"] for seed in (1, 2, 3)]
        for name in ("next", "at-once")
    ]
    assert starts[0][0] == "run-3"
    assert starts[1] == ["run-5", *starts[0][:2]]
    replace_weights(here / "ckpt/first")
    with pytest.raises(DataError) as caught:
        complete(folder, tiny_recipe(), seeds=(1, 2, 3, 4), source="first")
    assert str(caught.value) == f"--from first: run-4 has changed since {folder} started from it"
    assert caught.value.hint == "choose another --name to start from its current weights"


def test_damaged_files_of_a_start_are_told(here, monkeypatch, save_always):
    recipe, folder = tiny_recipe(), here / "ckpt/next"
    killed(monkeypatch, 12, folder, recipe, source="first")
    path = folder / "state/start.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + bytes(8))
    hint = "delete it: the weights are then read from the earlier run again"
    with pytest.raises(DataError, match=r"damaged .its weights do not match their hash") as caught:
        complete(folder, recipe, source="first")
    assert caught.value.hint == hint
    artifacts.write_arrays(path, {})
    with pytest.raises(DataError, match=r"start\.safetensors: holds no vocabularies$") as caught:
        complete(folder, recipe, source="first")
    assert caught.value.hint == hint
    path.unlink()
    complete(folder, recipe, source="first")
    complete(here / "ckpt/whole", recipe, source="first")
    assert contents(folder) == contents(here / "ckpt/whole")
    note = artifacts.read_json(folder / "start.json")
    for change, text in (
        ({"format": "x"}, 'format: expected sertool-start/1 (got "x")'),
        ({"members": []}, "members: expected at least 1 entry (got [])"),
        ({"seen": "ab"}, 'seen: expected hashes of utterances in base64 (got "ab")'),
        ({"classes": None}, "classes: expected a list (got null)"),
    ):
        artifacts.write_json(folder / "start.json", {**note, **change})
        with pytest.raises(DataError) as caught:
            complete(folder, recipe, source="first")
        assert str(caught.value) == f"{folder / 'start.json'}: {text}"


def test_the_same_command_gives_the_same_bytes(here):
    recipe = tiny_recipe(**SETTINGS)
    for name in ("one", "two"):
        complete(here / "ckpt" / name, recipe, source="first")
    assert contents(here / "ckpt/one") == contents(here / "ckpt/two")


@pytest.mark.slow
def test_kill_minus_nine(here):
    """Real processes, really killed."""
    kill_and_resume(here, 6, "--from", "first")
