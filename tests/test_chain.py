"""From a table of real recordings to a bundle that runs without PyTorch: one chain through the command line."""

import csv
import json
from pathlib import Path

import pytest
from bundle_running import run_alone
from typer.testing import CliRunner

from sertool.cli import app

pytestmark = [pytest.mark.data, pytest.mark.slow]


def sertool(*arguments: str):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done


def test_table_to_model_to_prediction_to_bundle(data_folder: Path, tmp_path: Path, monkeypatch) -> None:
    table = data_folder / "emodb" / "utterances.csv"
    if not table.is_file():
        pytest.skip(f"no EMO-DB in {data_folder}")
    monkeypatch.chdir(tmp_path)
    sertool("prepare", str(table), "--out", "data/EMODB", "--recipe", "emodb")
    settings = ["--set", "splits.scheme=corpus", "--set", "splits.folds=null"]
    sertool("train", "--recipe", "emodb", "--name", "emodb", "--runs", "2", *settings)
    evaluated = sertool("ensemble", "--name", "emodb", "--sets", "test", "--predictions", "ensemble.csv")
    assert "calibration: uncalibrated, 2 validation speakers: too few" in evaluated.stdout

    with table.open(encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file) if row["split"] == "test"}
    asked = [{"id": id_, "audio": row["audio"], "text": row["text"]} for id_, row in rows.items()]
    with Path("asked.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", "audio", "text"])
        writer.writeheader()
        for row in asked:
            writer.writerow({**row, "audio": str(table.parent / row["audio"])})
    sertool("predict", "--name", "emodb", "--table", "asked.csv", "--json", "predicted.json")
    predicted = {row["id"]: row for row in json.loads(Path("predicted.json").read_text())["predictions"]}
    with Path("ensemble.csv").open(encoding="utf-8") as file:
        expected = {row["utterance"]: row["predicted"] for row in csv.DictReader(file)}
    assert len(expected) == 73
    assert {id_: row["label"] for id_, row in predicted.items()} == expected

    sertool("export", "--name", "emodb", "--out", "bundle", "--with-frontend")
    for id_ in list(rows)[::12]:
        done = run_alone(tmp_path / "bundle", str(table.parent / rows[id_]["audio"]), "--text", rows[id_]["text"])
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == expected[id_]
