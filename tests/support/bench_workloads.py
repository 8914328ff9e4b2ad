"""Workloads for tests of the benchmark."""

from pathlib import Path

from builders import CPU, tiny_recipe, write_tiny

from sertool.core.bench.workload import open_workload

SMALL = {"train": 60, "valid": 40, "test": 40, "private": 8}


def tiny_workload(folder: Path, precision=CPU, **sections):
    return open_workload(tiny_recipe(**sections), write_tiny(folder), precision)
