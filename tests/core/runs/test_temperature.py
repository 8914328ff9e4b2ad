"""The file of a run's temperature."""

import json
from dataclasses import asdict

import pytest

from sertool.core.errors import DataError
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.temperature import read_calibration, write_calibration

STORED = Calibration(("run-2", "run-1"), 1.25, "valid", 12, 0.2, 0.1, 1.1, 1.0)


def test_what_is_written_is_read(tmp_path):
    assert read_calibration(tmp_path) is None
    write_calibration(tmp_path, STORED)
    assert read_calibration(tmp_path) == STORED
    content = json.loads((tmp_path / "calibration.json").read_text())
    assert content["format"] == "sertool-calibration/1"
    assert (content["members"], content["temperature"]) == (["run-2", "run-1"], 1.25)


def test_a_temperature_that_an_older_version_did_not_check_is_not_used(tmp_path):
    write_calibration(tmp_path, STORED)
    path = tmp_path / "calibration.json"
    content = json.loads(path.read_text())
    for name in ("calibrated", "reason", "low", "high"):
        del content[name]
    path.write_text(json.dumps(content))
    own = read_calibration(tmp_path)
    assert (own.temperature, own.calibrated, own.members) == (1.0, False, STORED.members)
    assert (own.ece_after, own.nll_after) == (STORED.ece_before, STORED.nll_before)
    assert own.reason.endswith("without a check; `sertool ensemble` fits and checks it")


def test_it_fits_only_the_members_it_was_fitted_for():
    assert STORED.fits(["run-2", "run-1"])
    assert not STORED.fits(["run-2"])
    assert not STORED.fits(["run-1", "run-2"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"format": "other/1"}, 'format: expected sertool-calibration/1 (got "other/1")'),
        ({"temperature": 0}, "temperature: must be at least 0.001 (got 0)"),
        ({"temperature": -1}, "temperature: must be at least 0.001 (got -1)"),
        ({"temperature": "hot"}, 'temperature: expected a number (got "hot")'),
        ({"members": 5}, "members: expected a list (got 5)"),
        ({"utterances": None}, "utterances: expected a whole number (got null)"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, text):
    write_calibration(tmp_path, STORED)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DataError) as raised:
        read_calibration(tmp_path)
    assert str(raised.value) == f"{path}: {text}"
    assert raised.value.hint == "delete it; `sertool ensemble` fits it again"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[]", "expected a table of keys (got [])"),
        ("5", "expected a table of keys (got 5)"),
        ("{}", "9 problems\n  " + "\n  ".join(f"{name}: is missing" for name in ("format", *list(asdict(STORED))[:8]))),
    ],
)
def test_another_file_of_that_name_is_damaged(tmp_path, content, text):
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(DataError) as raised:
        read_calibration(tmp_path)
    assert str(raised.value) == f"{tmp_path / 'calibration.json'}: {text}"
    assert raised.value.hint == "delete it; `sertool ensemble` fits it again"
