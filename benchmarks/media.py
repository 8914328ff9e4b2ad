"""Recordings of EMO-DB in the formats of phones and browsers: their lengths, and a model's decisions about them.

``python -m benchmarks.media FOLDER``, where FOLDER holds ``utterances.csv`` with the split of each utterance (by
speaker), trains recipe ``emodb`` on the split train, writes every recording in each format, and compares what is read
with the lossless original: its length, and for the other speakers the class that the model chooses.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

import sertool
from sertool.core.bench.device import describe_machine
from sertool.core.features.audio import Segment, read_audio
from sertool.core.files import artifacts
from tests.support.made_media import KINDS, write_media

RATE = 16_000  # Hz, of the recordings
RESULT = Path(__file__).parent / "results" / "media.json"
Row = dict[str, str]


def train(table: Path, folder: Path) -> Any:
    """Train the recipe on the split train, and open the ensemble."""
    run = [sys.executable, "-m", "sertool"]
    places = ["--data", str(folder / "data"), "--output", str(folder / "ckpt")]
    out = folder / "data" / "EMODB"
    for command in (
        [*run, "prepare", str(table), "--out", str(out), "--recipe", "emodb"],
        [*run, "train", "--recipe", "emodb", "--set", "splits={scheme: corpus}", *places],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return sertool.load("emodb", output=folder / "ckpt", data=folder / "data")


def classes(model: Any, rows: list[Row], paths: list[Path]) -> list[str]:
    """Return the class that the model chooses for each recording with its sentence."""
    return [one.label for one in model.predict(audio=paths, text=[row["text"] for row in rows])]


def compare(kind: str, rows: list[Row], originals: dict[str, Path], model: Any, folder: Path) -> dict[str, Any]:
    """Write all recordings in a format, and compare them with the originals."""
    folder.mkdir()
    off, paths = [], {}
    for row in rows:
        samples, rate = soundfile.read(originals[row["id"]], dtype="float32")
        path = paths[row["id"]] = write_media(folder / row["id"], samples, rate=rate, kind=kind)
        off.append(1e3 * (len(read_audio(Segment(path), RATE)) / RATE - len(samples) / rate))
    unseen = [row for row in rows if row["split"] != "train"]
    ours, lossless = (classes(model, unseen, [given[row["id"]] for row in unseen]) for given in (paths, originals))
    same = sum(one == other for one, other in zip(ours, lossless, strict=True))
    _, codec, own, bits = KINDS[kind]
    return {
        "kind": kind,
        "codec": codec,
        "rate": own or RATE,
        "bits_per_second": bits,
        "milliseconds": {
            "least": round(min(off), 1),
            "median": round(float(np.median(off)), 1),
            "most": round(max(off), 1),
        },
        "recordings": len(rows),
        "same_class": same,
        "of": len(unseen),
        "right": sum(one == row["emotion"] for one, row in zip(ours, unseen, strict=True)),
        "right_lossless": sum(one == row["emotion"] for one, row in zip(lossless, unseen, strict=True)),
    }


def main() -> None:
    """Measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kinds", nargs="+", default=["m4a", "alac", "mp4", "webm", "mkv", "aac", "amr", "3gp", "wma"])
    parser.add_argument("--json", type=Path, default=RESULT, help="default benchmarks/results/media.json")
    arguments = parser.parse_args()
    table = arguments.folder / "utterances.csv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    originals = {row["id"]: arguments.folder / row["audio"] for row in rows}
    results = []
    with tempfile.TemporaryDirectory() as name:
        model = train(table, Path(name))
        for kind in arguments.kinds:
            results.append(compare(kind, rows, originals, model, Path(name) / kind))
            print(results[-1])
    artifacts.write_json(arguments.json, {"machine": describe_machine(torch.device("cpu")), "results": results})


if __name__ == "__main__":
    main()
