"""Measure the value of each part of the CUDA path: the same training without one part at a time."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sertool.core.bench.stack_side import StackSide
from sertool.core.bench.turns import Spread, take_turn
from sertool.core.bench.workload import open_workload
from sertool.core.compute.device import Precision
from sertool.core.models.kernels import NAMES, OFF
from sertool.core.recipe.schema import Recipe

MEMBERS, STEPS, TURNS = 10, 20, 5
PARTS = ("nothing", *NAMES, "nothing again", "all kernels", "graph")


def ablation(
    recipe: Recipe, data: Path, precision: Precision, write: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Utterances a second, median and spread, with everything and without each part, by one stack.

    With everything it is measured twice: the difference is what a ratio may be off by. ``write`` is given what is there
    after each part, so that an interruption costs one.
    """
    ours = StackSide(open_workload(recipe, data, precision), MEMBERS)
    ours.settle(STEPS)
    rates: dict[str, Spread] = {}
    rows: dict[str, Any] = {}
    for without in PARTS:
        for state in ours.stacks.values():
            state.static = None  # recorded again without the part
        ours.precision = replace(ours.precision, graphs=precision.graphs and without != "graph")
        off = {name: name for name in NAMES} | {"all kernels": "1"}
        with patch.dict(os.environ, {OFF: off.get(without, "")}):
            ours.train()
            rates[without] = Spread.of([take_turn(ours.train, precision.device).wall for _ in range(TURNS)])
        ratio = rates[without].median / rates["nothing"].median
        print(f"without {without}: {rates[without].median:,.0f} utterances a second, {ratio:.3f}", flush=True)
        rows[without] = {"utterances_s": rates[without].to_json(), "ratio": ratio}
        write(rows)
    return rows
