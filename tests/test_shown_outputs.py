"""Outputs shown in the documentation are what the commands print today. Numbers may differ on another processor."""

import re
import shlex

import pytest
from places import ROOT
from typer.testing import CliRunner

from sertool.cli import app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("shown"))
        yield


def printed(command: str) -> list[str]:
    """Run a command as a user types it; return the lines of its standard output."""
    _, *words = shlex.split(command)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def shown(page: str, start: str) -> list[str]:
    """Return the lines of the block of a page that begins with a text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall(rf"^```text\n({re.escape(start)}.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return block.splitlines()


def masked(lines: list[str]) -> list[str]:
    """Replace numbers, and columns that are as wide as these, by signs that are the same for all of them."""
    return [re.sub(r"\s+", " ", re.sub(r"[+-]?\d[\d.,e-]*", "#", line)) for line in lines]


def test_the_demo(folder):
    wanted = shown("README.md", "demo · test")
    lines = printed("sertool demo")
    start = lines.index(wanted[0])
    assert masked(lines[start : start + len(wanted)]) == masked(wanted)


def test_an_export(folder):
    wanted, lines = shown("docs/export.md", "bundle · demo"), printed("sertool export --name demo --out bundle")
    assert masked(lines) == masked(wanted)


def test_a_comparison(folder):
    page = (ROOT / "docs/compare.md").read_text(encoding="utf-8")
    (commands,) = re.findall(
        r"^```sh\n(sertool train --recipe demo --name short.*?)^```$", page, re.MULTILINE | re.DOTALL
    )
    for command in commands.splitlines():
        lines = printed(command)
    wanted = shown("docs/compare.md", "demo (synthetic speech)")
    # The flipped utterances, and the word for the size of the effect, depend on the last digits of the training.
    for own in (lines, wanted):
        del own[own.index(next(line for line in own if line.startswith("utterance"))) + 1 : -1]
    assert [line.partition(" h #")[0] for line in masked(lines)] == [
        line.partition(" h #")[0] for line in masked(wanted)
    ]
