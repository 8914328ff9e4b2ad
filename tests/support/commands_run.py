"""Running commands in a test: output, refusals, a tiny corpus and a recipe for it."""

import resource
from pathlib import Path

import typer.main
from builders import tiny_recipe, write_tiny
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.files import artifacts
from sertool.core.recipe.load import resolved

COMMANDS = [
    "demo",
    "fetch-data",
    "doctor",
    "prepare",
    "train",
    "ensemble",
    "predict",
    "judge",
    "listen",
    "import",
    "report",
    "compare",
    "cross",
    "export",
    "bench",
    "recipes",
    "recipes list",
    "recipes show",
    "recipes copy",
    "recipes check",
]


def command_named(words: str):
    """Find a command by its name, such as ``recipes list``."""
    found = typer.main.get_command(app)
    for name in words.split():
        found = found.commands[name]
    return found


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments: str, code: int) -> str:
    """Run a command that must fail with ``code`` and print nothing to stdout; return its stderr."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def tiny(folder: Path, **sections) -> None:
    """A corpus below data and the recipe tiny.yaml."""
    write_tiny(folder / "data")
    artifacts.write_text(folder / "tiny.yaml", resolved(tiny_recipe(**sections)))


def train(*extra: str) -> list[str]:
    return ["train", "--recipe", "tiny.yaml", "--runs", "1", *extra]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def peak_mb() -> float:
    """The largest memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
