"""The result of each part in a few words, for the table at the top of the summary."""

from typing import Any

from benchmarks.gpu.summary_sections import members, number, targets


def machine(found: dict[str, Any]) -> str:
    """Report the rates."""
    matrix, copy = found["matrix_tflops"]["median"], found["copy_gb_per_second"]["median"]
    return f"{number(matrix)} TFLOP/s in {found['precision']}, copies {number(copy)} GB/s"


def kernels(found: dict[str, Any]) -> str:
    """Count the comparisons that found a kernel equal to its definition."""
    every = [own for card in found["cards"] for own in card["comparisons"]]
    return f"{sum(own['equal'] for own in every)} of {len(every)} comparisons equal"


def tests(found: dict[str, Any]) -> str:
    """Count the tests."""
    return f"{found['passed']} passed, {len(found['failed'])} failed, {found['skipped']} skipped"


def throughput(rows: list[dict[str, Any]]) -> str:
    """Count the targets that are met, and name the others."""
    every = targets(rows)
    missed = [name for name, _, _, good in every if not good]
    return f"{len(every) - len(missed)} of {len(every)} targets met" + (
        f"; missed: {'; '.join(missed)}" if missed else ""
    )


def step(tables: list[dict[str, Any]]) -> str:
    """Compare the steps with their floors."""
    return "; ".join(
        f"{members(own['members'])} {number(own['step_ms']['median'])} ms, "
        f"{number(own['step_ms']['median'] / own['floor_ms']['both'])} times the floor"
        for own in tables
    )


def without(found: dict[str, Any]) -> str:
    """Name the kernels that do not pay."""
    pays = found["not_worth_it"]
    return "not complete" if pays is None else f"candidates for deletion: {', '.join(pays) or 'none'}"


def log_mel(found: dict[str, Any]) -> str:
    """Report the fastest way."""
    name, best = max(found["times_real_time"].items(), key=lambda item: float(item[1]["median"]))
    return f"{number(best['median'])} times real time ({name})"


def commands(found: dict[str, Any]) -> str:
    """Report the largest difference between device and CPU."""
    return f"device and CPU differ by at most {max(found['largest_difference'].values()):.1e}"
