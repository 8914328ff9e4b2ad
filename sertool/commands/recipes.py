"""``sertool recipes``: list, show, copy and check the settings of experiments."""

from pathlib import Path
from typing import Annotated

import typer

from sertool.commands import _options as options
from sertool.commands._completion import recipe_names
from sertool.commands._examples import examples
from sertool.commands._outputs import Outputs

app = typer.Typer(
    no_args_is_help=True, help="List, show, copy and check recipes of experiments.", epilog=examples("recipes")
)

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE", help="Name of a recipe, or a path that ends in .yaml.", autocompletion=recipe_names
    ),
]
_COLUMNS = {"name": "name", "data set": "dataset", "protocol": "protocol", "model": "architecture"}
_WIDE = 200  # columns; enough for the longest description


@app.command("list", epilog=examples("recipes list"))
def list_recipes(json_file: options.Json = None) -> None:
    """List the recipes that come with sertool."""
    from rich.table import Table as Grid

    from sertool.core.recipe import load as recipes

    files = Outputs({"--json": json_file})
    rows = [recipes.summary(name) for name in recipes.names()]
    files.write_json("--json", "recipes", {"recipes": rows})
    console = files.console()
    grid = Grid(box=None, padding=(0, 1, 0, 0))
    for title, key in _COLUMNS.items():
        grid.add_column(title, no_wrap=True, min_width=max(len(str(row[key])) for row in [*rows, {key: title}]))
    grid.add_column("about", no_wrap=True)
    for row in rows:
        grid.add_row(*(row[key] for key in (*_COLUMNS.values(), "about")))
    if not console.is_terminal:
        console.width = _WIDE  # nothing is cut off in a file or a pipe
    console.print(grid)
    files.show(["next: sertool recipes show custom"])


@app.command(epilog=examples("recipes show"))
def show(
    name: NameArgument,
    overrides: options.Set = None,
) -> None:
    """Print a recipe as YAML, with what it inherits and all defaults."""
    from sertool.core.recipe import load as recipes

    typer.echo(recipes.resolved(recipes.load(name, overrides, users_path=recipes.USERS_PATH)), nl=False)


@app.command(epilog=examples("recipes copy"))
def copy(
    name: NameArgument,
    destination: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="File to write.", dir_okay=False)],
    force: Annotated[bool, options.option("--force", "Replace a file that is already there.")] = False,
) -> None:
    """Copy a recipe, comments included, to edit it."""
    from sertool.core.command_line import command_line
    from sertool.core.recipe import load as recipes

    Outputs({"FILE.yaml": destination}, recipes.sources(name))
    recipes.copy(name, destination, force=force)
    typer.echo(f"{destination}: a copy of {name}, to be edited")
    typer.echo(f"next: {command_line('recipes', 'check', destination)}")


@app.command(epilog=examples("recipes check"))
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE", help="Recipes to check. Default: all that are shipped.", autocompletion=recipe_names
        ),
    ] = None,
) -> None:
    """Check recipes for unknown keys and wrong values."""
    from sertool.core.errors import UsageError
    from sertool.core.recipe import load as recipes

    problems = []  # of all recipes: one message at the end, not one per run of the command
    for name in names or recipes.names():
        try:
            recipes.load(name, users_path=recipes.USERS_PATH)
        except UsageError as error:  # collect: the other recipes are checked all the same
            problems.append(str(error))
        else:
            typer.echo(f"{name}: good")
    if problems:
        raise UsageError("\n".join(problems))
