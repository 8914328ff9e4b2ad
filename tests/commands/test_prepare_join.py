"""``sertool prepare --join``: one corpus of several, told with what each of them brings."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import killed_prepare
import pytest
from builders import make_corpus
from recorded_tables import run

from sertool.core.corpora.corpus_files import read_corpus, write_corpus


@pytest.fixture
def two(tmp_path, monkeypatch):
    """A folder with the corpora A and B."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("AB"):
        write_corpus(replace(make_corpus(seed=seed), name=name), tmp_path / "data" / name)
    return tmp_path


def message(*arguments):
    error = run(*arguments).exception
    return f"{error} ({getattr(error, 'hint', '')})"


def test_the_joined_corpus_and_its_parts_are_told(two):
    result = run("--join", "data/A", "data/B", "--out", "data/AB", "--json", "r.json")
    assert result.exit_code == 0, result.output
    assert "data/AB: 96 utterances, 12 speakers" in result.stdout
    assert "  A: 48 utterances: train 24, valid 12, test 12\n  B: 48 utterances" in result.stdout
    assert "next: sertool train" in result.stdout
    content = json.loads(Path("r.json").read_text())
    each = {"train": 24, "valid": 12, "test": 12}
    assert content["corpora"] == {"A": each, "B": each}
    assert content["dataset"] == "AB"
    assert read_corpus(Path("data/AB")).joined == ("A", "B")


def test_a_joined_corpus_does_not_lie_in_one_that_is_read(two):
    told = message("--join", "data/A", "data/B", "--out", "data/A/both")
    assert "data/A/both: lies in data/A, which is read" in told
    assert not [path for path in Path("data/A/both").rglob("*") if path.suffix == ".json" and "corpus" in path.name]


def test_a_dry_run_writes_nothing(two):
    result = run("data/A", "data/B", "--join", "--dry-run", "--map", "polarity", "--json", "r.json")
    assert result.exit_code == 0, result.output
    assert "data/A, data/B: 96 utterances" in result.stdout
    assert "emotion: positive, negative" in result.stdout
    assert result.stdout.endswith("dry run: nothing was written\n")
    assert json.loads(Path("r.json").read_text())["corpora"]["A"] == {"train": 24, "valid": 12, "test": 12}
    assert sorted(path.name for path in Path("data").iterdir()) == ["A", "B"]


def test_a_label_map_holds_for_all_of_them(two):
    result = run("--join", "data/A", "data/B", "--out", "data/AB", "--map", "polarity")
    assert result.exit_code == 0, result.output
    assert "A: label map polarity: 2 classes: positive, negative" in result.output
    labels = {one.labels["emotion"] for one in read_corpus(Path("data/AB")).utterances}
    assert labels == {"positive", "negative"}


def test_options_that_do_not_go_together_are_refused(two):
    assert "2 tables or folders given, expected one (--join makes one corpus" in message("data/A", "data/B")
    assert "--seed: corpora that are joined were prepared already" in message(
        "--join", "data/A", "data/B", "--seed", "3"
    )
    assert "needs at least two corpora, and got data/A" in message("--join", "data/A", "--out", "data/AB")
    assert "--out is missing" in message("--join", "data/A", "data/B")
    assert run("--join", "data/A", "data/B", "--out", "data/AB").exit_code == 0
    assert "data/AB: already holds a corpus" in message("--join", "data/B", "data/A", "--out", "data/AB")
    assert run("--join", "data/B", "data/A", "--out", "data/AB", "--force").exit_code == 0
    assert read_corpus(Path("data/AB")).joined == ("B", "A")
    assert "no such folder" in message(
        "--join", "data/A", "data/C", "--out", "data/AC"
    ) or "no corpus there" in message("--join", "data/A", "data/C", "--out", "data/AC")


def hashes(folder):
    files = {path.name: path for path in Path(folder).iterdir() if path.is_file()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items() if name != ".lock"}


def test_a_command_killed_before_its_result_is_finished_by_the_same_one(two, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    arguments = ("--join", "data/A", "data/B", "--out", "data/AB")
    with monkeypatch.context() as patched:
        patched.setattr("sertool.commands._join.show_prepared", stopped)
        patched.setattr("sertool.core.prepare.target._forget", lambda cache: None)  # a kill leaves the folder as it is
        assert run(*arguments).exit_code == 130
    before = hashes("data/AB")
    assert "already holds a corpus" in message("--join", "data/B", "data/A", "--out", "data/AB")
    assert run(*arguments).exit_code == 0
    assert hashes("data/AB") == before
    assert sorted(path.name for path in Path("data/AB").iterdir() if path.is_dir()) == []


@pytest.mark.slow
def test_a_command_killed_at_any_point_is_finished_by_the_same_one(two):
    assert run("--join", "data/A", "data/B", "--out", "whole/out").exit_code == 0
    arguments = ["--join", "data/A", "data/B", "--out", "out", "--json", "r.json"]
    script = [sys.executable, killed_prepare.__file__, "2", "12", *arguments]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) > 2
    for line in found:
        assert line["code"] == 0 or (line["json"] and "already holds a corpus" in line["told"]), line
        assert line["others"] == [], line
        assert {name: digest for name, digest in line["files"].items() if name != ".lock"} == hashes("whole/out"), line
