"""Bundles of an earlier version still run, and are made again: tests/support/made_before/README.md."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from old_files import (
    SAID,
    alike,
    as_then,
    check_temperatures,
    number,
    on_such_a_machine,
    plain,
)


def logits(bundle: str) -> list[float]:
    return runpy.run_path("logits.py")["logits"](Path(bundle), *SAID)


@pytest.mark.parametrize("bundle", ["bundle", "bundle-frontend"])
def test_a_bundle_of_then_runs(here, bundle):
    pytest.importorskip("onnxruntime")
    recording, text = SAID
    command = [sys.executable, "-I", f"{bundle}/run.py", recording, "--text", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, was = done.stdout.split(), Path("expected", f"{bundle}.txt").read_text(encoding="utf-8").split()
    alike([number(word) for word in said], [number(word) for word in was], 2e-4)  # four digits are printed
    alike(logits(bundle), plain(Path("expected", f"{bundle}.json")))


@pytest.mark.parametrize(
    ("name", "bundle", "result", "options"),
    [
        ("first", "bundle", "export", []),
        ("chords", "bundle-frontend", "export-frontend", ["--with-frontend"]),
    ],
)
def test_export(sertool, unpacked, name, bundle, result, options):
    """Export again over the old bundle and compare."""
    check_temperatures()
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    told = ("--json", f"now/{result}.json")
    sertool("export", "--name", name, "--out", bundle, "--force", *options, *told)
    now, was = (plain(Path(folder, f"{result}.json")) for folder in ("now", "expected"))
    for content in (now, was):
        for check in content["checks"]:
            del check["onnx_ms"], check["torch_ms"], check["largest_difference"]  # times, and a rounding
        content["bytes"] = list(content["bytes"])  # README.md and settings.json hold such figures and versions
    assert now.pop("uncalibrated") == ""
    assert now.pop("size")["chosen_by"] == "all"
    alike(as_then(now, was), was)
    alike(logits(bundle), plain(Path("expected", f"{bundle}.json")))
    old = unpacked / bundle
    for file in ("labels.json", "vocabulary.json"):
        assert Path(bundle, file).read_bytes() == (old / file).read_bytes()
    now, was = (plain(folder / "settings.json") for folder in (Path(bundle), old))
    versions = was["versions"]
    for content in (now, was):
        del content["versions"]
        content["files"] = list(content["files"])
    assert now.pop("uncalibrated") == ""
    assert now.pop("size")["chosen_by"] == "all"
    assert now.pop("ensemble").endswith("members, all that were trained")
    alike(now, was)
    if onnx.__version__ == versions["onnx"] and on_such_a_machine():
        assert Path(bundle, "model.onnx").read_bytes() == (old / "model.onnx").read_bytes()
