"""The fitted temperature of a run, in its ``calibration.json``."""

import math
from dataclasses import asdict
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.metrics.calibration import Calibration

FORMAT = "sertool-calibration/1"
FILE = "calibration.json"


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Store a calibration in the folder of its run.

    Raises:
        SertoolError: the folder cannot be written.
    """
    artifacts.write_json(folder / FILE, {"format": FORMAT, **asdict(calibration)})


def read_calibration(folder: Path) -> Calibration | None:
    """Read the calibration stored with a run; None where no temperature was fitted.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    content = artifacts.read_json(path)
    try:
        if content["format"] != FORMAT:
            raise DataError(f"{path}: format {content['format']!r}, expected {FORMAT}")
        figures = ("temperature", "ece_before", "ece_after", "nll_before", "nll_after")
        calibration = Calibration(
            members=tuple(str(name) for name in content["members"]),
            set=str(content["set"]),
            utterances=int(content["utterances"]),
            **{name: float(content[name]) for name in figures},
        )
        if not 0 < calibration.temperature < math.inf:  # logits are divided by it; NaN is refused as well
            raise ValueError(f"a temperature of {calibration.temperature:g}")
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: damaged ({type(error).__name__}: {error})",
            hint="delete it; `sertool ensemble` fits it again",
        ) from error
    return calibration
