"""Train and evaluate every recipe of the five published data sets, then report on all of them: `make reproduce-all`.

It runs both protocols, each with the recipe's own number of members. Finished recipes are skipped, a recipe without its
data is listed with what to fetch, and a recipe that fails does not stop the next. Interrupt it at any time: the same
command resumes.

With --synthetic everything is small: generated corpora (tools/synthetic_corpora.py) and models of a few thousand
weights, in folders of their own. This shows only that the chain works.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.files.artifacts import read_json
from sertool.core.formatting import plural
from sertool.core.recipe.schema import Recipe
from sertool.core.reports.expected import published_recipes

HERE = Path(__file__).resolve().parent
SERTOOL = (sys.executable, "-m", "sertool")
NO_FIGURES = "synthetic corpora: the figures only show that the chain works"
REPORTS = {"html": "html", "markdown": "md", "json": "json"}  # option and file name's end
# Ten members of this size learn what is planted in the generated corpora in seconds. embedding_size is the width of
# the vectors that come with them.
SMALL = {
    "dataset.max_text_length": 12,
    "dataset.max_audio_length": 20,
    "model.hidden_size": 32,
    "model.ffn_size": 64,
    "model.num_heads": 2,
    "model.num_layers": 1,
    "model.embedding_size": 32,
    "training.batch_size": 32,
    "training.max_epochs": 10,
    "training.learning_rate": 2e-3,
    # An epoch has so few steps that two in a row are often no better; the rate must not vanish by then.
    "training.lr_decay": 0.7,
    "training.patience": 5,
}


@dataclass(frozen=True)
class Places:
    """Folders of corpora and models, the command of sertool, changes to recipes, and the launcher."""

    data: Path
    output: Path
    sertool: Sequence[str]
    overrides: Sequence[str]
    launcher: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """The result of a recipe, in a few words."""

    recipe: Recipe
    text: str
    done: bool = False
    failed: bool = False


def main(arguments: Sequence[str] | None = None, sertool: Sequence[str] = SERTOOL) -> int:
    """Run all recipes; return 1 if one failed (missing data are no failure), 130 if interrupted."""
    options = _parse(arguments)
    data, output, overrides = options.data, options.output, []
    if options.synthetic:
        # Folders of their own, so that no generated result is taken for one on real data.
        data, output = data / "synthetic", output / "synthetic"
        overrides = [f"{key}={value}" for key, value in SMALL.items()]
        print(NO_FIGURES, flush=True)
        if _call([sys.executable, str(HERE / "synthetic_corpora.py"), "--out", str(data)]):
            return 1
    launcher = ["--launcher", options.launcher] if options.launcher != "local" else []
    launcher += ["--address", options.address] if options.address else []
    places = Places(data, output, sertool, overrides, launcher)
    begun = time.monotonic()
    try:
        rows = [
            reproduce(recipe, places)
            for recipe in published_recipes()
            if recipe.name in (options.only or [recipe.name])
        ]
        reported = report(places)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to resume", file=sys.stderr)
        return 130
    print("\n" + "\n".join(table(rows)))
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    print(f"{sum(row.done for row in rows)} of {len(rows)} done, {minutes} min {seconds} s")
    # If no recipe was run, the report says so, and that is no failure.
    broken = not reported and any(row.done for row in rows)
    if broken:
        print("failed: sertool report (its message is above)")
    elif reported:
        print(f"report: {places.output / 'report.html'} (also .md and .json)")
    if options.synthetic:
        print(NO_FIGURES)
    return int(broken or any(row.failed for row in rows))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [recipe.name for recipe in published_recipes()]
    parser.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="folder that holds the corpora")
    parser.add_argument("--output", type=Path, default=Path("ckpt"), metavar="DIR", help="folder of the trained models")
    parser.add_argument(
        "--synthetic",
        action="store_true",
        help="run small models on generated corpora, in DIR/synthetic of both folders",
    )
    parser.add_argument("--launcher", choices=["local", "ray"], default="local", help="where members are trained")
    parser.add_argument(
        "--address", metavar="ADDRESS", help="address of the Ray cluster (default: start one on this machine)"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="RECIPE",
        choices=names,
        help="run this recipe only; can be repeated",
    )
    return parser.parse_args(arguments)


def reproduce(recipe: Recipe, places: Places) -> Row:
    """Train and evaluate a recipe, or the part that is not done yet."""
    name, corpus = recipe.name, places.data / recipe.dataset.path
    run = places.output / name
    result = run / "ensemble.json"
    if result.is_file() and (run / "predictions" / "test-probes.safetensors").is_file():
        print(f"{name}: done already ({result})")
        return _done(recipe, result)
    if not corpus.is_dir():
        print(f"{name}: no folder {corpus} (sertool fetch-data data)")
        return Row(recipe, f"needs {corpus}: sertool fetch-data data")
    folders = ["--data", str(places.data), "--output", str(places.output)]
    changes = [part for override in places.overrides for part in ("--set", override)]
    sets = "test" if selected_on_test(recipe) else "valid,test"
    for command in (
        ["train", "--recipe", name, *folders, *changes, *places.launcher],
        ["ensemble", "--name", name, "--split", sets, "--probe", *folders, "--json", str(result)],
    ):
        print(f"\n{name}: sertool {' '.join(command)}", flush=True)
        if _call([*places.sertool, *command]):
            return Row(recipe, f"failed: sertool {' '.join(command[:3])} (its message is above)", failed=True)
    return _done(recipe, result)


def selected_on_test(recipe: Recipe) -> bool:
    """Check whether a recipe validates on its test split, so that there is no separate validation set."""
    return recipe.splits.scheme == "corpus" and recipe.splits.valid == recipe.splits.test


def _done(recipe: Recipe, result: Path) -> Row:
    try:
        content = read_json(result)
        sizes = content["sets"]["test"]["ensemble"]
        # A result of an older version does not say how many members were chosen: it is of all.
        size = content.get("size", {"k": len(sizes), "chosen_by": "all"})
        k, on_test = size["k"], size["chosen_by"] == "test" or selected_on_test(recipe)
        text = f"{100 * sizes[k - 1]['accuracy']:.2f} %, {plural(sizes[k - 1]['members'], 'member')}"
    except (DataError, KeyError, TypeError, IndexError, ValueError) as error:
        return Row(recipe, f"failed: {result} is damaged ({error}); delete it", failed=True)
    return Row(recipe, text + ", selected on test" * on_test, done=True)


def report(places: Places) -> bool:
    """Report on everything below the output folder; return whether that worked."""
    files = [part for kind, end in REPORTS.items() for part in (f"--{kind}", str(places.output / f"report.{end}"))]
    folders = ["--data", str(places.data), "--output", str(places.output)]
    command = ["report", "--all", "--expect", "published", *folders, *files]
    print(f"\nsertool {' '.join(command)}", flush=True)
    return _call([*places.sertool, *command]) == 0


def table(rows: Sequence[Row]) -> list[str]:
    """Format a line for each recipe."""
    width = max(len(row.recipe.name) for row in rows)
    lines = [f"{'recipe':{width}}  protocol  test accuracy, or what is missing"]
    return lines + [f"{row.recipe.name:{width}}  {row.recipe.protocol:8}  {row.text}" for row in rows]


def _call(command: Sequence[str]) -> int:
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
