"""A model's folder that is missing, damaged, or of another kind."""

import json
import shutil

import numpy as np
import pytest
from builders import copy_case
from tones import (
    own_model,
    predict,
    refusal,
    run,
    written,
)

import sertool
from sertool.core.files import artifacts
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.temperature import write_calibration


def test_a_folder_that_is_no_model(here):
    said = refusal("00.wav", name="tonse", code=2)
    assert said.startswith(
        "error: ckpt/tonse: holds neither runs of sertool nor checkpoints of the reference (best*.pkl), "
        "did you mean 'tones'?"
    )


def test_a_model_without_its_vocabulary(here):
    (own_model(here) / "vocabulary.json").unlink()
    assert refusal("00.wav", name="mine").startswith("error: ckpt/mine/vocabulary.json: no such file")


def test_a_model_with_another_vocabulary(here):
    folder = own_model(here)
    artifacts.write_json(folder / "vocabulary.json", {"rows": 3, "index": {"UNK": 1, "sky": 2}})
    assert "was trained with another vocabulary" in refusal("00.wav", name="mine")


def test_a_model_whose_frames_come_from_elsewhere(here):
    folder = own_model(here)
    note = artifacts.read_json(folder / "corpus.json")
    artifacts.write_json(folder / "corpus.json", {**note, "audio_width": 384})
    assert refusal("00.wav", name="mine") == (
        "error: ckpt/mine: the statistics of fold 0 are of 80 values a frame, corpus.json says 384\n"
    )
    statistics = artifacts.read_json(folder / "standardization.json")
    wide = {key: np.resize(values, 384).tolist() for key, values in statistics.items()}
    artifacts.write_json(folder / "standardization.json", wide)
    assert refusal("00.wav", name="mine", code=2) == (
        "error: mine: was trained on audio frames of 384 values, and its frontend makes 80 of a recording: "
        "the frames came from another program\n"
    )
    artifacts.write_json(folder / "standardization.json", statistics)
    artifacts.write_json(folder / "corpus.json", {**note, "text_width": 16})
    assert refusal("00.wav", name="mine", code=2) == (
        "error: mine: was trained on text as frames of 16 values by another program, "
        "which sertool cannot make from words\n"
    )


def test_weights_that_are_not_finite(here):
    folder = own_model(here)
    for path in folder.glob("run-*/model.safetensors"):
        arrays, _ = artifacts.read_arrays(path)
        artifacts.write_arrays(path, {name: np.full_like(value, np.nan) for name, value in arrays.items()})
    assert refusal("00.wav", name="mine") == (
        "error: mine: gives values that are not finite; its weights are damaged\n"
    )


JUNK = [b"", b"{", b"[]", b"{}", b"null", b"5", b'"x"', b"\xff\xfe", b"format: 1"]


@pytest.mark.parametrize(
    "file",
    [
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("corpus.json", "calibration.json", "run-1/run.json")),
        "recipe.yaml", "vocabulary.json", "standardization.json", "run-1/model.safetensors",
    ],
)  # fmt: skip
def test_a_damaged_folder_is_one_message(here, file):
    folder = own_model(here)
    write_calibration(folder, Calibration(sertool.load(folder).members, 0.5, "valid", 6, 0.2, 0.1, 1.0, 0.9))
    path = folder / file
    whole = path.read_bytes()
    for content in [*JUNK, whole[: len(whole) // 2], whole[:-3]]:
        path.write_bytes(content)
        said = refusal("00.wav", name="mine", code=2 if file == "recipe.yaml" else 1)
        assert said.startswith("error: ")
        assert "mine" in said
    if path.suffix != ".json":
        return
    content = json.loads(whole)
    for key in content:
        for value in (None, -1, 99, "x", [], {}, [["x"]]):
            path.write_text(json.dumps({**content, key: value}))
            result = run("predict", "--name", "mine", "00.wav")
            assert result.exit_code in (0, 1, 2), (key, value, result.exception)
            assert result.exception is None or isinstance(result.exception, SystemExit), (key, value)


def test_a_model_of_several_labels_and_the_reference_checkpoints(tmp_path, monkeypatch, trained):
    folder = copy_case("mosei6-mat", tmp_path)
    monkeypatch.chdir(folder)
    shutil.copy(trained / "00.wav", "00.wav")
    (own,) = written("00.wav", "--text", "i am so happy", name="ref")
    assert len(own["probabilities"]) == 6
    for name, logit in zip(own["probabilities"], own["logits"], strict=True):
        assert own["probabilities"][name] == pytest.approx(1 / (1 + np.exp(-logit)))
        assert (name in own["labels"]) == (logit > 0)
    result = predict("00.wav", "00.wav", name="ref")
    (own, _) = written("00.wav", "00.wav", name="ref")
    assert result.stdout.splitlines()[-1] == f"2 predictions: {', '.join(own['labels']) or 'none'} 2"
    shutil.rmtree(folder / "data")
    assert "data/MOSEI: no such corpus" in refusal("00.wav", name="ref")
