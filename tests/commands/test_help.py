"""Help, version, and what an unknown command gets."""

import json
import shlex
import subprocess
import sys

import pytest
from commands_run import COMMANDS, command_named, refusal, run

from sertool.commands._examples import EXAMPLES
from sertool.core.recipe import load as recipes


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout
    assert run(*command.split(), "-h").stdout == result.stdout
    assert result.stderr == ""


def test_every_command_is_in_the_help():
    listed = run("--help").stdout
    for command in COMMANDS:
        assert command.split()[0] in listed


@pytest.mark.parametrize("columns", ["80", "200"])
@pytest.mark.parametrize("group", ["", "recipes"])
def test_the_list_of_commands_cuts_no_sentence(monkeypatch, group, columns):
    monkeypatch.setenv("COLUMNS", columns)
    listed = run(*group.split(), "--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    names = [name.split()[-1] for name in COMMANDS if name.split()[:-1] == group.split()]
    assert [line.split()[0] for line in listed] == names
    for line in listed:
        assert line.endswith(".")
        assert not line.endswith(("...", "…"))
        assert len(line) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_and_argument_is_a_sentence(command):
    for parameter in command_named(command).params:
        text = parameter.help
        assert text, f"{command}: {parameter.name} has no help"
        assert text[0].isupper() or text.startswith("faster-whisper"), f"{command}: {text}"
        assert text.endswith("."), f"{command}: {text}"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_ends_with_two_examples_that_can_be_typed(command):
    shown = run(*command.split(), "--help").stdout.partition("\n  Examples:\n")[2].splitlines()
    lines = [line.strip() for line in shown if line.strip()]
    assert lines == list(EXAMPLES[command])
    assert len(lines) == 2
    for line in lines:
        assert len(line) <= 78
        program, *words = shlex.split(line)
        assert program == "sertool"
        assert words[: len(command.split())] == command.split()
        name = " ".join(words[: 2 if words[0] == "recipes" else 1])
        parsed = command_named(name).make_context(name, words[len(name.split()) :]).params
        if parsed.get("recipe") not in (None, "custom"):
            recipes.load(parsed["recipe"], parsed.get("set_"))


def test_help_imports_nothing_heavy():
    code = (
        "import json, sys\nfrom sertool.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'spacy', 'matplotlib', 'sklearn', 'scipy', 'numpy', 'pydantic', 'safetensors'}\n"
        "sys.stderr.write(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert json.loads(done.stderr) == []


def test_an_unknown_command_or_option_is_a_usage_error():
    assert "No such command 'trian'" in refusal("trian", code=2)
    assert "No such option" in refusal("train", "--recipe", "demo", "--sedes", "1", code=2)
