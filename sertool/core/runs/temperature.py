"""The fitted temperature of a run, in its ``calibration.json``."""

from dataclasses import asdict
from pathlib import Path

from sertool.core.files import artifacts
from sertool.core.files.typed_json import read_typed
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.contents import CALIBRATION_FORMAT, CalibrationContent

FILE = "calibration.json"
UNCHECKED = "its temperature was fitted by an older sertool, without a check; `sertool ensemble` fits and checks it"
# The probabilities of a model of raters' votes are shares of the raters, not the chance that the majority is right.
SHARES = "the model estimates the shares of the raters that choose each class, and no temperature is fitted to shares"


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Store a calibration in the folder of its run.

    Raises:
        SertoolError: the folder cannot be written.
    """
    artifacts.write_json(folder / FILE, {"format": CALIBRATION_FORMAT, **asdict(calibration)})


def read_calibration(folder: Path) -> Calibration | None:
    """Read the calibration stored with a run; None where ``sertool ensemble`` could store none.

    Older versions stored every temperature, whether or not validation could tell it. Such a one is not used.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    own = read_typed(path, CalibrationContent, hint="delete it; `sertool ensemble` fits it again")
    content = {**own.model_dump(exclude={"format"}), "members": tuple(own.members)}
    if own.calibrated is None:
        same = {"ece_after": own.ece_before, "nll_after": own.nll_before}
        content |= {"temperature": 1.0, **same, "calibrated": False, "reason": UNCHECKED}
    return Calibration(**content)
