"""``sertool prepare``: a table of recordings becomes a corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column
from rich.table import Table as Grid

from sertool.commands.options import JsonOption, SetOption
from sertool.commands.progress import counting

if TYPE_CHECKING:
    from sertool.core.preparing import Preparation


def prepare(
    table: Annotated[
        Path, typer.Argument(help="CSV or JSON Lines: utterance, audio, label, and if known more.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the new corpus, data/MYSET.")],
    recipe: Annotated[str, typer.Option(help="Recipe whose frontend makes the frames.")] = "custom",
    overrides: SetOption = None,
    audio_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where audio paths start; the table's folder if not given."),
    ] = None,
    json_file: JsonOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a corpus that is there already.")] = False,
) -> None:
    """Turn a table of recordings into a corpus to train on.

    Columns: utterance (or id), audio, and label (or emotion, sentiment); where known text, speaker, session,
    dialogue, split (train, valid, test, private), start and end in seconds.
    """
    from sertool.core import preparing
    from sertool.core import recipe as recipes
    from sertool.core.artifacts import write_json
    from sertool.core.corpora.corpus import write_corpus
    from sertool.core.corpora.table import read_table

    preparing.check_target(out, force=force)
    frontend = recipes.load(recipe, overrides, users_path=str(out)).frontend
    checked = read_table(table, audio_root)
    with counting("recordings") as progress:
        preparation = preparing.prepare(checked, frontend, out.resolve().name, progress)
    write_corpus(preparation.corpus, out)
    result = preparing.summary(preparation)
    if json_file is not None:
        write_json(json_file, {"corpus": str(out), **result})
    _show(preparation, result, out, recipe)


def _show(preparation: "Preparation", result: dict[str, Any], out: Path, recipe: str) -> None:
    """Warnings to stderr; the counts and the next command to stdout."""
    talk = Console(stderr=True)
    for warning in preparation.warnings:
        talk.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    console = Console(highlight=False)
    minutes = f"{result['seconds'] / 60:.1f} minutes"
    console.print(f"{out}: {result['utterances']} utterances, {minutes}", markup=False, soft_wrap=True)
    for task, counts in result["tasks"].items():
        splits = counts["splits"]
        grid = Grid(task, *(Column(split, justify="right") for split in splits), box=None, pad_edge=False)
        for name in counts["classes"]:
            grid.add_row(escape(name), *(str(splits[split][name]) for split in splits))
        grid.add_row("all", *(str(sum(splits[split].values())) for split in splits))
        console.print(grid)
    task = next(iter(result["tasks"]), "emotion")
    other = "" if task == "emotion" else f" --set dataset.task={task}"
    console.print(
        f"next: sertool train --recipe {recipe} --set dataset.path={out}{other}", markup=False, soft_wrap=True
    )
