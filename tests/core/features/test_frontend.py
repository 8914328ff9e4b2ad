"""A frontend is an interface: another one is a file and a line, and everything outside its room asks it."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError
from sertool.core.features import frontend as frontends
from sertool.core.features.audio import Segment
from sertool.core.features.frontend import extract_frames, is_silent, open_frontend
from sertool.core.features.log_mel import LogMel
from sertool.core.recipe.frontends import Frontend

RATE = 8000


class Energies:
    """A second frontend: the energy in four bands of a spectrum of 0.1 s, at 8 kHz."""

    name, version = "energies", "a hash of weights"
    sample_rate, width, seconds_per_frame, silence, bounds = RATE, 4, 0.1, 1e-6, (-math.inf, math.inf)

    def __init__(self, note):
        self.note = {"name": self.name, "sample_rate": self.sample_rate}

    def frames(self, waveforms):
        size = int(self.sample_rate * self.seconds_per_frame)
        made = []
        for waveform in waveforms:
            pieces = torch.nn.functional.pad(waveform, (0, -len(waveform) % size)).view(-1, size)
            power = torch.fft.rfft(pieces).abs()[:, : size // 2].reshape(len(pieces), self.width, -1).mean(2)
            made.append(power.clamp_min(self.silence))
        return made

    def described(self):
        return self.note

    def warnings(self):
        return ["four bands are not many"]


@pytest.fixture
def energies(monkeypatch):
    """Register the second frontend, and let settings without a name ask for it."""
    monkeypatch.setitem(frontends.MAKERS, "energies", Energies)
    monkeypatch.setattr(frontends, "UNNAMED", "energies")


def sertool(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done


def write_recordings(folder):
    """High and low tones in three splits, and one recording of silence."""
    rows = ["id,audio,text,label,speaker,split"]
    random = np.random.default_rng(0)
    for number in range(24):
        label = ("high", "low")[number % 2]
        split = ("train", "train", "valid", "test")[number // 2 % 4]
        hertz = {"high": 3500, "low": 300}[label] + random.integers(0, 200)
        wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
        soundfile.write(folder / f"u{number}.wav", wave * (number != 22), RATE)
        rows.append(f"u{number},u{number}.wav,,{label},{split}{number % 3},{split}")
    (folder / "table.csv").write_text("\n".join(rows))


def test_another_frontend_goes_from_recordings_to_predictions(tmp_path, monkeypatch, energies):
    monkeypatch.chdir(tmp_path)
    write_recordings(tmp_path)
    prepared = sertool("prepare", "table.csv", "--out", "data/TONES", "--workers", 1, "--json", "p.json")
    assert "four bands are not many" in prepared.stderr
    assert json.loads((tmp_path / "p.json").read_text())["silent"] == ["u22"]
    corpus = read_corpus(tmp_path / "data/TONES")
    assert (corpus.audio.width, len(corpus.audio[0])) == (4, 10)
    assert corpus.frontend == {"name": "energies", "sample_rate": 8000}

    own = ("--set", "dataset.path=TONES", "--set", "dataset.modalities=[audio]")
    sertool("doctor", "--recipe", "custom", *own, "--json", "d.json")
    kinds = {finding["kind"] for finding in json.loads((tmp_path / "d.json").read_text())["findings"]}
    assert "silent" in kinds
    assert not kinds & {"width", "frontend", "range", "clipped"}

    tiny = ("hidden_size=8", "ffn_size=8", "num_heads=2", "num_layers=1")
    sizes = [part for size in tiny for part in ("--set", f"model.{size}")]
    settings = ("--set", "training.max_epochs=12", "--set", "training.learning_rate=0.01")
    sertool("train", "--recipe", "custom", "--name", "tones", "--runs", 1, *own, *sizes, *settings)
    sertool("predict", "--name", "tones", "u6.wav", "u7.wav", "u22.wav", "--json", "predicted.json")
    found = json.loads((tmp_path / "predicted.json").read_text())["predictions"]
    assert [one["label"] for one in found[:2]] == ["high", "low"]

    pytest.importorskip("onnx")
    refused = CliRunner().invoke(app, ["export", "--name", "tones", "--out", "b", "--with-frontend"])
    assert "--with-frontend: tones has none, a graph cannot hold the frontend energies" in refused.output


def test_a_corpus_of_one_frontend_is_refused_by_a_recipe_of_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_recordings(tmp_path)
    sertool("prepare", "table.csv", "--out", "data/TONES", "--workers", 1)
    monkeypatch.setitem(frontends.MAKERS, "energies", Energies)
    monkeypatch.setattr(frontends, "UNNAMED", "energies")
    refused = CliRunner().invoke(app, ["train", "--recipe", "custom", "--name", "tones", "--set", "dataset.path=TONES"])
    assert "was prepared with another frontend: name None (recipe: energies)" in refused.output


def test_settings_and_notes_open_the_same_frontend():
    settings = Frontend(sample_rate=16000, hop_length=160, frame_step=4, mel_bands=40)
    for maker in (open_frontend(settings), open_frontend(settings.model_dump())):
        assert isinstance(maker, LogMel)
        assert (maker.name, maker.sample_rate, maker.width) == ("log-mel", 16000, 40)
        assert maker.seconds_per_frame == 0.04
        assert maker.note == settings.model_dump()


def test_a_note_of_another_program_is_refused():
    with pytest.raises(DataError) as caught:
        open_frontend({"name": "log-mels"})
    assert str(caught.value) == "unknown frontend 'log-mels', did you mean 'log-mel'?"
    with pytest.raises(DataError, match=r"frontend log-mel: 1 validation error"):
        open_frontend({"bands": 80})


def test_silence_is_what_the_frontend_makes_of_it(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    for maker in (LogMel(Frontend()), Energies({})):
        frames = extract_frames(Segment(tmp_path / "a.wav"), maker).frames
        assert is_silent(frames, maker)
        assert not is_silent(frames + np.float32(0.01), maker)
        assert not is_silent(frames - np.float32(0.01), maker)
        assert frames.min() > 0  # zeros are padding


def test_opening_a_frontend_loads_no_torch():
    code = (
        "import sys\nfrom sertool.core.features.frontend import open_frontend\n"
        "from sertool.core.recipe.frontends import Frontend\n"
        "assert open_frontend(Frontend()).width == 80\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
