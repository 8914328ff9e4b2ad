"""Ready models of transformers against its own pipeline, with tiny random weights."""

import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_ready import EMOTIONS, save_dimensional, save_speech_classifier, save_text_classifier

from sertool.core.errors import DataError, UsageError
from sertool.core.inference.ready.answers import outputs_of
from sertool.core.inference.ready.facts import answers_of
from sertool.core.inference.ready.opening import open_ready

pytest.importorskip("transformers")

LENGTHS = (16_000, 5_000, 24_321, 16_000, 700)


def waveforms():
    generator = np.random.default_rng(0)
    return [torch.from_numpy(generator.normal(0, 0.1, n).astype(np.float32)) for n in LENGTHS]


def by_pipeline(task, folder, inputs):
    """Return the probabilities (N, C) of transformers' own pipeline, one input at a time."""
    from transformers import pipeline

    made = pipeline(task, model=str(folder), device="cpu")
    rows = []
    for one in inputs:
        given = one.numpy() if isinstance(one, torch.Tensor) else one
        answers = made(given, top_k=None)
        rows.append({answer["label"]: answer["score"] for answer in answers})
    return rows


def agree(model, inputs, rows, squash=None):
    probabilities = (squash or torch.nn.Softmax(-1))(torch.from_numpy(model.outputs(inputs)))
    expected = [[row[name] for name in model.facts.names] for row in rows]
    np.testing.assert_allclose(probabilities, expected, atol=2e-5)
    assert np.ptp(probabilities.numpy(), axis=0).max() > 1e-3  # inputs differ, so a constant would not pass


@pytest.mark.filterwarnings("ignore:At least one mel filter")  # of the spectrogram transformer's own extractor
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("wav2vec2", {}),
        ("wav2vec2-layer", {"use_weighted_layer_sum": True}),
        ("hubert", {"use_weighted_layer_sum": True}),
        ("wavlm", {}),
        ("data2vec-audio", {}),
        ("whisper", {"use_weighted_layer_sum": True}),
        ("ast", {}),
    ],
)
def test_speech_models_agree_with_transformers_own_pipeline(tmp_path, kind, settings):
    folder = save_speech_classifier(kind, tmp_path / "model", **settings)
    model = open_ready(str(folder))
    assert (model.facts.modality, model.facts.kind, model.facts.sample_rate) == ("audio", "single", 16_000)
    assert model.facts.names == EMOTIONS
    inputs = waveforms()
    agree(model, inputs, by_pipeline("audio-classification", folder, inputs))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_text_models_agree_with_transformers_own_pipeline(tmp_path, kind):
    folder = save_text_classifier(kind, tmp_path / "model")
    texts = ["what a happy day!", "not today, the train", "sad", "never " * 100]
    model = open_ready(str(folder))
    assert (model.facts.modality, model.facts.longest) == ("text", 40)
    agree(model, texts[:3], by_pipeline("text-classification", folder, texts[:3]))
    assert np.isfinite(model.outputs(texts)).all()  # the last one is longer than the model takes


def test_a_multi_label_text_model_agrees_by_sigmoids(tmp_path):
    folder = save_text_classifier("bert", tmp_path / "model", problem_type="multi_label_classification")
    model = open_ready(str(folder))
    assert model.facts.kind == "multi"
    texts = ["what a happy day!", "sad"]
    agree(model, texts, by_pipeline("text-classification", folder, texts), torch.sigmoid)


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper", "text"])
def test_results_do_not_depend_on_the_batch(tmp_path, kind):
    if kind == "text":
        folder, inputs = save_text_classifier("bert", tmp_path / "model"), ["what a day", "sad", "the train " * 9]
    else:
        folder, inputs = save_speech_classifier(kind, tmp_path / "model"), waveforms()
    together = open_ready(str(folder)).outputs(inputs)
    alone = np.concatenate([open_ready(str(folder), batch=1).outputs([one]) for one in inputs[::-1]])[::-1]
    np.testing.assert_allclose(together, alone, atol=2e-5)


