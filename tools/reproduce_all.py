"""Train and evaluate every recipe of the paper's protocol, one after the other: `make reproduce-all`.

What is done is skipped, a recipe without its data is named with what to fetch, and one that fails does not
stop the next; a table at the end tells all. Stop it at any time: `sertool train` goes on where it was.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
SERTOOL = (sys.executable, "-m", "sertool")


def main(arguments: Sequence[str] | None = None, sertool: Sequence[str] = SERTOOL) -> int:
    """Run all of them; 1 if one failed (missing data is told, and is no failure)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder that holds the corpora")
    parser.add_argument("--output", type=Path, default=Path("ckpt"), help="folder of the trained models")
    options = parser.parse_args(arguments)
    rows = []
    for recipe in paper_recipes(sertool):
        state = reproduce(recipe, options.data, options.output, sertool)
        rows.append((recipe["name"], state))
    print("\nrecipe           test accuracy, or what is missing")
    for name, state in rows:
        print(f"{name:16} {state}")
    done = sum(state.startswith("0.") or state.startswith("1.") for _, state in rows)
    print(f"{done} of {len(rows)} done")
    return int(any(state.startswith("failed") for _, state in rows))


def paper_recipes(sertool: Sequence[str]) -> list[dict[str, str]]:
    """What `sertool recipes list` knows of the recipes with the paper's protocol."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recipes.json"
        subprocess.run(
            [*sertool, "recipes", "list", "--json", str(file)], check=True, stdout=subprocess.DEVNULL
        )
        return [row for row in json.loads(file.read_text()) if row["protocol"] == "paper"]


def reproduce(recipe: dict[str, str], data: Path, output: Path, sertool: Sequence[str]) -> str:
    """Train and evaluate one recipe; what came of it, in a few words."""
    name, corpus = recipe["name"], data / recipe["path"]
    result = output / name / "ensemble.json"
    if not result.is_file():
        if not corpus.is_dir():
            print(f"{name}: no folder {corpus} (sertool fetch-data data)")
            return f"needs {corpus}: sertool fetch-data data"
        places = ["--data", str(data), "--output", str(output)]
        for command in (
            ["train", "--recipe", name, *places],
            ["ensemble", "--name", name, "--sets", "test", *places, "--json", str(result)],
        ):
            print(f"{name}: sertool {' '.join(command)}", flush=True)
            if subprocess.run([*sertool, *command]).returncode:
                return f"failed: sertool {' '.join(command[:3])} (its message is above)"
    else:
        print(f"{name}: done already ({result})")
    ensemble = json.loads(result.read_text())["sets"]["test"]["ensemble"]
    last = ensemble[-1]
    return f"{last['accuracy']:.4f} ({last['members']} members, the paper's protocol)"


if __name__ == "__main__":
    sys.exit(main())
