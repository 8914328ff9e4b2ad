"""Models whose files are damaged, or are those of other models."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from tiny_encoders import save_speech_encoder

from sertool.core.errors import DataError
from sertool.core.features.encoders.loading import load_encoder
from sertool.core.features.encoders.source import find_model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: save_speech_encoder(kind, folder / kind) for kind in ("wavlm", "whisper")}


@pytest.fixture
def wavlm(models, tmp_path):
    return shutil.copytree(models["wavlm"], tmp_path / "wavlm")


def load(folder):
    return load_encoder(find_model(str(folder), None, "speech"))


def refused(folder):
    with pytest.raises(DataError) as caught:
        load(folder)
    return str(caught.value)


def test_a_model_is_loaded_silently_to_be_used_alone(models, capfd):
    model = load(models["wavlm"])
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert type(load(models["whisper"])).__name__ == "WhisperEncoder"
    assert capfd.readouterr() == ("", "")


def test_damaged_weights_are_refused(wavlm):
    (wavlm / "model.safetensors").write_bytes(b"not safetensors")
    assert "the model cannot be loaded" in refused(wavlm)


def test_weights_of_another_model_are_refused(wavlm):
    weights = load_file(wavlm / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if ".layers.1.attention" not in name}
    save_file(kept, wavlm / "model.safetensors", metadata={"format": "pt"})
    assert "weights of its architecture wavlm missing" in refused(wavlm)
    config = json.loads((wavlm / "config.json").read_text())
    (wavlm / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
    assert "the model cannot be loaded" in refused(wavlm)


def test_weights_that_states_do_not_need_may_be_missing(wavlm):
    weights = load_file(wavlm / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if name != "masked_spec_embed"}
    save_file(kept, wavlm / "model.safetensors", metadata={"format": "pt"})
    assert load(wavlm) is not None
