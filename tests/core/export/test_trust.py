"""A bundle says what `sertool predict` says: what is not calibrated, and where no class is claimed."""

import json
import shutil

import numpy as np
import pytest
import soundfile
from bundle_running import load_script, run_alone
from export_runs import CLIPS, run

import sertool
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.temperature import write_calibration

CLIP = sorted(CLIPS.glob("*.flac"))[0]
CASES = [
    (True, "word2 word3", []),
    (True, "word2 zebra yak", ["most words unknown"]),
    (True, "zebra", ["no known word"]),
    (True, None, ["no text"]),
    (False, "word2 word3", ["no audio"]),
    (False, "zebra word2 yak", ["most words unknown", "no audio"]),
    (False, "hello", ["no known word", "no audio"]),
    (None, "word2", ["no sound"]),
    (None, "hello", ["no known word", "no sound"]),
]


@pytest.fixture(scope="module", params=[True, False], ids=["calibrated", "uncalibrated"])
def calibrated(request, shop, tmp_path_factory):
    """A folder with a model that is calibrated, or of which validation cannot tell the temperature."""
    folder = tmp_path_factory.mktemp("trust")
    shutil.copytree(shop / "ckpt", folder / "ckpt")
    members = sertool.load(folder / "ckpt/tiny").members
    told = {"calibrated": request.param, "reason": "" if request.param else "2 validation speakers: too few"}
    temperature = 2.5 if request.param else 1.0
    write_calibration(folder / "ckpt/tiny", Calibration(members, temperature, "valid", 60, 0.2, 0.1, 1.0, 0.9, **told))
    soundfile.write(folder / "silence.wav", np.zeros(22050), 22050)
    return folder


@pytest.mark.filterwarnings("ignore:.*contains no sound")
@pytest.mark.parametrize("option", [[], ["--with-frontend"]], ids=["mels in numpy", "mels in the graph"])
def test_run_py_says_what_predict_says(shop, calibrated, tmp_path, option):
    done = run(shop, "--output", str(calibrated / "ckpt"), "--out", str(tmp_path / "b"), *option)
    assert done.exit_code == 0, done.output
    model, script = sertool.load(calibrated / "ckpt/tiny"), load_script(tmp_path / "b")
    session = script["open_session"]()
    for audio, text, lacking in CASES:
        recording = {True: CLIP, None: calibrated / "silence.wav", False: None}[audio]
        wanted = model.predict(audio=recording, text=text)
        found = script["answer"](session, recording, text)
        assert list(wanted.lacking) == lacking
        for name in ("label", "calibrated", "uncalibrated"):
            assert found[name] == getattr(wanted, name), (audio, text, name)
        assert found["labels"] == list(wanted.labels)
        assert (found["lacking"], found["unsure"]) == (lacking, wanted.uninformed)
        assert found["unsure"] == (len(lacking) == 2)
        assert found["probabilities"] == pytest.approx(wanted.probabilities, abs=2e-3)
    card = (tmp_path / "b/README.md").read_text()
    told = (
        "temperature 2.5, fitted on 60"
        if model.calibration.calibrated
        else "uncalibrated (temperature 1): 2 validation"
    )
    assert told in card
    assert "Without text or audio, or with most words unknown, its probabilities are uncalibrated" in card


def test_run_py_prints_no_probabilities_where_it_is_unsure(calibrated, tmp_path, shop):
    assert run(shop, "--output", str(calibrated / "ckpt"), "--out", str(tmp_path / "b")).exit_code == 0
    done = run_alone(tmp_path / "b", "--text", "hello", "--json", str(tmp_path / "r.json"))
    assert (done.stdout, done.stderr) == ("unsure (no known word and no audio)\n", "")
    (own,) = json.loads((tmp_path / "r.json").read_text())["predictions"]
    assert (own["label"], own["labels"], own["unsure"], own["calibrated"]) == ("unsure", [], True, False)
