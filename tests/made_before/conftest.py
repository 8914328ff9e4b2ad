"""Fixtures for files of an earlier version: a copy of them, and the command that reads it."""

import gzip
import shutil
import sys
from pathlib import Path

import pytest
from old_files import MADE

from sertool.__main__ import main


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "before"
    shutil.copytree(MADE, folder)
    for path in folder.rglob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    return folder


@pytest.fixture
def here(unpacked, tmp_path, monkeypatch) -> Path:
    """A copy, which is the working folder: the paths in the files are relative."""
    folder = tmp_path / "here"
    shutil.copytree(unpacked, folder)
    (folder / "now").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def sertool(here, monkeypatch, capsys):
    """Runs a command as the console script does; gives what it printed."""

    def run(*arguments: str, code: int = 0):
        monkeypatch.setattr(sys, "argv", ["sertool", *arguments])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Typer puts its own there
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        assert (stopped.value.code or 0) == code, printed.err
        return printed

    return run
