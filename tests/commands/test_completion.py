"""Completion in a shell: it is installed by an option, and knows recipes and runs."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands_run import COMMANDS, command_named, run

from sertool.commands._completion import recipe_names, run_names
from sertool.core.recipe.load import names


def completed(words: str) -> list[str]:
    """Return the words that bash is offered for the last of some words, by a process as a shell starts it."""
    environment = {"_SERTOOL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    code = "import sys; sys.argv = ['sertool']; from sertool.cli import app; app(prog_name='sertool')"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & {"torch", "spacy", "sklearn", "scipy"}
    return done.stdout.split()


@pytest.fixture
def runs(here):
    for name in ("calls", "calm", "demo"):
        path = Path("models", name, "recipe.yaml")
        path.parent.mkdir(parents=True)
        path.touch()


@pytest.mark.usefixtures("runs")
def test_the_shell_is_offered_commands_recipes_and_runs():
    assert completed("sertool pre") == ["prepare", "predict"]
    assert completed("sertool train --recipe mosi-t") == ["mosi-tuned"]
    assert completed("sertool ensemble --output models --name cal") == ["calls", "calm"]


def test_recipes_are_found_by_their_beginning():
    assert recipe_names("") == names()
    assert recipe_names("iemocap-f") == ["iemocap-folds"]
    assert recipe_names("none") == []


@pytest.mark.usefixtures("runs")
def test_runs_are_found_below_output():
    below = SimpleNamespace(params={"output": "models"})
    assert run_names(below, "") == ["calls", "calm", "demo"]
    assert run_names(below, "cal") == ["calls", "calm"]
    assert run_names(SimpleNamespace(params={}), "") == []  # there is no folder ckpt


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_that_takes_a_recipe_or_a_run_completes_it(command):
    for parameter in command_named(command).params:
        if parameter.opts[0] in ("--recipe", "--expect", "--name"):
            assert parameter._custom_shell_complete is not None, f"{command} {parameter.opts[0]}"


def test_completion_is_installed_by_an_option():
    shown = run("--help").stdout
    assert "--install-completion" in shown
    assert "--show-completion" in shown
