"""The exit codes that docs/json.md lists: 0, 1, 2 and 130."""

import re

import pytest
from commands_run import COMMANDS, refusal, run
from places import ROOT

from sertool.core.recipe import load as recipes

WORK = [command for command in COMMANDS if command != "recipes"]


def raising(error: BaseException):
    def fail(*_, **__):
        raise error

    return fail


def test_the_page_lists_these_codes():
    table = (ROOT / "docs/json.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    assert re.findall(r"^\| (\d+) \|", table, re.MULTILINE) == ["0", "1", "2", "130"]


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["recipes", "list"], ["recipes", "check", "demo"]])
def test_success_is_0(arguments):
    assert run(*arguments).exit_code == 0


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor", "--recipe", "emodb"],
        ["prepare", "none.csv", "--out", "data/NEW"],
        ["train", "--recipe", "emodb"],
        ["report", "--all"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_failure_is_1(arguments):
    assert refusal(*arguments, code=1).startswith("error: ")


@pytest.mark.parametrize("command", WORK)
def test_an_unknown_option_is_2(command):
    assert "No such option" in refusal(*command.split(), "--sedes", code=2)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--recipe", "emodb-x"],
        ["train", "--recipe", "demo", "--seeds", "1", "--members", "2"],
        ["ensemble", "--name", "none"],
        ["predict", "--name", "demo", "--text", "x", "--abstain", "2"],
        ["bench", "--no-training", "--no-evaluation"],
        ["bench", "--rounds", "0"],
        ["report"],
        ["doctor", "--device", "--recipe", "demo"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_2(arguments):
    refusal(*arguments, code=2)


def test_ctrl_c_is_130(monkeypatch):
    monkeypatch.setattr(recipes, "load", raising(KeyboardInterrupt()))
    result = run("recipes", "show", "demo")
    assert result.exit_code == 130
    assert result.stderr == "Interrupted\n  try: run the same command again to resume\n"
    assert result.stdout == ""
