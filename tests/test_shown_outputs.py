"""Outputs shown in the documentation are what the commands print today. Numbers may differ on another processor."""

import re
import shlex

import pytest
import synthetic_corpora
from places import ROOT
from typer.testing import CliRunner

from sertool.cli import app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("shown"))
        yield


def printed(command: str, capsys: pytest.CaptureFixture[str] | None = None) -> list[str]:
    """Run a command as a user types it; return the lines of its standard output.

    Args:
        command: a command of sertool, or with ``capsys`` also ``python tools/synthetic_corpora.py``.
        capsys: catches what that tool prints.
    """
    _, *words = shlex.split(command)
    if capsys is not None and words[0] == "tools/synthetic_corpora.py":
        assert synthetic_corpora.main(words[1:]) == 0
        return capsys.readouterr().out.splitlines()
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


@pytest.mark.parametrize("kind", ["scores", "raters"])
def test_the_examples_of_scores_and_raters(folder, capsys, kind):
    """All commands of a section, and below them the parts of what they print; a line of dots stands for others."""
    page = (ROOT / "docs/scores.md").read_text(encoding="utf-8")
    section = page.partition(f"## An example with {kind}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```(sh|text)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks].count("text") == {"scores": 5, "raters": 2}[kind]
    lines: list[str] = []
    for language, block in blocks:
        if language == "sh":
            lines = [line for command in block.splitlines() for line in printed(command, capsys)]
            continue
        own, place = [settled(line) for line in masked(lines)], 0
        for part in block.removeprefix("...\n").removesuffix("...\n").split("\n...\n"):
            wanted = [settled(line) for line in masked(part.splitlines())]
            places = [at for at in range(place, len(own)) if own[at : at + len(wanted)] == wanted]
            assert places, f"{part}\nis not among the last lines of\n" + "\n".join(lines)
            place = places[0] + len(wanted)


def settled(line: str) -> str:
    """Return a masked line without what the last digits of its numbers decide: verdicts, bars, whether p is tiny."""
    return re.sub(r"[─━●]+", "-", line.partition(" by speaker: ")[0].replace("<#", "#"))
