"""`sertool doctor` without arguments: what a report of a bug needs, and nothing that names its sender."""

import builtins
import importlib.metadata
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from builders import make_corpus, write_tiny
from machines import NO_CARD, NO_DRIVER, TOO_OLD
from typer.testing import CliRunner

from sertool import __version__
from sertool.cli import app
from sertool.core.compute import environment as module
from sertool.core.compute.cards import Card, Found
from sertool.core.compute.environment import cuda_lines, environment
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.load import corpora_in
from sertool.core.runs.folder import runs_below


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def held() -> dict[str, tuple[Path, list[str]]]:
    """Collect the two folders and their contents as `sertool doctor` does."""
    data, output = Path("data"), Path("ckpt")
    return {"data": (data, corpora_in(data)), "ckpt": (output, runs_below(output))}


def test_versions_are_those_installed(here):
    found = environment(held())
    assert list(found)[:6] == ["sertool", "python", "system", "torch", "numpy", "spacy"]
    assert (found["sertool"], found["torch"]) == (__version__, importlib.metadata.version("torch"))
    for line in importlib.metadata.requires("sertool"):
        name = re.match(r"[\w.-]+", line)[0]
        if "extra ==" not in line:
            assert found[name] == importlib.metadata.version(name)
    extras = sorted(importlib.metadata.metadata("sertool").get_all("Provides-Extra"))
    assert [key for key in found if key.startswith("extra ")] == [f"extra {name}" for name in extras]
    assert {"asr", "cluster", "dev", "export", "track"} <= set(extras)
    assert found["extra dev"] == "there"


def test_an_extra_names_what_it_lacks(here, monkeypatch):
    monkeypatch.setattr(module, "_version", lambda name: None if name in ("onnx", "onnxruntime") else "1.0")
    found = environment(held())
    assert found["extra export"] == "lacks onnx, onnxruntime"
    assert found["extra asr"] == "there"


def test_a_package_that_was_never_installed_still_has_versions(here, monkeypatch):
    monkeypatch.setattr(module, "PACKAGE", "no-such-package")
    found = environment(held())
    assert found["numpy"] == importlib.metadata.version("numpy")
    assert not [key for key in found if key.startswith("extra ")]


def test_device_precision_and_threads(here, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setattr("sertool.core.compute.cards.find_cards", lambda: Found(visible=""))
    found = environment(held())
    assert found["device"] == "CPU (torch is built without CUDA)"
    assert found["precision"] == "auto takes fp32"
    assert re.fullmatch(rf"\d+ cores, torch uses {torch.get_num_threads()}, OMP_NUM_THREADS=3(, .*)?", found["threads"])
    assert "GOMP_SPINCOUNT" not in found["threads"]
    assert re.match(r"\d+\.\d GiB", found["memory"])


def test_every_card_is_told_with_memory_and_capability(here, monkeypatch):
    cards = (Card(0, "A Card 9000", (9, 0), 16 * 2**30), Card(1, "Tesla V100", (7, 0), 32 * 2**30))
    machine = Found(cards, cuda="12.8", architectures=("sm_90",), driver="570.86.15")
    monkeypatch.setattr("sertool.core.compute.cards.find_cards", lambda: machine)
    found = environment(held())
    assert found["device"] == "A Card 9000, 16.0 GiB, capability 9.0"
    assert found["device 1"] == "Tesla V100, 32.0 GiB, capability 7.0 (torch has no code for it)"
    assert found["cuda"] == "runtime 12.8, driver 570.86.15"
    assert found["precision"] == "auto takes bf16"
    assert dict(cuda_lines(replace(machine, driver=None)))["cuda"] == "runtime 12.8, driver unknown"


@pytest.mark.parametrize(
    ("machine", "device"),
    [
        (
            Found(cuda="13.0", driver="470.57.02", error=TOO_OLD),
            "the driver 470.57.02 is too old for torch's CUDA 13.0",
        ),
        (Found(cuda="13.0", visible="-1", error=NO_CARD), "CUDA_VISIBLE_DEVICES=-1 hides the cards"),
        (Found(cuda="13.0", error=NO_DRIVER), "no CUDA device"),
    ],
)
def test_a_problem_with_the_cards_is_named(machine, device):
    assert dict(cuda_lines(machine))["device"] == f"CPU ({device})"


def test_a_torch_that_cannot_be_imported_is_told(here, monkeypatch):
    imports = builtins.__import__

    def refusing(name, *arguments, **more):
        if name == "torch":
            raise ImportError("libcudart.so.12")
        return imports(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refusing)
    found = environment(held())
    assert found["device"] == "unknown, torch cannot be imported (ImportError)"
    assert "precision" not in found


def test_corpora_and_runs_are_named(here):
    write_tiny(here / "data")
    write_corpus(make_corpus(), here / "data/MELD/sertool")
    (here / "data/VGAF").mkdir()
    (here / "data/VGAF/train_mels.p").write_bytes(b"")
    (here / "data/other").mkdir()
    (here / "data/.fetched").mkdir()
    (here / "ckpt/mine").mkdir(parents=True)
    (here / "ckpt/mine/recipe.yaml").write_text("")
    (here / "ckpt/released").mkdir()
    (here / "ckpt/released/best72.5_1.pkl").write_bytes(b"")
    (here / "ckpt/empty").mkdir()
    assert corpora_in(Path("data")) == ["MELD", "TINY", "VGAF"]
    assert runs_below(Path("ckpt")) == ["mine", "released"]
    found = environment(held())
    assert re.fullmatch(r"\d+\.\d GiB free · MELD, TINY, VGAF", found["data"])
    assert re.fullmatch(r"\d+\.\d GiB free · mine, released", found["ckpt"])


def test_the_command_prints_aligned_lines_and_no_path_of_its_user(here):
    result = CliRunner().invoke(app, ["doctor", "--json", "out.json"])
    assert (result.exit_code, result.stderr) == (0, "")
    written = json.loads((here / "out.json").read_text())
    assert written.pop("format") == "sertool-environment/1"
    width = max(map(len, written))
    lines = result.stdout.splitlines()
    assert lines[0] == f"{'sertool':<{width}}  {__version__}"
    assert max(map(len, lines)) <= 80
    assert [line[:width].strip() for line in lines if line[:width].strip()] == list(written)
    assert written["data"].endswith("GiB free · nothing there")
    assert str(here) not in result.stdout
    assert str(Path.home()) not in result.stdout
