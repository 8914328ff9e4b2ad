"""Findings of the reference cases: real files with random content."""

import pickle
import re

import numpy as np
import pytest
from builders import copy_case

from sertool.core.doctor.inspect import inspect
from sertool.core.recipe import load as recipes


def test_counts_of_a_multi_label_task_are_those_present(tmp_path):
    folder = copy_case("mosei6-mat", tmp_path) / "data/MOSEI"
    inspection = inspect(recipes.load("mosei-emotion"), folder, data_dir=tmp_path)
    labels = pickle.loads((folder / "train_emotion.p").read_bytes())
    assert inspection.counts[0].classes == tuple((np.array(list(labels.values())) > 0).sum(axis=0).tolist())
    assert sum(inspection.counts[0].classes) > inspection.counts[0].utterances
    assert (inspection.counts[3].split, inspection.counts[3].classes) == ("private", ())


# The awkward utterances of the reference cases: real files, random content.
CASES = {
    "iemocap-mat": {
        "counts": 2,
        "selected-on-test": 23,
        "shared-speakers": 10,
        "shared-sessions": 5,
        "no-text": 2,
        "no-audio": 2,
        "silent": 2,
        "range": 60,
        "cut-text": 11,
        "cut-audio": 7,
    },
    "meld7-mat": {
        "counts": 3,
        "few-speakers": 4,
        "no-text": 3,
        "silent": 3,
        "range": 88,
        "cut-text": 11,
        "cut-audio": 12,
    },
    "mosi-mnt": {
        "counts": 2,
        "selected-on-test": 22,
        "no-text": 2,
        "no-audio": 2,
        "silent": 2,
        "range": 64,
        "cut-text": 8,
        "cut-audio": 14,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_the_reference_cases(case, tmp_path):
    name = re.split(r"\d|-", case)[0]
    folder = copy_case(case, tmp_path) / "data" / name.upper()
    for _ in range(2):  # from the pickles, and from the copy that came of them
        inspection = inspect(recipes.load(name), folder, data_dir=tmp_path)
        assert {f.kind: f.number for f in inspection.findings} == CASES[case]
    by_kind = {finding.kind: finding for finding in inspection.findings}
    if case == "iemocap-mat":
        assert by_kind["silent"].examples == ("Ses04F_traindev_003 (train)", "Ses04F_test_003 (test)")
        assert by_kind["no-audio"].examples == ("Ses02F_traindev_011 (train)", "Ses02F_test_011 (test)")
        assert by_kind["no-audio"].text == (
            "2 utterances without audio; 2 left out by the reader: no audio in test_mels.p, no audio in traindev_mels.p"
        )


def test_folds_keep_apart_what_they_divide_by(tmp_path):
    """Sessions are folds, so neither they nor their speakers are shared; over speakers, sessions are."""
    folder = copy_case("iemocap-mat", tmp_path) / "data/IEMOCAP"
    kinds = {f.kind for f in inspect(recipes.load("iemocap-folds"), folder, data_dir=tmp_path).findings}
    assert not [kind for kind in kinds if kind.startswith("shared") and kind != "shared-dialogues"]
    by_speaker = recipes.load("iemocap-folds", ["splits.group=speaker", "splits.folds=5"])
    found = {f.kind: f for f in inspect(by_speaker, folder, data_dir=tmp_path).findings}
    assert "shared-speakers" not in found
    assert found["shared-sessions"].number > 0
