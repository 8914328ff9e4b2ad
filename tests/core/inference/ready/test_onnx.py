"""Ready models as ONNX files, made in the test."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.errors import DataError, UsageError
from sertool.core.inference.ready.onnx_notes import OnnxNotes, parse_notes
from sertool.core.inference.ready.opening import open_ready

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

WEIGHTS = np.array([[2.0], [-1.0], [0.5]], np.float32).T  # of the mean square of a recording


def save(path, notes, shape=("batch", "samples"), softmax=False, inputs=1, element=1):
    """Save a graph that computes logits, or their softmax, of the mean square of a waveform."""
    from onnx import TensorProto, helper, numpy_helper

    made = [helper.make_tensor_value_info("waveform", element, list(shape))]
    made += [helper.make_tensor_value_info("length", TensorProto.INT64, [1])] * (inputs - 1)
    last = len(shape) - 1
    nodes = [
        helper.make_node("Mul", ["waveform", "waveform"], ["squares"]),
        helper.make_node("ReduceMean", ["squares"], ["mean"], axes=[last], keepdims=1),
    ]
    mean = "mean"
    if len(shape) == 3:
        nodes.append(helper.make_node("Squeeze", ["mean", "one"], ["flat"]))
        mean = "flat"
    nodes.append(helper.make_node("MatMul", [mean, "weights"], ["logits"]))
    if softmax:
        nodes.append(helper.make_node("Softmax", ["logits"], ["answers"], axis=-1))
    output = helper.make_tensor_value_info("answers" if softmax else "logits", TensorProto.FLOAT, None)
    constants = [numpy_helper.from_array(WEIGHTS, "weights"), numpy_helper.from_array(np.array([1]), "one")]
    graph = helper.make_graph(nodes, "tiny", made, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".yaml").write_text(notes)
    return path


NOTES = "sample_rate: 8000\nclasses: [angry, happy, sad]\nlicence: cc-by-4.0\ntrained_on: [RAVDESS]\n"


def waveforms():
    generator = np.random.default_rng(0)
    return [torch.from_numpy(generator.normal(0, 0.2 + n / 9e4, n).astype(np.float32)) for n in (8000, 900, 8000, 3000)]


def expected(inputs):
    return np.stack([(one.numpy() ** 2).mean() * WEIGHTS[0] for one in inputs])


@pytest.mark.parametrize("shape", [("batch", "samples"), ("batch", 1, "samples"), (1, "samples"), ("samples",)])
@pytest.mark.parametrize("softmax", [False, True])
def test_any_shape_of_a_waveform_gets_its_logits(tmp_path, shape, softmax):
    notes = NOTES + "answers: probabilities\n" * softmax
    model = open_ready(str(save(tmp_path / "model.onnx", notes, shape, softmax)))
    assert (model.facts.names, model.facts.sample_rate) == (("angry", "happy", "sad"), 8000)
    assert (model.facts.card.licence, model.facts.card.datasets) == ("cc-by-4.0", ("RAVDESS",))
    found, wanted = model.outputs(waveforms()), expected(waveforms())
    if softmax:
        found, wanted = (np.exp(one) / np.exp(one).sum(1, keepdims=True) for one in (found, wanted))
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_a_graph_of_a_fixed_length_gets_zeros_and_the_first_part(tmp_path):
    model = open_ready(str(save(tmp_path / "model.onnx", NOTES, ("batch", 4000))))
    assert model.facts.longest == 0.5
    padded = [torch.nn.functional.pad(one[:4000], (0, max(0, 4000 - len(one)))) for one in waveforms()]
    np.testing.assert_allclose(model.outputs(waveforms()), expected(padded), rtol=1e-4)


def test_scores_and_normalised_recordings(tmp_path):
    notes = "sample_rate: 8000\nscores: {arousal: [0, 1], valence: [-1, 1], dominance: [1, 5]}\nnormalise: true\n"
    model = open_ready(str(save(tmp_path / "model.onnx", notes)))
    assert (model.facts.kind, model.facts.ranges) == ("scores", ((0, 1), (-1, 1), (1, 5)))
    np.testing.assert_allclose(model.outputs(waveforms()), [WEIGHTS[0]] * 4, rtol=1e-3)  # the mean square is 1


def refused(path, error=DataError):
    with pytest.raises(error) as caught:
        open_ready(str(path)).outputs(waveforms())
    return f"{caught.value}\n{caught.value.hint}"


def test_files_that_cannot_be_used_are_one_message_each(tmp_path):
    path = tmp_path / "model.onnx"
    assert "no such file" in refused(path, UsageError)
    save(path, NOTES)
    (tmp_path / "model.yaml").unlink()
    assert "has no model.yaml beside it" in refused(path, UsageError)
    save(path, NOTES.replace("happy, ", ""))
    assert "has shape (2, 3), expected (2, 2)" in refused(path)
    save(path, NOTES + "answers: probabilities\n")
    assert "no probabilities from 0 to 1" in refused(path)
    save(path, NOTES + "input: sound\n")
    assert "has no input 'sound', which model.yaml names; it has waveform" in refused(path)
    save(path, NOTES, inputs=2)
    assert "has 2 inputs: waveform, length" in refused(path)
    save(path, NOTES + "input: waveform\n", inputs=2)
    assert "needs further inputs (length)" in refused(path)
    save(path, NOTES, ("batch", "bands", "frames"))
    assert "expected a waveform" in refused(path)
    save(path, NOTES + "rate: 3\n")
    assert "rate: unknown key" in refused(path, UsageError)
    path.write_bytes(b"no graph")
    (tmp_path / "model.yaml").write_text(NOTES)
    assert "not a readable ONNX file" in refused(path)


def test_onnxruntime_that_is_missing_is_one_message(tmp_path, monkeypatch):
    import sys

    save(tmp_path / "model.onnx", NOTES)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "pip install 'sertool[export]'" in refused(tmp_path / "model.onnx", UsageError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(sorted(OnnxNotes.model_fields))


@given(JSON | st.dictionaries(KEYS, JSON, max_size=5))
def test_any_notes_are_read_or_refused_with_one_message(content):
    try:
        notes = parse_notes(content, "model.yaml")
    except UsageError:
        return
    assert len(notes.names) >= 1
    assert len(notes.ranges) in (0, len(notes.names))
