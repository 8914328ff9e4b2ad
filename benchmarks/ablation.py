"""What each part of the CUDA path is worth: the same training without one of them, one after the other."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sertool.core.bench.measure import measure
from sertool.core.bench.results import Wishes
from sertool.core.compute.device import Precision
from sertool.core.models.kernels import NAMES, OFF
from sertool.core.recipe.load import Recipe

WISHES = Wishes(members=10, rounds=3, seconds=1.0, evaluation=False, baseline=False)


def ablation(recipe: Recipe, data: Path, precision: Precision, wishes: Wishes = WISHES) -> dict[str, Any]:
    """Utterances a second, median and spread, with everything and without each part.

    The first is measured twice, at the beginning and at the end: their difference is what a ratio may be off by.
    """
    rates = {}
    for without in ("nothing", *NAMES, "all kernels", "graph", "nothing again"):
        off = {name: name for name in NAMES} | {"all kernels": "1"}
        chosen = replace(precision, graphs=False) if without == "graph" else precision
        with patch.dict(os.environ, {OFF: off.get(without, "")}):
            found = measure(recipe, data, chosen, wishes)
        assert found.training is not None
        rates[without] = found.training.rate
        print(f"without {without}: {rates[without].median:,.0f} utterances a second", flush=True)
    every = rates["nothing"].median
    return {
        without: {"utterances_s": rate.to_json(), "ratio": rate.median / every}
        for without, rate in rates.items()
    }
