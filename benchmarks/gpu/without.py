"""Part 6: what each part of the CUDA path is worth, for ten members and for one, and which kernels do not pay."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.gpu.child import Settings, serve

MEMBERS = (10, 1)
TINY_STEPS, TINY_TURNS = 2, 1


def work(settings: Settings) -> None:
    """Train without each part in turn; the table of each number of members is written row by row."""
    from benchmarks.gpu.sizes import fit, members_of
    from benchmarks.training_ablation import Amount, ablation, noise, not_worth_it, unused
    from sertool.core.recipe.load import load

    # On a CPU too, where nothing is recorded, these are the steps of fixed shapes.
    precision = replace(settings.precision(), graphs=True)
    recipe = fit(settings)(load("iemocap"))
    tables: list[dict[str, Any]] = []
    idle = unused(precision)
    for members in MEMBERS:
        amount = Amount(members_of(settings, members))
        if settings.tiny:
            amount = replace(amount, steps=TINY_STEPS, turns=TINY_TURNS)
        table: dict[str, Any] = {"members": amount.members, "rows": {}}
        tables.append(table)

        def write(rows: dict[str, Any], table: dict[str, Any] = table) -> None:
            table.update(rows=rows, noise=noise(rows))
            whole = [one["rows"] for one in tables] if len(tables) == len(MEMBERS) else []
            settings.write({"tables": tables, "unused": idle, "not_worth_it": not_worth_it(whole, idle)})

        ablation(recipe, Path("data"), precision, amount, write)


if __name__ == "__main__":
    serve(work)
