"""Stored predictions of scores and of sets with raters' votes: what is written comes back, what is damaged is told."""

import dataclasses
import json

import numpy as np
import pytest
from scored_sets import make_score_set, make_voted_set
from stored_sets import changed

from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.metrics import Estimate
from sertool.core.runs.prediction_files import read_set, set_path, write_set

CEILINGS = {"valence": {"ccc": Estimate(0.9, 0.8, 0.95), "mae": Estimate(0.2)}}


@pytest.mark.parametrize("made", [changed(make_score_set(missing=4), clip=True, ceilings=CEILINGS), make_voted_set()])
def test_what_is_written_is_read(tmp_path, made):
    write_set(tmp_path, made)
    stored = read_set(tmp_path, "test")
    assert stored.origin == made.origin
    for field in dataclasses.fields(made.predictions):
        ours, theirs = (getattr(one.predictions, field.name) for one in (stored, made))
        if isinstance(theirs, np.ndarray):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
        else:
            assert ours == theirs


def put(name, place, value):
    def change(arrays, facts):
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


@pytest.mark.parametrize(
    ("made", "change", "told"),
    [
        (make_score_set(), put("targets", (3, 0), np.inf), "damaged (ValueError: targets do not fit)"),
        (make_score_set(), put("targets", (3, 0), 5.5), "damaged (ValueError: targets do not fit)"),
        (make_score_set(), lambda a, f: f["ranges"].pop(), "damaged (ValueError: targets do not fit)"),
        (make_score_set(), lambda a, f: f.update(ranges=[[5, 1], [0, 10]]), "ranges[0]: "),
        (
            make_score_set(),
            lambda a, f: f["members"][0]["figures"].update(ccc="high"),
            "members[0].figures.ccc: expected",
        ),
        (
            make_score_set(),
            lambda a, f: f.update(ceilings={"valence": {"ccc": {"value": "x", "low": None, "high": None}}}),
            "ceilings.valence.ccc.value: expected a number",
        ),
        (make_score_set(), lambda a, f: f["origin"].update(train_means=["x"]), "origin.train_means[0]: expected"),
        (make_voted_set(), lambda a, f: f.update(ranges=[[1, 5]]), "damaged (ValueError: ranges do not fit)"),
        (make_voted_set(), put("votes", (2, 1), 3.0), "damaged (ValueError: votes do not fit)"),
        (make_voted_set(), lambda a, f: a.update(votes=a["votes"][:, :2]), "damaged (ValueError: votes do not fit)"),
        (make_voted_set(), lambda a, f: a.update(votes=a["votes"].astype(np.float32)), "damaged (ValueError: votes do"),
    ],
)
def test_damage_is_one_message(tmp_path, made, change, told):
    write_set(tmp_path, made)
    path = set_path(tmp_path, "test")
    arrays, _ = artifacts.read_arrays(path)
    facts = json.loads(arrays["facts"].tobytes())
    change(arrays, facts)
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    artifacts.write_arrays(path, arrays)
    with pytest.raises(DataError) as caught:
        read_set(tmp_path, "test")
    assert str(caught.value).startswith(f"{path}: {told}")
