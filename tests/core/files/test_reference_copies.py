"""Converted checkpoints of the reference: the same result as from the pickles, which nothing reads any more."""

import json
import os
import shutil

import pytest
import torch
from builders import REFERENCE, copy_case
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.errors import DataError
from sertool.core.files import reference_checkpoints as reference_checkpoint
from sertool.core.files import unpickler
from sertool.core.files.reference_checkpoints import (
    convert_checkpoints,
    is_reference_folder,
    list_checkpoints,
    read_checkpoint,
)

CASES = sorted(path.name for path in REFERENCE.iterdir() if (path / "ckpt").is_dir())


def ensemble(folder, name: str) -> tuple[str, dict]:
    """Convert a folder, and return its output and the files written."""
    result = folder / name
    places = ["--data", str(folder / "data"), "--output", str(folder / "ckpt"), "--json", str(result)]
    done = CliRunner().invoke(app, ["ensemble", "--name", "ref", "--sets", "test", *places])
    assert done.exit_code == 0, done.output
    return done.stdout, json.loads(result.read_text())


@pytest.mark.parametrize("case", CASES)
def test_the_ensemble_is_the_same_before_and_after_and_reads_no_pickle(case, tmp_path, monkeypatch):
    folder = copy_case(case, tmp_path)
    before = ensemble(folder, "before.json")
    seen = []
    convert_checkpoints(folder / "ckpt" / "ref", lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle is read")

    monkeypatch.setattr(unpickler.RestrictedUnpickler, "load", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert ensemble(folder, "after.json") == before
    for path in [*folder.glob("ckpt/ref/*.pkl"), *folder.glob("data/*/*.p"), *folder.glob("data/*/*.pkl")]:
        path.unlink()
    assert ensemble(folder, "without.json") == before


def test_a_converted_checkpoint_is_the_pickles_content(tmp_path):
    folder = copy_case("meld7-mat", tmp_path) / "ckpt" / "ref"
    path = list_checkpoints(folder)[0]
    pickled = read_checkpoint(path)
    assert convert_checkpoints(folder)[0].state_dict == {}
    note = json.loads((folder / "sertool" / f"{path.stem}.json").read_text())
    assert note["settings"]["dataset"] == "MELD"
    assert note["source"]["bytes"] == path.stat().st_size
    path.write_bytes(b"")
    os.utime(path, ns=(0, note["source"]["mtime_ns"]))
    path.unlink()
    converted = read_checkpoint(path)
    assert converted.settings == pickled.settings
    assert converted.class_weights == pickled.class_weights
    assert (converted.seed, converted.validation_accuracy) == (pickled.seed, pickled.validation_accuracy)
    assert set(converted.state_dict) == set(pickled.state_dict)
    for name, weight in pickled.state_dict.items():
        assert torch.equal(converted.state_dict[name], weight)


def test_what_is_converted_is_not_read_again_and_a_changed_pickle_is(tmp_path, monkeypatch):
    folder = copy_case("mosi-mnt", tmp_path) / "ckpt" / "ref"
    convert_checkpoints(folder)
    read = []
    original = reference_checkpoint.read_reference_checkpoint
    monkeypatch.setattr(
        "sertool.core.files.reference_checkpoints.read_reference_checkpoint",
        lambda path: read.append(path.name) or original(path),
    )
    convert_checkpoints(folder)
    assert read == []
    changed = list_checkpoints(folder)[1]
    status = changed.stat()
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    convert_checkpoints(folder)
    assert read == [changed.name]
    convert_checkpoints(folder)
    assert read == [changed.name]


def test_folders_are_recognised_and_listed_by_accuracy_as_a_number(tmp_path):
    assert not is_reference_folder(tmp_path)
    assert not is_reference_folder(tmp_path / "none")
    (tmp_path / "best9.5_1.pkl").touch()
    (tmp_path / "sertool").mkdir()
    (tmp_path / "sertool" / "best80.1_2.json").touch()
    (tmp_path / "sertool" / "best9.5_1.json").touch()
    assert is_reference_folder(tmp_path)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["best80.1_2.pkl", "best9.5_1.pkl"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda note: note.write_text("{}"), "4 problems\n  format: is missing"),
        (lambda note: note.write_text("[1"), "not valid JSON"),
        (
            lambda note: note.write_text(json.dumps({**json.loads(note.read_text()), "settings": 3})),
            "settings: expected a table of keys (got 3)",
        ),
        (
            lambda note: note.write_text(json.dumps({**json.loads(note.read_text()), "class_weights": ["x"]})),
            'class_weights[0]: expected a number (got "x")',
        ),
        (lambda note: note.with_suffix(".safetensors").unlink(), "no such file"),
        (lambda note: note.with_suffix(".safetensors").write_bytes(b"12"), "not a readable safetensors file"),
    ],
)
def test_a_damaged_copy_is_told(damage, message, tmp_path):
    folder = copy_case("vgaf-mat", tmp_path) / "ckpt" / "ref"
    convert_checkpoints(folder)
    path = list_checkpoints(folder)[0]
    damage(folder / "sertool" / f"{path.stem}.json")
    with pytest.raises(DataError) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(str(folder / "sertool" / path.stem))
    assert message in str(caught.value)


def test_settings_that_json_cannot_hold(tmp_path, monkeypatch):
    folder = copy_case("vgaf-mat", tmp_path) / "ckpt" / "ref"
    for path in list_checkpoints(folder)[1:]:
        path.unlink()
    original = reference_checkpoint.read_reference_checkpoint

    def with_nan(path):
        checkpoint = original(path)
        return type(checkpoint)(**{**vars(checkpoint), "settings": {"lr_base": float("nan")}})

    monkeypatch.setattr("sertool.core.files.reference_checkpoints.read_reference_checkpoint", with_nan)
    with pytest.raises(DataError, match=r"pkl: its settings cannot be written as JSON \(Out of range"):
        convert_checkpoints(folder)
    assert not list((folder / "sertool").glob("*.json"))


def test_training_does_not_mix_with_converted_checkpoints(tmp_path):
    folder = copy_case("vgaf-mat", tmp_path)
    convert_checkpoints(folder / "ckpt" / "ref")
    for path in folder.glob("ckpt/ref/*.pkl"):
        path.unlink()
    shutil.copytree(folder / "ckpt" / "ref", folder / "ckpt" / "vgaf")
    places = ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]
    done = CliRunner().invoke(app, ["train", "--recipe", "vgaf", "--set", "dataset.vectors=none", *places])
    assert done.exit_code == 2
    assert "holds checkpoints of the reference; choose another --name" in done.stderr
