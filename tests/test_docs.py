"""The documentation agrees with the code: every command it shows exists, every generated table is current."""

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest
import synthetic_corpora
import typer.main
from places import ROOT
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.recipe import load as recipes

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "data/README.md", ROOT / "ckpt/README.md"])
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(sertool [^`]+|make [^`]+)`")
RECIPE_COMMENTS = sorted(recipes.folder().glob("*.yaml"))


def shown(page: Path) -> list[str]:
    """The commands a page shows: in sh and console blocks, in backticks, in the comments of a recipe."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".yaml":
        return re.findall(r"(sertool [a-z].*?)(?:   .*)?$", "\n".join(re.findall(r"^#(.*)$", text, re.MULTILINE)), re.M)
    commands = []
    for language, block in FENCED.findall(text):
        if language in ("sh", "console"):
            lines = (line.removeprefix("$ ") for line in block.split("\n"))
            commands += [line.split("  #")[0].strip() for line in lines if line.strip()]
    return commands + INLINE.findall(FENCED.sub("", text))


def command_at(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and the words behind it."""
    found, rest = typer.main.get_command(app), list(words)
    while rest and hasattr(found, "commands"):
        assert rest[0] in found.commands or rest[0].startswith("-"), f"no command {rest[0]!r}"
        if rest[0].startswith("-"):
            break
        found = found.commands[rest.pop(0)]
    return found, rest


COMMANDS = [(page, command) for page in [*PAGES, *RECIPE_COMMENTS] for command in shown(page)]


def test_the_pages_show_commands():
    assert len([command for _, command in COMMANDS if command.startswith("sertool ")]) > 60
    assert len([command for _, command in COMMANDS if "make " in command]) > 8
    assert {page.name for page in PAGES} >= {
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "recipes.md",
        "reference.md",
    }


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda value: getattr(value, "name", value))
def test_a_shown_command_exists(page, command):
    words = shlex.split(command.replace("'", ""))
    words = words[next((i for i, word in enumerate(words) if "=" not in word), 0) :]  # VARIABLE=value in front
    if words[0] in ("ffmpeg", "arecord"):  # what stands before the pipe
        words = words[words.index("|") + 1 :]
    if words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert {word for word in words[1:] if "=" not in word} <= targets
        return
    if words[:2] == ["python", "tools/synthetic_corpora.py"]:
        synthetic_corpora.parser().parse_args(words[2:])
        return
    if words[0] != "sertool":
        assert words[:2] in (
            ["source", ".venv/bin/activate"],
            ["python", "tools/recipe_docs.py"],
            ["python", "tools/dialogue_coverage.py"],
            ["python", "tools/interval_coverage.py"],
            ["python", "tools/score_coverage.py"],
            ["pip", "install"],
        )
        return
    found, rest = command_at(words[1:])
    known = {name for parameter in found.params for name in parameter.opts}
    used = [word.partition("=")[0] for word in rest if word.startswith("--")]
    assert set(used) <= known | {"--help"}, f"{page.name}: {command}"


@pytest.mark.parametrize(("page", "command"), [pair for pair in COMMANDS if "--recipe " in pair[1]])
def test_a_shown_recipe_and_its_changes_load(page, command):
    words = shlex.split(command)
    name = words[words.index("--recipe") + 1]
    changes = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    if name in ("mine.yaml", "calls.yaml"):  # copies of custom, a line above
        name = "custom"
    recipes.load(name, changes, users_path=recipes.USERS_PATH)


def generator():
    spec = importlib.util.spec_from_file_location("recipe_docs", ROOT / "tools" / "recipe_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_recipes_are_current():
    tool = generator()
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    assert tool.updated(text) == text, "run: python tools/recipe_docs.py"


def test_every_key_has_a_meaning():
    schema = recipes.Recipe.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    missing = [
        f"{section['title']}.{key}"
        for section in sections
        for key, field in section["properties"].items()
        if "description" not in field
    ]
    assert missing == []


def test_the_option_names_map_to_keys_that_are_there():
    """docs/reference.md maps the reference's options to recipe keys."""
    table = (ROOT / "docs/reference.md").read_text().partition("## Option names")[2].partition("\n## ")[0]
    keys = re.findall(r"`((?:dataset|frontend|splits|model|training)\.\w+)", table)
    assert len(keys) == 20
    fields = {name: field.annotation for name, field in recipes.Recipe.model_fields.items()}
    fields["frontend"] = recipes.Frontend  # the reference has no encoders
    for key in keys:
        section, _, name = key.partition(".")
        assert name in fields[section].model_fields


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_example_of_import_runs(tmp_path, monkeypatch):
    """The program of docs/import.md writes a file, and the command below it prints what the page shows."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/import.md").read_text(encoding="utf-8")
    (program,) = [block for language, block in FENCED.findall(text) if language == "python"]
    exec(program, {})
    command = next(line for line in text.splitlines() if line.startswith("sertool import words.csv"))
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    (shown_lines,) = [block for language, block in FENCED.findall(text) if language == "text"]
    assert done.stdout == shown_lines


def test_published_figures_in_the_docs_are_the_recipes():
    """The tables of README and docs/recipes.md show the figures that the recipes carry."""
    checked = []
    for page in (ROOT / "README.md", ROOT / "docs/recipes.md"):
        for name, text in re.findall(r"^\| `([\w-]+)` \| (accuracy .*) \|$", page.read_text(), re.MULTILINE):
            published = recipes.load(name).published
            accuracies = [figure.value for figure in published if figure.metric == "accuracy"]
            # README is for users and shows percent, as the program does; docs/recipes.md shows the recipes' own values.
            shown = [f"{100 * value:.2f}" if page.name == "README.md" else f"{value:.4f}" for value in accuracies]
            figures = [f"accuracy {value.rstrip('0').rstrip('.')}" for value in shown]
            assert any(re.search(rf"{re.escape(figure)}(?![\d.])", text) for figure in figures), (
                page.name,
                name,
            )
            checked.append(name)
    assert len(checked) == 9
