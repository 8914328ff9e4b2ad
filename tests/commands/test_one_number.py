"""One model, one number: every command averages the members that `sertool ensemble` chose, and gives its figure."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from bundle_running import run_alone
from commands_run import run

from sertool.core.corpora.load import corpus_folder
from sertool.core.files import artifacts
from sertool.core.recipe import load as recipes
from sertool.core.reports.build import build_report

pytestmark = pytest.mark.slow
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SMALL = ["training.runs=3", "training.max_epochs=3", "model.hidden_size=16", "model.ffn_size=16", "model.num_heads=2"]


def done(*arguments: str):
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def written(*arguments: str) -> dict:
    done(*arguments, "--json", "r.json")
    return json.loads(Path("r.json").read_text())


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, str, dict]:
    """The folder, lines and JSON of `sertool demo` with few epochs of small members."""
    folder, real = tmp_path_factory.mktemp("demo"), recipes.load

    def small(name, overrides=(), **more):
        return real(name, [*overrides, *SMALL] if name == "demo" else overrides, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(recipes, "load", small)
        result = done("demo", "--json", "demo.json")
    return folder, result.stdout, json.loads((folder / "demo.json").read_text())


def evaluations(k: int, named: str) -> dict[str, tuple[float, float, int, float]]:
    """Accuracy, UAR, size and temperature in `report`, `compare` and `export` with its card; all name the size."""
    reported = written("report", "--name", "demo")["runs"][0]
    test = reported["sets"]["test"]
    compared = written("compare", "demo", "demo-text")
    rows = {row["metric"]: row["a"] for row in compared["pairs"][0]["metrics"]}
    result = done("export", "--name", "demo", "--out", "bundle", "--force", "--json", "export.json")
    exported = json.loads(Path("export.json").read_text())
    assert f" · demo, {named}, " in result.stdout.splitlines()[0]
    assert reported["provenance"]["size"].startswith(named)
    how = named.partition(", ")[2]
    assert f"k = {k}, {how}" in done("report", "--name", "demo").stdout
    assert f"demo · {k} of 3 members, {how}" in done("compare", "demo", "demo-text").stdout
    card = Path("bundle/README.md").read_text().replace("\\", "")
    assert f"| ensemble | {named}" in card
    uar, accuracy = (float(re.search(rf"{name} ([\d.]+) %", card)[1]) for name in ("UAR", "accuracy"))
    assert (uar, accuracy) == tuple(
        round(100 * test["metrics"][name]["value"], 1) for name in ("uar", "accuracy")
    )  # to the last digit shown
    calibration = test["calibration"]["temperature"]
    return {
        "report": (
            test["metrics"]["accuracy"]["value"],
            test["metrics"]["uar"]["value"],
            test["k"],
            1.0 if calibration is None else calibration,
        ),
        "compare": (rows["accuracy"], rows["uar"], compared["contenders"][0]["k"], exported["temperature"]),
    }


def evaluated(content: dict) -> tuple[float, float, int, float]:
    """Read the same facts from the JSON of `sertool ensemble`."""
    test, k = content["sets"]["test"], content["size"]["k"]
    calibration = content["calibration"]
    return test["ensemble"][k - 1]["accuracy"], test["uar"], k, calibration["temperature"] or 1.0


def predicted(named: str) -> None:
    """A packaged recording has the same probabilities in `predict`, in the report, and in the bundle."""
    clips = corpus_folder("packaged:demo", Path()) / "clips"
    with (clips / "clips.csv").open(encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    said = [str(clips / first["audio"]), "--text", first["text"]]
    content = written("predict", "--name", "demo", *said)
    (own,) = content["predictions"]
    assert named in done("predict", "--name", "demo", *said).stdout.splitlines()[0]
    alone = run_alone(Path("bundle").resolve(), *said, "--json", str(Path("alone.json").resolve()))
    assert alone.returncode == 0, alone.stderr
    bundled = json.loads(Path("alone.json").read_text())
    assert bundled["ensemble"] == named
    (run_report,) = build_report(["demo"], Path("ckpt"), Path()).runs
    (row,) = [row for row in run_report.sets["test"].rows if row.id == Path(first["audio"]).stem]
    shares = list(own["probabilities"].values())
    np.testing.assert_allclose(list(bundled["predictions"][0]["probabilities"].values()), shares, atol=1e-4)
    np.testing.assert_allclose(row.probabilities, shares, atol=2e-3)  # the clip was compressed


def test_every_command_gives_the_figure_of_the_demo(demo, monkeypatch):
    folder, shown, content = demo
    monkeypatch.chdir(folder)
    fused = content["rows"][-1]
    size, k = fused["size"], fused["size"]["k"]
    assert (size["chosen_by"], size["metric"]) == ("validation", "uar")
    named = f"{k} member{'s' * (k > 1)}, chosen on validation by UAR"
    assert re.search(rf"^fused, {k} members? +{100 * fused['uar']:.2f} ", shown, re.MULTILINE)
    for found in evaluations(k, named).values():
        assert found[:3] == (fused["accuracy"], fused["uar"], k)
    predicted(named)


@pytest.mark.parametrize("k", [1, 2])
def test_the_users_size_is_that_of_every_command(demo, monkeypatch, k):
    monkeypatch.chdir(demo[0])
    own = evaluated(written("ensemble", "--name", "demo", "--members", str(k)))
    named = f"{k} member{'s' * (k > 1)}, chosen by the user"
    assert evaluations(k, named) == {"report": own, "compare": own}
    predicted(named)
    # Without --members the rule decides again, and what it replaces is told.
    result = done("ensemble", "--name", "demo")
    if f"stored: {k} member" not in result.stdout:
        assert f"it replaces {named}; --members {k} stores that again" in result.stdout


def test_a_member_that_is_not_finite_is_left_out_of_every_command(demo, monkeypatch):
    monkeypatch.chdir(demo[0])
    path = Path("ckpt/demo/run-2/model.safetensors")
    before = path.read_bytes()
    arrays, _ = artifacts.read_arrays(path)
    artifacts.write_arrays(path, {name: np.full_like(value, np.nan) for name, value in arrays.items()})
    own = evaluated(written("ensemble", "--name", "demo", "--members", "2"))
    assert json.loads(Path("ckpt/demo/size.json").read_text())["left_out"] == ["run-2"]
    rows = written("report", "--name", "demo")["runs"][0]["sets"]["test"]
    assert (rows["metrics"]["accuracy"]["value"], rows["k"]) == (own[0], 2)
    assert sorted(written("predict", "--name", "demo", "--text", "no")["members"]) == ["run-1", "run-3"]
    path.write_bytes(before)
