"""Measure the value of each part of the CUDA path: the same training without one part at a time."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from sertool.core.bench.stack_side import StackSide
from sertool.core.bench.turns import Spread, take_turn
from sertool.core.bench.workload import open_workload
from sertool.core.compute.device import Precision
from sertool.core.models.kernels import NAMES, OFF, use_triton
from sertool.core.recipe.schema import Recipe

TURNS_WITHOUT_GRAPH = 2  # a step takes twenty times as long, and the answer is clear
NOTHING, AGAIN, GRAPH, KERNELS = "nothing", "nothing again", "graph", "all kernels"
PARTS = (NOTHING, *NAMES, AGAIN, KERNELS, GRAPH)
LEAST_GAIN = 0.03  # of a step; a kernel that gains less than this over the noise does not pay


@dataclass(frozen=True)
class Amount:
    """The amount of training: number of members, steps of a turn, and turns for each part."""

    members: int
    steps: int = 20
    turns: int = 5


def ablation(
    recipe: Recipe, data: Path, precision: Precision, amount: Amount, write: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Utterances a second, median and spread, with everything and without each part, by one stack.

    With everything it is measured twice: the difference is what a ratio may be off by. ``write`` is given what is there
    after each part, so that an interruption costs one.
    """
    ours = StackSide(open_workload(recipe, data, precision), amount.members)
    ours.settle(amount.steps)
    rates: dict[str, Spread] = {}
    rows: dict[str, Any] = {}
    for without in PARTS:
        for state in ours.stacks.values():
            state.static = None  # recorded again without the part
        ours.precision = replace(ours.precision, graphs=precision.graphs and without != GRAPH)
        turns = min(amount.turns, TURNS_WITHOUT_GRAPH) if without == GRAPH else amount.turns
        off = {name: name for name in NAMES} | {KERNELS: "1"}
        with patch.dict(os.environ, {OFF: off.get(without, "")}):
            ours.train()
            rates[without] = Spread.of([take_turn(ours.train, precision.device).wall for _ in range(turns)])
        ratio = rates[without].median / rates[NOTHING].median
        print(f"without {without}: {rates[without].median:,.0f} utterances a second, {ratio:.3f}", flush=True)
        rows[without] = {"utterances_s": rates[without].to_json(), "ratio": ratio}
        write(rows)
    return rows


def noise(rows: dict[str, Any]) -> float | None:
    """Return how far the ratio of two equal measurements is from 1; None if the second one is missing."""
    return abs(rows[AGAIN]["ratio"] - 1) if AGAIN in rows else None


def gain(rows: dict[str, Any], part: str) -> float:
    """Return how much longer a step takes without a part, as a share of the step with everything."""
    return float(1 / rows[part]["ratio"] - 1)


def unused(precision: Precision) -> list[str]:
    """Name the kernels that a training does not use here, so that leaving them out can gain nothing."""
    numbers = [torch.float32, *([torch.bfloat16] if precision.name == "bf16" else [])]
    values = [torch.empty(1, dtype=number, device=precision.device) for number in numbers]
    return [name for name in NAMES if not all(use_triton(own, name) for own in values)]


def not_worth_it(tables: list[dict[str, Any]], idle: Sequence[str]) -> list[str] | None:
    """Name the kernels that gain less than LEAST_GAIN over the noise in every table; None if a table is incomplete.

    Args:
        tables: results of :func:`ablation` for several numbers of members.
        idle: kernels that were not used at all, about which the tables say nothing.
    """
    noises = [noise(rows) for rows in tables]
    if not tables or any(own is None for own in noises):
        return None
    pairs = [(rows, own) for rows, own in zip(tables, noises, strict=True) if own is not None]
    used = [name for name in NAMES if name not in idle]
    return [name for name in used if all(gain(rows, name) - own < LEAST_GAIN for rows, own in pairs)]