@pytest.mark.parametrize(("last", "pooling"), [("out_proj", "mean"), ("output", "max")])
def test_the_dimensional_head_is_that_of_audeering(tmp_path, last, pooling):
    from safetensors.torch import load_file
    from transformers import AutoModel

    folder = save_dimensional(tmp_path / "model", last, pooling_mode=pooling)
    model = open_ready(str(folder))
    assert (model.facts.kind, model.facts.names) == ("scores", ("arousal", "dominance", "valence"))
    assert model.facts.ranges == ((0.0, 1.0),) * 3
    body, weights = AutoModel.from_pretrained(folder).eval(), load_file(folder / "model.safetensors")
    for waveform, own in zip(waveforms(), model.outputs(waveforms()), strict=True):
        # The extractor normalises; then the model card's RegressionHead.
        given = (waveform - waveform.mean()) / torch.sqrt(waveform.var(unbiased=False) + 1e-7)
        with torch.inference_mode():
            states = body(given[None]).last_hidden_state[0]
        pooled = states.mean(0) if pooling == "mean" else states.amax(0)
        hidden = torch.tanh(weights["classifier.dense.weight"] @ pooled + weights["classifier.dense.bias"])
        expected = weights[f"classifier.{last}.weight"] @ hidden + weights[f"classifier.{last}.bias"]
        np.testing.assert_allclose(own, expected, atol=1e-4)


def test_a_long_recording_is_heard_in_pieces(tmp_path, monkeypatch):
    from sertool.core.features.encoders import convolutional

    folder = save_speech_classifier("wav2vec2-layer", tmp_path / "model")
    waveform = torch.randn(9 * 16_000, generator=torch.Generator().manual_seed(0))
    whole = open_ready(str(folder)).outputs([waveform])
    monkeypatch.setattr(convolutional, "PIECE_SECONDS", 4)
    monkeypatch.setattr(convolutional, "CONTEXT_SECONDS", 1)
    np.testing.assert_allclose(open_ready(str(folder)).outputs([waveform]), whole, atol=0.05)


class Broken:
    """A model that fails, or gives what is no number."""

    def __init__(self, facts, made):
        self.facts, self.made = facts, made

    def outputs(self, inputs):
        if self.made is None:
            raise RuntimeError("index out of range")
        return np.full((len(inputs), 4), self.made, np.float32)


def test_a_model_that_fails_is_one_message(tmp_path):
    facts = open_ready(str(save_text_classifier("bert", tmp_path / "model"))).facts
    with pytest.raises(DataError, match=r"the model fails on an input \(index out of range\)"):
        list(outputs_of(Broken(facts, None), ["a"]))
    with pytest.raises(DataError, match="values that are not finite"):
        list(outputs_of(Broken(facts, np.nan), ["a"]))
    assert len(list(outputs_of(Broken(facts, 1.0), ["a"] * 200))) == 200


SETTINGS = st.dictionaries(
    st.sampled_from(["id2label", "problem_type"]),
    st.none() | st.text(max_size=5) | st.dictionaries(st.text(max_size=3) | st.integers(), st.text(max_size=3)),
)


@given(SETTINGS)
def test_any_settings_give_answers_or_one_message(settings):
    try:
        kind, names, ranges = answers_of("theirs", settings)
    except DataError:
        return
    assert len(set(names)) == len(names) > 0
    assert len(ranges) == (len(names) if kind == "scores" else 0)


def refused(folder, error=DataError):
    with pytest.raises(error) as caught:
        open_ready(str(folder))
    return f"{caught.value}\n{caught.value.hint}"


def change(folder, **settings):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def test_models_that_cannot_be_used_are_one_message_each(tmp_path):
    from tiny_encoders import save_speech_encoder

    assert "no such folder" in refused(tmp_path / "nothing", UsageError)
    encoder = save_speech_encoder("hubert", tmp_path / "encoder")
    assert re.search(r"unknown head \(HubertModel\): a classifier would need classifier.bias", refused(encoder))
    change(encoder, auto_map={"AutoModelForAudioClassification": "code.Model"})
    assert "needs code of its own for its head" in refused(encoder)
    model = save_speech_classifier("hubert", tmp_path / "model")
    change(model, id2label={str(number): "sad" for number in range(4)})
    assert "names the class 'sad' twice" in refused(model)
    change(model, id2label={"0": "sad", "1": "glad"})
    assert "expected (2, 12) for 2 classes" in refused(model)
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    assert "pickled weights only (pytorch_model.bin)" in refused(model)
    change(model, model_type="emotion-net", auto_map={"AutoModel": "code.Model"})
    assert "brings code of its own" in refused(model)
    (model / "config.json").write_text('{"model_type": "emotion-net"}')
    assert "no classifier of this architecture (model_type 'emotion-net'" in refused(model)


def test_damaged_weights_are_one_message(tmp_path):
    model = save_speech_classifier("wav2vec2", tmp_path / "model")
    whole = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "not a readable safetensors file" in refused(model)
    config = json.loads((model / "preprocessor_config.json").read_text())
    (model / "model.safetensors").write_bytes(whole)
    (model / "preprocessor_config.json").write_text(json.dumps(config | {"sampling_rate": "fast"}))
    assert "sampling rate" in refused(model) or "feature extractor" in refused(model)
