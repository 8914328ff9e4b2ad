"""Collect the JSON that each command writes on a tiny corpus, by its format, and the schemas of docs/json.md."""

import json
import re
import shutil
from pathlib import Path

from builders import make_corpus, spoken
from commands_run import run, tiny
from places import ROOT
from tiny_ready import save_text_classifier

from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.recipe import load as recipes

BLOCK = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ON_CPU = ("--device", "cpu")


def schemas() -> dict[str, dict]:
    """The schemas of the page by the format they are for."""
    page = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    found = [json.loads(block) for block in BLOCK.findall(page)]
    return {one["properties"]["format"]["const"]: one for one in found}


def written(*arguments: str, codes: tuple[int, ...] = (0,)) -> dict:
    """Run a command in the working folder; return what its ``--json`` wrote."""
    path = Path("written.json")
    result = run(*arguments, "--json", str(path))
    assert result.exit_code in codes, result.output
    content = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return content


def short_demo(monkeypatch) -> dict:
    """Write the result of a demo of one epoch with two members each."""
    load = recipes.load
    short = ["training.runs=2", "training.max_epochs=1"]
    with monkeypatch.context() as patch:
        patch.setattr(recipes, "load", lambda name, changes, **more: load(name, [*changes, *short], **more))
        return written("demo", *ON_CPU)


def results() -> list[dict]:
    """Run the commands in the working folder, and return all that they wrote."""
    tiny(Path(), training={"runs": 2}, frontend={"mel_bands": 5})
    for number, label in enumerate(["happy", "sad"] * 6):
        spoken(Path("voices", label, f"{number}.wav"), 0.2 + number / 100)
    found = [
        written("recipes", "list"),
        written("fetch-data"),
        written("doctor"),
        written("doctor", "--recipe", "tiny.yaml", codes=(0, 1)),
        written("prepare", "voices", "--dry-run"),
        written("prepare", "voices", "--out", "data/VOICES", "--workers", "1"),
        written("prepare", "data/VOICES", "--set", "frontend.mel_bands=40", "--workers", "1"),
        written("train", "--recipe", "tiny.yaml", *ON_CPU),
        written("ensemble", "--name", "tiny", "--split", "valid,test", "--probe", "--csv", "answers.csv", *ON_CPU),
        written("doctor", "--data", "data/VOICES", "--against", "ckpt/tiny", codes=(0, 1)),
        written("doctor", "--recipe", "tiny.yaml", "--against", "ckpt/tiny", codes=(0, 1)),
    ]
    write_corpus(make_corpus(seed=5), Path("data/OTHER"))
    found.append(written("ensemble", "--name", "tiny", "--corpus", "data/OTHER", "--map", "polarity", *ON_CPU))
    shutil.copytree("ckpt/tiny", "ckpt/other")
    save_text_classifier("bert", Path("ready"), ("angry", "happy", "sad"))
    measured = ("--members", "1", "--rounds", "1", "--seconds", "0", "--no-baseline")
    return [
        *found,
        written("predict", "--name", "tiny", "--text", "word1 word2", *ON_CPU),
        written("predict", "--model", "ready", "--text", "what a day", *ON_CPU),
        written("judge", "ready", "--corpus", "data/TINY", *ON_CPU),
        written("report", "--name", "tiny"),
        written("import", "answers.csv", "--corpus", "TINY", "--name", "theirs"),
        written("compare", "tiny", "other"),
        written("cross", "TINY", "OTHER", "--recipe", "tiny.yaml", "--runs", "1", *ON_CPU),
        written("export", "--name", "tiny", "--out", "bundle"),
        written("bench", "--recipe", "tiny.yaml", *measured, *ON_CPU),
    ]
