"""fetch-data after an interruption, beside another process, or where an archive is there already."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fetched_archives import QUICK, data_zip, run, tree

from sertool.core.fetch.fetch import Request, fetch
from sertool.core.fetch.sources import load_sources


def test_a_download_is_deleted_when_it_is_unpacked_unless_it_is_to_be_kept(tmp_path, serve):
    folder, address, asked = serve
    data_zip(folder / "data.zip", "MOSI")
    result = run("data", "--from", address, "--json", "r.json")
    assert result.stdout.startswith("data: 736.6 kB from 127.0.0.1\nSHA-256 ")
    assert json.loads(Path("r.json").read_text())["sources"][0]["url"] == f"{address}data.zip"
    assert tree(tmp_path / "data") == {".fetched", "MOSI"}
    run("data", "--from", address, "--force", "--keep-archive")
    assert tree(tmp_path / "data") == {".fetched", "MOSI", "data.zip"}
    before = len(asked)
    result = run("data", "--force")
    assert "data: data/data.zip is there and is used" in result.stderr
    assert len(asked) == before
    assert (tmp_path / "data/data.zip").is_file()


def test_a_damaged_download_is_not_met_again(tmp_path, serve):
    folder, address, _ = serve
    whole = data_zip(folder / "data.zip", "MOSI").read_bytes()
    (folder / "data.zip").write_bytes(whole[:-5000])
    error = run("data", "--from", f"{address}data.zip", code=1).stderr
    assert "try: the same command fetches it again" in error
    assert tree(tmp_path / "data") == {".fetched"}
    (folder / "data.zip").write_bytes(whole)
    run("data", "--from", f"{address}data.zip")
    assert (tmp_path / "data/MOSI").is_dir()


def test_an_archive_that_the_user_put_there_is_used_and_stays(tmp_path):
    (tmp_path / "data").mkdir()
    data_zip(tmp_path / "data/data.zip", "MOSI")
    run("data")
    assert tree(tmp_path / "data") == {".fetched", "MOSI", "data.zip"}


CHILD = """
import os, signal, sys
from pathlib import Path
from sertool.core.fetch.download import Policy
from sertool.core.fetch.fetch import Request, fetch
from sertool.core.fetch.sources import load_sources
from sertool.core.files import artifacts
from sertool.core.fetch import fetch as fetching

left = int(sys.argv[2])
def moment(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

rename, write = Path.rename, fetching.write_receipt
def renamed(path, target):
    moment(); result = rename(path, target); moment(); return result
def written(path, receipt):
    moment(); write(path, receipt); moment()
Path.rename, fetching.write_receipt = renamed, written
fetch(Request("data", load_sources()["data"], Path("data"), origin=sys.argv[1]), moment, Policy())
print(left)
"""


@pytest.mark.slow
def test_killed_at_any_step_it_goes_on_and_ends_right(tmp_path, serve):
    folder, address, _ = serve
    data_zip(folder / "data.zip", "MOSI", "IEMOCAP", "MELD")

    def child(origin: str, moment: int) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", CHILD, origin, str(moment)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    steps = 10**6 - int(child(f"{address}data.zip", 10**6).stdout)
    assert steps > 20
    expected = {path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*")}
    for moment in range(1, steps + 1, 2):
        subprocess.run(["rm", "-rf", "data"], cwd=tmp_path, check=True)
        killed = child(f"{address}data.zip", moment)
        assert killed.returncode == -9
        # What has its final name is whole already.
        for name in ("MOSI", "IEMOCAP", "MELD"):
            if (tmp_path / "data" / name).exists():
                assert (tmp_path / "data" / name / "sertool" / "fingerprint.json").is_file()
        fetched = fetch(
            Request("data", load_sources()["data"], tmp_path / "data", f"{address}data.zip"),
            lambda _: None,
            QUICK,
        )
        assert set(fetched.receipt.folders) == {"MOSI", "IEMOCAP", "MELD"}
        assert fetched.receipt.url == f"{address}data.zip"
        assert {path.relative_to(tmp_path / "data") for path in (tmp_path / "data").rglob("*")} == expected


def test_two_processes_do_not_get_in_each_others_way(tmp_path):
    data_zip(tmp_path / "d.zip", "MOSI")
    code = CHILD.replace("os.kill(os.getpid(), signal.SIGKILL)", "print('in', flush=True); input()")
    other = subprocess.Popen(
        [sys.executable, "-c", code, "d.zip", "2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "in\n"
    error = run("data", "--from", "d.zip", code=1).stderr
    assert "error: data is being fetched into data by another process\n" in error
    other.communicate("\n")
    assert other.returncode == 0
    assert run("data").stdout.startswith("data: is already there")
