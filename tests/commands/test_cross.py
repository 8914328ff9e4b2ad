"""``sertool cross``: what is trained, kept, shown, written and refused."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from builders import make_corpus
from commands_run import refusal, run
from crossed import write_corpora
from killed_training import contents
from scored_corpora import scored_corpus

from sertool.core.corpora.corpus_files import read_corpus, write_corpus

OPTIONS = ("--recipe", "tiny.yaml", "--map", "four", "--device", "cpu")
OTHER_MAP = ("--recipe", "tiny.yaml", "--map", "polarity", "--device", "cpu")
ALL = ("A", "GERMAN", "C", *OPTIONS, "--leave-one-out")


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Path:
    """Three corpora and the runs of all models."""
    folder = tmp_path_factory.mktemp("crossed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_corpora(folder)
        done = run("cross", *ALL, "--csv", "m.csv", "--latex", "m.tex", "--html", "m.html", "--json", "m.json")
        assert done.exit_code == 0, done.output
        (folder / "shown.txt").write_text(done.stdout)
    return folder


@pytest.fixture
def work(there, monkeypatch) -> Path:
    monkeypatch.chdir(there)
    return there


def trained(folder: Path) -> dict[str, bytes]:
    """Read the files of all members."""
    return {name: content for name, content in contents(folder).items() if "/run-" in name}


def test_every_model_is_judged_on_every_corpus(work):
    shown = Path("shown.txt").read_text()
    assert shown.startswith("cross · recipe tiny · honest protocol · emotion · label map four\n")
    assert "all others" in shown
    assert "label map four: 3 classes: angry, happy, sad" in shown
    with Path("m.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 + 3
    assert {row["utterances"] for row in rows} == {"20"}
    assert [row["trained_on"] for row in rows[9:]] == ["GERMAN+C", "A+C", "A+GERMAN"]
    table = json.loads(Path("m.json").read_text())
    assert table["rows"][0]["cells"][1]["figure"]["value"] == float(rows[1]["value"])
    assert "all others" in Path("m.html").read_text(encoding="utf-8")
    assert Path("m.tex").read_text().startswith("% sertool cross A GERMAN C --recipe tiny.yaml --map four")


def test_a_cell_is_a_run_that_reports_and_comparisons_take(work):
    rows = json.loads(Path("m.json").read_text())["rows"]
    cell = rows[0]["cells"][1]
    done = run("report", "--name", cell["run"], "--json", "r.json")
    assert done.exit_code == 0, done.output
    [own] = json.loads(Path("r.json").read_text())["runs"]
    assert own["sets"]["test"]["metrics"]["uar"]["value"] == pytest.approx(cell["figure"]["value"])


def test_what_is_done_is_kept(work):
    before = contents(work / "ckpt")
    done = run("cross", *ALL, "--json", "again.json")
    assert done.exit_code == 0, done.output
    assert "GERMAN (2 of 6): trained" in done.stderr
    assert "A+C on GERMAN: stored" in done.stderr
    assert "epoch" not in done.stderr
    joined = {name for name in before if "/corpus/" in name}  # these are written again
    assert {k: v for k, v in contents(work / "ckpt").items() if k not in joined} == {
        k: v for k, v in before.items() if k not in joined
    }
    first, again = (json.loads(Path(name).read_text()) for name in ("m.json", "again.json"))
    assert {**again, "made": ""} == {**first, "made": ""}


def test_an_interrupted_matrix_goes_on_with_the_same_bytes(there, tmp_path, monkeypatch):
    for name in ("data", "ckpt", "tiny.yaml"):
        source = there / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    whole = trained(tmp_path / "ckpt/cross")
    for lost in ("GERMAN", "A/on", "C/predictions", "A+C"):
        shutil.rmtree(tmp_path / "ckpt/cross" / lost)
    done = run("cross", *ALL, "--json", "again.json")
    assert done.exit_code == 0, done.output
    assert "A (1 of 6): trained" in done.stderr
    assert trained(tmp_path / "ckpt/cross") == whole
    first, again = (json.loads(path.read_text()) for path in (there / "m.json", tmp_path / "again.json"))
    assert {**again, "made": ""} == {**first, "made": ""}


def test_labels_of_test_are_read_in_the_logs(work):
    entries = [json.loads(line) for line in Path("ckpt/cross/A/log.jsonl").read_text().splitlines()]
    purposes = [entry["purpose"] for entry in entries if entry.get("by") == "sertool cross"]
    assert "judged 2 members on GERMAN" in purposes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["A", *OPTIONS], "a matrix needs two corpora or more, and only A is given"),
        (["A", "data/A", *OPTIONS], "data/A: is given twice"),
        (["A", "more/A", *OPTIONS], "are both named A"),
        (["A", "GERMAN", "--recipe", "tiny.yaml", "--name", "other"], "A and GERMAN have different classes"),
        (["A", "GERMAN", *OPTIONS, "--leave-one-out"], "--leave-one-out: all but one of two corpora"),
        (["A", "C", *OPTIONS, "--set", "training.max_epochs=3"], "holds a run of another recipe"),
        (["A", "C", *OTHER_MAP], "holds a run of another recipe: dataset.map four"),
        (["A", "GERMAN", "C", *OTHER_MAP, "--leave-one-out"], "holds a run of another recipe: dataset.map four"),
        (["A", "C", *OPTIONS, "--set", "dataset.path=A"], "--set dataset.path: a matrix takes each of its corpora"),
        (["A", "C", *OPTIONS, "--set", "dataset.map=four"], "--set dataset.map and --map both name a label map"),
        (["A", "C", *OPTIONS, "--output", "ckpt/cross", "--name", "A"], "ckpt/cross/A: holds a run, and a matrix"),
        (["A", "C", *OPTIONS, "--output", "ckpt/cross/A/on", "--name", "C"], "holds predictions of A on another"),
        (["A", "C", *OPTIONS, "--name", "a/b"], "--name a/b: expected the name of a folder"),
        (["A", "WIDE", *OPTIONS], "A and WIDE: their frames of sound differ: 5 values and 7 values"),
        (["A", "COPY", *OPTIONS], "A trains on "),
        (["A", "CALM", *OPTIONS], "A and CALM share 1 class of the label map"),
        (["A", "SCORES", "--recipe", "tiny.yaml", "--name", "other"], "SCORES"),
        (["A", "C", *OPTIONS, "--set", "splits.test=private"], "no labelled utterance for test"),
        (["A", "C", *OPTIONS, "--map", "fuor"], "did you mean 'four'"),
        (["A", "NONE", *OPTIONS], "no such corpus"),
    ],
)
def test_what_cannot_be_one_matrix_is_one_message_before_any_training(work, arguments, message):
    data = work / "data"
    if not (data / "WIDE").exists():
        write_corpus(replace(make_corpus(width=7, seed=8), name="WIDE"), data / "WIDE")
        own = read_corpus(data / "A")
        splits = {"train": "test", "test": "train"}
        turned = [replace(one, split=splits.get(one.split, one.split)) for one in own.utterances]
        write_corpus(replace(own, name="COPY", utterances=tuple(turned)), data / "COPY")
        calm = {"angry": "angry", "happy": "neutral", "sad": "neutral"}
        other = make_corpus(seed=9)
        labelled = [replace(one, labels={"emotion": calm[one.labels["emotion"]]}) for one in other.utterances]
        classes = {"emotion": ("angry", "neutral")}
        write_corpus(replace(other, name="CALM", utterances=tuple(labelled), classes=classes), data / "CALM")
        write_corpus(replace(scored_corpus(), name="SCORES"), data / "SCORES")
        shutil.copytree(data / "A", work / "more/A")
    before = contents(work / "ckpt")
    result = run("cross", *arguments)
    assert result.exit_code in (1, 2), result.output
    assert message in refusal("cross", *arguments, code=result.exit_code)
    assert contents(work / "ckpt") == before


@pytest.mark.slow
def test_only_joined_corpora_are_balanced(work):
    short = ("--set", "training.balance=corpus", "--runs", "1", "--name", "even")
    done = run("cross", *ALL, *short)
    assert done.exit_code == 0, done.output
    assert "balance: corpus" not in Path("ckpt/even/A/recipe.yaml").read_text()
    assert "balance: corpus" in Path("ckpt/even/A+C/recipe.yaml").read_text()


@pytest.mark.slow
def test_a_killed_matrix_goes_on_with_the_same_bytes(there, tmp_path):
    for name in ("data", "tiny.yaml"):
        source = there / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    command = [sys.executable, "-m", "sertool", "cross", *ALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    talk = (tmp_path / "talk").open("w+")
    victim = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=talk)
    until = time.monotonic() + 120
    while "C (3 of 6)" not in (tmp_path / "talk").read_text() and time.monotonic() < until:
        time.sleep(0.02)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    talk.close()
    assert not (tmp_path / "ckpt/cross/A/predictions").exists()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "A (1 of 6): trained" in done.stderr
    assert trained(tmp_path / "ckpt/cross") == trained(there / "ckpt/cross")
