"""A stand-in for the package opensmile, which CI's tests do not need: the same call, other values."""

from pathlib import Path

_SOURCE = """
from enum import Enum

import numpy as np
import pandas as pd

FeatureSet = Enum("FeatureSet", ["eGeMAPSv02", "ComParE_2016"])
FeatureLevel = Enum("FeatureLevel", ["Functionals"])
WIDTHS = {"eGeMAPSv02": 88, "ComParE_2016": 6373}


class Smile:
    def __init__(self, feature_set, feature_level):
        assert feature_level is FeatureLevel.Functionals
        self.width = WIDTHS[feature_set.name]

    def process_signal(self, signal, rate):
        assert rate == 16000 and signal.dtype == np.float32
        if len(signal) < 960:
            return pd.DataFrame(np.full((1, self.width), np.nan))
        crossings = np.mean(np.diff(np.signbit(signal)))
        values = np.array([1 + crossings, signal.std(), signal.min(), signal.max(), 1e13 * signal[0], np.nan])
        return pd.DataFrame(np.resize(values, (1, self.width)).astype(np.float32))
"""


def install(folder: Path, version: str = "2.6.0") -> Path:
    """Write the package into a folder for ``sys.path``; its values tell high tones from low ones."""
    package, facts = folder / "opensmile", folder / f"opensmile-{version}.dist-info"
    for one in (package, facts):
        one.mkdir(parents=True)
    (package / "__init__.py").write_text(_SOURCE)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: opensmile\nVersion: {version}\n")
    return folder
