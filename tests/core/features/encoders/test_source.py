"""Where a pretrained model comes from, and every model that is refused."""

import json
import shutil

import pytest
from tiny_encoders import save_speech_encoder, save_text_encoder

from sertool.core.errors import DataError, UsageError
from sertool.core.features.encoders.source import find_model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_speech_encoder("wav2vec2", folder / "wav2vec2")
    save_text_encoder("bert", folder / "bert")
    return folder


@pytest.fixture
def speech(models, tmp_path):
    return shutil.copytree(models / "wav2vec2", tmp_path / "wav2vec2")


def refused(name, kind="speech", revision=None, error=DataError):
    with pytest.raises(error) as caught:
        find_model(str(name), revision, kind)
    return str(caught.value)


def test_a_folder_is_found_with_the_defaults_of_its_architecture(speech):
    (speech / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# A model\n")
    found = find_model(str(speech), None, "speech")
    assert (found.folder, found.library, found.revision) == (speech, "transformers", None)
    assert found.licence == "cc-by-nc-4.0"
    (speech / "config.json").write_text(json.dumps({"model_type": "wav2vec2", "hidden_size": 16}))
    config = find_model(str(speech), None, "speech").config
    assert (config["hidden_size"], config["conv_stride"]) == (16, [5, 2, 2, 2, 2, 2, 2])


def test_the_hash_is_that_of_what_makes_the_frames(speech, models):
    weights = find_model(str(speech), None, "speech").weights
    assert weights == find_model(str(models / "wav2vec2"), None, "speech").weights
    (speech / "README.md").write_text("another card")
    assert find_model(str(speech), None, "speech").weights == weights
    for file in ("model.safetensors", "config.json", "preprocessor_config.json"):
        content = (speech / file).read_bytes()
        (speech / file).write_bytes(content + b"\n")
        assert find_model(str(speech), None, "speech").weights != weights
        (speech / file).write_bytes(content)


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\nlicense: {\n---\n", None),
        ("# A model without a header\n", None),
    ],
)
def test_licences_of_cards(speech, card, licence):
    (speech / "README.md").write_text(card)
    assert find_model(str(speech), None, "speech").licence == licence


def test_pickled_weights_are_refused(speech):
    (speech / "model.safetensors").rename(speech / "pytorch_model.bin")
    assert "pickled weights only (pytorch_model.bin), which may run code" in refused(speech)
    (speech / "pytorch_model.bin").unlink()
    assert "no weights; expected model.safetensors" in refused(speech)


def test_an_unknown_architecture_and_code_of_a_model_are_refused(speech):
    settings = json.loads((speech / "config.json").read_text()) | {"model_type": "emotion3vec"}
    (speech / "config.json").write_text(json.dumps(settings))
    assert "unknown architecture (model_type 'emotion3vec' in config.json)" in refused(speech)
    (speech / "config.json").write_text(json.dumps(settings | {"model_type": ["wav2vec2"]}))
    assert "unknown architecture (model_type ['wav2vec2'] in config.json)" in refused(speech)
    (speech / "config.json").write_text(json.dumps(settings | {"auto_map": {"AutoModel": "own.Model"}}))
    assert "brings code of its own, which sertool does not run" in refused(speech)
    (speech / "config.json").write_text(json.dumps(settings | {"model_type": "wav2vec2", "conv_dim": [1]}))
    assert "not the settings of a wav2vec2" in refused(speech)
    (speech / "config.json").write_text("[]")
    assert "not the settings of a model, expected a JSON object" in refused(speech)
    (speech / "config.json").unlink()
    assert "holds no model" in refused(speech)


def test_a_model_without_what_prepares_its_input_is_refused(models):
    assert "has no feature extractor (preprocessor_config.json" in refused(models / "bert")
    assert "has no tokenizer (tokenizer.json" in refused(models / "wav2vec2", "text")


def test_a_folder_that_is_none_and_a_revision_of_a_folder_are_refused(models):
    assert refused("./nothing", error=UsageError) == "./nothing: no such folder"
    assert "which only a model on the hub has" in refused(models / "bert", "text", "v1", error=UsageError)
