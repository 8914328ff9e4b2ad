"""Profile training steps by kernel on a CUDA device, by operator on a CPU, beside the least time they need.

On a CUDA device these are replays of a recorded step: the host only starts them, so the time that the kernels do not
fill is the gaps between them.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from sertool.core.bench.device import Rates
from sertool.core.bench.operations import BYTES_OF_ADAM, Positions, training_operations
from sertool.core.bench.stack_side import StackSide
from sertool.core.bench.turns import Spread, take_turn
from sertool.core.bench.workload import Workload, open_workload
from sertool.core.compute.device import Precision
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.members import sizes_of

LONGEST_NAME = 70  # columns
MOST_ROWS = 100
_SPACES = re.compile(r"\b(?:at::native|at|c10|std|cutlass|cub)::|\(anonymous namespace\)::|^void ")
_PRODUCTS = re.compile(r"gemm|nvjet|cutlass|xmma|\bbmm\b|\bmm\b|addmm|baddbmm", re.IGNORECASE)
_COPIES = re.compile(r"^Mem(cpy|set)")


def profile_step(recipe: Recipe, precision: Precision, members: int, steps: int, turns: int) -> dict[str, Any]:
    """Time steps, then profile as many of them.

    Args:
        recipe: recipe whose corpus and model are used; published corpora are replaced by random ones.
        precision: device and number format.
        members: number of members.
        steps: number of steps in a turn, and of steps to profile.
        turns: number of turns without the profiler.

    Returns:
        The step's time with its spread, its floor, and a row for each kernel, all in milliseconds a step.
    """
    work = open_workload(recipe, Path("data"), precision)
    ours = StackSide(work, members)
    ours.settle(steps)
    ours.train()  # records the step
    utterances = members * recipe.training.batch_size
    rates = [take_turn(ours.train, precision.device).wall for _ in range(turns)]
    step = Spread.of([1e3 * utterances / rate for rate in rates])
    steps = -(-ours.epoch_utterances // recipe.training.batch_size)
    rows = _profiled(ours, steps)
    busy = sum(row["ms"] for row in rows)  # 0 where the profiler lacks the permission to see kernels
    return {
        "members": members,
        "device": precision.reason,
        "recorded": precision.graphs,
        "steps": steps,
        "step_ms": step.to_json(),
        "floor_ms": floor(work, members, ours.parameters),
        "busy_ms": round(busy, 4),
        "launches": round(sum(row["launches"] for row in rows), 1),
        "kinds": _kinds(rows, busy),
        "kernels": [{**row, "share": round(row["ms"] / busy, 4)} for row in rows[:MOST_ROWS]],
        "others": max(0, len(rows) - MOST_ROWS),
    }


def floor(work: Workload, members: int, parameters: int) -> dict[str, float]:
    """Return the least time of a step in ms: matrix products at the measured rate, Adam's memory at that of a copy.

    Recorded steps compute every position, so ``products`` counts padding and ``products_without_padding`` does not.
    """
    recipe, tables, rates = work.experiment.recipe, work.tables, Rates(work.precision)
    matrix, copy = rates.matrix(), rates.copy()
    sizes = sizes_of(work.experiment, work.inputs)
    real = Positions.real(tables.text_lengths[work.train], tables.audio_lengths[work.train])
    padded = Positions.padded(tables.text.shape[2], tables.audio.shape[1])
    utterances = members * recipe.training.batch_size
    products, without = (
        1e3 * utterances * training_operations(recipe.model, sizes, own) / matrix for own in (padded, real)
    )
    adam = 1e3 * members * parameters * BYTES_OF_ADAM / copy
    found = {"products": products, "products_without_padding": without, "adam": adam, "both": products + adam}
    rounded = {name: float(f"{value:.4g}") for name, value in found.items()}
    return {**rounded, "matrix_tflops": round(matrix * 1e-12, 2), "copy_gb_per_second": round(copy * 1e-9, 1)}


def _profiled(ours: StackSide, steps: int) -> list[dict[str, Any]]:
    """Profile one epoch of steps; return its kernels, the longest first."""
    on_device = ours.precision.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    with profile(activities=activities) as found:
        ours.train()
        if on_device:
            torch.cuda.synchronize()
    rows = []
    for event in found.key_averages():
        # A call on the host carries the time of the kernel it launched, which would then count twice.
        if on_device and event.device_type != DeviceType.CUDA:
            continue
        microseconds = event.self_device_time_total if on_device else event.self_cpu_time_total
        if microseconds > 0:
            rows.append(
                {
                    "kernel": shortened(event.key),
                    "kind": _kind(event.key, on_device=on_device),
                    "launches": round(event.count / steps, 2),
                    "ms": round(microseconds / 1e3 / steps, 5),
                }
            )
    return sorted(rows, key=lambda row: -row["ms"])


def _kind(name: str, *, on_device: bool) -> str:
    """Sort a kernel by its name: matrix products, sertool's own kernels, copies, or torch's other kernels."""
    if _PRODUCTS.search(name):
        return "matrix products"
    if _COPIES.match(name):
        return "copies and fills"
    # Triton's kernels have plain Python names; those of torch are C++ templates.
    return "sertool's kernels" if on_device and re.fullmatch(r"_[a-z_]+", name) else "torch's others"


def _kinds(rows: list[dict[str, Any]], busy: float) -> dict[str, dict[str, float]]:
    """Sum the rows of each kind, the longest first."""
    sums: dict[str, dict[str, float]] = {}
    for row in rows:
        own = sums.setdefault(row["kind"], {"ms": 0.0, "launches": 0.0})
        own["ms"] += row["ms"]
        own["launches"] += row["launches"]
    return {
        kind: {"ms": round(own["ms"], 4), "launches": round(own["launches"], 1), "share": round(own["ms"] / busy, 4)}
        for kind, own in sorted(sums.items(), key=lambda item: -item[1]["ms"])
    }


def shortened(name: str) -> str:
    """Shorten the name of a kernel: no namespaces, no parameters of functions, at most LONGEST_NAME columns."""
    plain = _SPACES.sub("", name)
    kept, depth = [], 0
    for character in plain:
        depth += character == "("
        if not depth:
            kept.append(character)
        depth -= character == ")"
    text = re.sub(r"\s+", " ", "".join(kept)).strip()
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
