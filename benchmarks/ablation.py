"""What each part of the CUDA path is worth: the same training without one of them, one after the other."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sertool.core.benchmarking.measuring import measure
from sertool.core.benchmarking.results import Wishes
from sertool.core.benchmarking.turns import Spread
from sertool.core.kernels import NAMES, OFF
from sertool.core.precision import Precision
from sertool.core.recipe import Recipe

WISHES = Wishes(members=10, rounds=3, seconds=1.0, evaluation=False, baseline=False)


def ablation(
    recipe: Recipe,
    data: Path,
    precision: Precision,
    wishes: Wishes = WISHES,
    write: Callable[[dict[str, Any]], None] = lambda rows: None,
) -> dict[str, Any]:
    """Utterances a second, median and spread, with everything and without each part.

    The first is measured twice, at the beginning and at the end: their difference is what a ratio may be off by.
    ``write`` is given what is there after each, so that an interruption costs one.
    """
    rates: dict[str, Spread] = {}
    rows: dict[str, Any] = {}
    for without in ("nothing", *NAMES, "all kernels", "graph", "nothing again"):
        off = {name: name for name in NAMES} | {"all kernels": "1"}
        chosen = replace(precision, graphs=False) if without == "graph" else precision
        with patch.dict(os.environ, {OFF: off.get(without, "")}):
            found = measure(recipe, data, chosen, wishes)
        assert found.training is not None
        rates[without] = found.training.rate
        print(f"without {without}: {rates[without].median:,.0f} utterances a second", flush=True)
        ratio = rates[without].median / rates["nothing"].median
        rows[without] = {"utterances_s": rates[without].to_json(), "ratio": ratio}
        write(rows)
    return rows
