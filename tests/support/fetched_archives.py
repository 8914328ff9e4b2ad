"""Make archives for fetch-data, and run the command."""

import zipfile
from pathlib import Path

from builders import REFERENCE
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.fetch.download import Policy

CORPORA = {"IEMOCAP": "iemocap-mat", "MOSI": "mosi-mnt", "MOSEI": "mosei2-mat", "MELD": "meld7-mat"}
QUICK = Policy(tries=2, first_wait=0.01, longest_wait=0.02, connect_timeout=2, stall_timeout=2)


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["fetch-data", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.stderr
    return result


def add_corpus(archive: zipfile.ZipFile, name: str, prefix: str = "") -> None:
    for path in sorted((REFERENCE / CORPORA[name] / "data" / name).glob("*.*")):
        archive.write(path, f"{prefix}{name}/{path.name}")


def data_zip(path: Path, *names: str, prefix: str = "data/", extra: dict[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names or CORPORA:
            add_corpus(archive, name, prefix)
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return path


def tree(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
