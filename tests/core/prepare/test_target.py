"""The folder of a new corpus: one command at a time, resumed after a kill, and an old corpus kept meanwhile."""

import errno
import hashlib
import json
import subprocess
import sys

import killed_prepare
import pytest
from recorded_tables import GOOD, SETTINGS, run, write

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import SertoolError, UsageError
from sertool.core.files import artifacts
from sertool.core.prepare.target import CACHE, Command, target

FEWER = "".join(GOOD.splitlines(keepends=True)[:3])
NAMES = {"audio.safetensors", "corpus.json", "recordings.json", "sounds.safetensors", "utterances.jsonl"}
COMMAND = Command(("t.csv", 1), force=False)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def killed_late(folder, table, *arguments):
    """Prepare a corpus and leave the folder as a kill between the last file and the result does."""
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sertool.commands.prepare.show_prepared", stopped)
        assert run(table, "--out", out, *SETTINGS, *arguments).exit_code == 130
    assert (out / "corpus.json").exists()
    assert (out / CACHE).exists()
    return out


def stopped(*_):
    raise KeyboardInterrupt


def test_a_second_command_is_refused_while_one_is_at_work(folder):
    out = folder / "out"
    with target(out, COMMAND):
        result = run(write(folder, GOOD), "--out", out, *SETTINGS)
        assert str(result.exception) == f"{out}: another process is preparing a corpus there"
        assert result.exception.hint == "wait for it, or choose another --out"
    assert not out.exists()  # nothing was written


def test_a_corpus_that_came_while_the_table_was_read_is_not_replaced(folder, monkeypatch):
    out, table = folder / "out", write(folder, GOOD)
    from sertool.core.prepare import source

    def late(given):
        monkeypatch.undo()
        assert run(write(folder, FEWER, "fewer.csv"), "--out", out, *SETTINGS).exit_code == 0
        return source.read_source(given)

    monkeypatch.setattr(source, "read_source", late)
    result = run(table, "--out", out, *SETTINGS)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"{out}: already holds a corpus"
    assert len(read_corpus(out).utterances) == 2
    assert set(files(out)) == {
        "audio.safetensors",
        "corpus.json",
        "recordings.json",
        "sounds.safetensors",
        "utterances.jsonl",
    }


def test_a_command_killed_after_its_last_file_finishes(folder):
    table = write(folder, GOOD)
    out = killed_late(folder, table)
    before = (out / "corpus.json").read_bytes()
    result = run(table, "--out", out, *SETTINGS, "--json", folder / "r.json")
    assert result.exit_code == 0, result.exception
    assert json.loads((folder / "r.json").read_text())["utterances"] == 4
    assert set(files(out)) == {
        "audio.safetensors",
        "corpus.json",
        "recordings.json",
        "sounds.safetensors",
        "utterances.jsonl",
    }
    assert (out / "corpus.json").read_bytes() == before
    assert str(run(table, "--out", out, *SETTINGS).exception) == f"{out}: already holds a corpus"


def test_only_the_same_command_may_finish(folder):
    table, other = write(folder, GOOD), write(folder, FEWER, "fewer.csv")
    out = killed_late(folder, table)
    before = (out / "corpus.json").read_bytes()
    for arguments in ([other], [table, "--seed", 2], [table, "--skip-bad"]):
        assert str(run(*arguments, "--out", out, *SETTINGS).exception) == f"{out}: already holds a corpus"
    write(folder, FEWER)  # the same command of another table
    assert str(run(table, "--out", out, *SETTINGS).exception) == f"{out}: already holds a corpus"
    assert (out / "corpus.json").read_bytes() == before
    assert run(table, "--out", out, *SETTINGS, "--force").exit_code == 0
    assert len(read_corpus(out).utterances) == 2
    assert not (out / CACHE).exists()


def test_a_killed_replacement_is_finished_by_force_alone(folder):
    out, table = folder / "out", write(folder, FEWER)
    assert run(table, "--out", out, *SETTINGS).exit_code == 0
    write(folder, GOOD)
    killed_late(folder, table, "--force")
    assert str(run(table, "--out", out, *SETTINGS).exception) == f"{out}: already holds a corpus"
    assert run(table, "--out", out, *SETTINGS, "--force").exit_code == 0
    assert len(read_corpus(out).utterances) == 4


def test_a_disk_that_fills_at_any_write_leaves_the_old_corpus(folder, monkeypatch):
    out, table = folder / "out", write(folder, FEWER)
    assert run(table, "--out", out, *SETTINGS).exit_code == 0
    before, write_bytes = files(out), artifacts.write_bytes
    write(folder, GOOD)
    for most in range(100):
        left = most

        def full(path, content):
            nonlocal left
            left -= 1
            if left < 0:
                raise artifacts.write_error(path, OSError(errno.ENOSPC, "No space left on device"))
            write_bytes(path, content)

        monkeypatch.setattr(artifacts, "write_bytes", full)
        result = run(table, "--out", out, *SETTINGS, "--force")
        if result.exit_code == 0:
            break
        assert isinstance(result.exception, SertoolError)
        assert {name: (out / name).read_bytes() for name in before} == before
    assert most > 3
    assert len(read_corpus(out).utterances) == 4


def test_a_link_in_the_place_of_the_work_folder_is_refused(folder):
    precious = folder / "precious/new/thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("kept")
    (folder / "out").mkdir()
    (folder / "out" / CACHE).symlink_to(folder / "precious")
    result = run(write(folder, GOOD), "--out", folder / "out", *SETTINGS)
    assert isinstance(result.exception, UsageError)
    assert f"{CACHE}: is a link" in str(result.exception)
    assert precious.read_text() == "kept"


def failing(folder, *, works=False):
    with target(folder, COMMAND) as cache:
        if works:
            (cache / "frames").mkdir()
        raise KeyError


def test_a_block_that_fails_leaves_only_work_to_resume(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with pytest.raises(KeyError):
            failing(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    with pytest.raises(KeyError):
        failing(tmp_path / "new", works=True)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {CACHE}


def points(folder, first, step, *arguments):
    """Kill the command at some of its points and repeat it; return what each repetition did."""
    script = [sys.executable, killed_prepare.__file__, first, step, *arguments]
    done = subprocess.run(list(map(str, script)), cwd=folder, capture_output=True, text=True, timeout=300, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("first", "step", "force"),
    [
        pytest.param(3, 17, False, marks=pytest.mark.slow),
        *(pytest.param(first, 7, first % 2, marks=pytest.mark.slow) for first in (0, 3, 5)),
    ],
)
def test_a_command_killed_at_any_point_is_finished_by_the_same_one(first, step, force, folder):
    table = write(folder, GOOD, "t.csv")
    assert run(table, "--out", folder / "whole/out", *SETTINGS).exit_code == 0
    assert run(write(folder, FEWER, "fewer.csv"), "--out", folder / "old", *SETTINGS).exit_code == 0
    whole = {name: hashlib.sha256(content).hexdigest() for name, content in files(folder / "whole/out").items()}
    forced = ["--force"] if force else []
    found = points(folder, first, step, "t.csv", "--out", "out", "--json", "r.json", *SETTINGS, *forced)
    assert len(found) > 2
    for line in found:
        ended = line["json"] and "already holds a corpus" in line["told"]  # killed after all was done
        assert line["code"] == 0 or ended, line
        assert line["json"], line
        assert line["others"] == [], line
        assert {name: digest for name, digest in line["files"].items() if name != ".lock"} == whole, line
