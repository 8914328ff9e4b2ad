"""Long predictions: results grow while they run, and the same command goes on after it was cut off anywhere."""

import json
import os
import threading
from pathlib import Path

import pytest
from tones import refusal, run

from sertool.core.inference import predictor, shards

WHOLE = ("--csv", "whole.csv", "--jsonl", "whole.jsonl", "--json", "whole.json")
PART = ("--csv", "part.csv", "--jsonl", "part.jsonl", "--json", "part.json")
PROGRESS = Path("part.csv.progress")


@pytest.fixture
def table(here, monkeypatch):
    """Twelve inputs of a model of text and audio, predicted five at a time: two with audio, ten texts."""
    for module in (predictor, shards):
        monkeypatch.setattr(module, "SHARD", 5)
    rows = [f"u{place},{f'0{place}.wav' if place < 2 else ''},sky up word{place % 7}\n" for place in range(12)]
    Path("table.csv").write_text("id,audio,text\n" + "".join(rows))
    return here


def predict(*outputs: str):
    return run("predict", "--name", "tones", "--table", "table.csv", *outputs)


def same(*endings: str) -> bool:
    return all(Path(f"part.{ending}").read_bytes() == Path(f"whole.{ending}").read_bytes() for ending in endings)


def test_a_long_job_gives_the_results_of_a_short_one(table, monkeypatch):
    assert predict(*PART).exit_code == 0
    for module in (predictor, shards):
        monkeypatch.setattr(module, "SHARD", 512)
    # The padding of a batch changes the last digits, so that probabilities are compared with a tolerance.
    assert predict(*WHOLE).exit_code == 0
    rows = [[line.split(",") for line in Path(name).read_text().splitlines()] for name in ("part.csv", "whole.csv")]
    assert len(rows[0]) == 13
    for part, whole in zip(*rows, strict=True):
        assert part[:4] == whole[:4]
    for part, whole in zip(rows[0][1:], rows[1][1:], strict=True):
        assert float(part[4]) == pytest.approx(float(whole[4]), abs=1e-5)
    entries = json.loads(Path("part.json").read_text())["predictions"]
    assert [json.loads(line) for line in Path("part.jsonl").read_text().splitlines()] == entries
    assert not PROGRESS.exists()


def test_results_are_there_while_it_runs_and_after_it_was_cut_off(table, cut):
    assert predict(*WHOLE).exit_code == 0
    cut(10)
    assert predict(*PART).exit_code == 130
    assert Path("whole.csv").read_text().startswith(Path("part.csv").read_text())
    assert len(Path("part.csv").read_text().splitlines()) == 11
    assert len(Path("part.jsonl").read_text().splitlines()) == 10
    assert not Path("part.json").exists()
    cut(0)  # what is done is not predicted again
    done = predict(*PART)
    assert done.exit_code == 0, done.stderr
    assert "resuming: 10 of 12 inputs are done" in done.stderr
    assert same("csv", "jsonl", "json")
    assert not [path for path in Path().iterdir() if "progress" in path.name]


@pytest.mark.parametrize("missing", [1, 100, 1700, 10**6])
def test_a_torn_progress_is_read_up_to_the_tear(table, cut, missing):
    assert predict(*WHOLE).exit_code == 0
    cut(10)
    predict(*PART)
    os.truncate(PROGRESS, max(0, PROGRESS.stat().st_size - missing))
    cut(None)
    assert predict(*PART).exit_code == 0
    assert same("csv", "jsonl", "json")


def test_other_work_is_not_mixed_in(table, cut):
    cut(10)
    predict(*PART)
    Path("table.csv").write_text(Path("table.csv").read_text().replace("word1", "word2"))
    cut(None)
    message = refusal("--table", "table.csv", *PART, code=2)
    assert "part.csv.progress: holds predictions that were cut off" in message
    PROGRESS.write_text("something else\n")
    message = refusal("--table", "table.csv", *PART, code=2)
    assert "is not the progress of a prediction" in message
    PROGRESS.unlink()
    assert predict(*PART).exit_code == 0


def test_inputs_that_cannot_be_used_cost_no_work(table, cut):
    Path("table.csv").write_text(Path("table.csv").read_text() + "u12,gone.wav,\n")
    message = refusal("--table", "table.csv", *PART, code=1)
    assert "1 of 13 cannot be used" in message or "gone.wav" in message
    assert len(Path("part.csv").read_text().splitlines()) == 13  # the others are there
    cut(0)
    done = predict(*PART, "--skip-bad")
    assert done.exit_code == 0, done.stderr
    assert "left out 1" in done.stderr
    assert not PROGRESS.exists()


def test_two_processes_do_not_work_on_one_result(table, cut):
    from sertool.core.errors import SertoolError
    from sertool.core.inference.journal import open_journal

    with open_journal(Path("x.progress"), "job"), pytest.raises(SertoolError, match="another process"):  # noqa: SIM117
        with open_journal(Path("x.progress"), "job"):
            pass


def test_a_pipe_gets_the_rows_while_it_runs(table, cut):
    os.mkfifo("pipe")
    received = []
    reader = threading.Thread(target=lambda: received.append(Path("pipe").read_text()))
    reader.start()
    assert predict("--csv", "pipe", "--jsonl", "-").exit_code == 0
    reader.join()
    assert len(received[0].splitlines()) == 13
