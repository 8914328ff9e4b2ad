"""The definition of attention against the layer's, and which attention takes another path."""

import pytest
import torch

from sertool.core.models.kernels.attention import LONGEST, attends, attention_plain
from sertool.core.models.layers import Attention, reset
from sertool.core.models.layout import full_layout, pair


def test_the_definition_is_that_of_the_layer():
    members, batch, length, keys, width = 2, 3, 5, 4, 6
    layer = Attention(members=members, hidden_size=width, num_heads=2, dropout=0.3)
    reset(layer, (1, 2))
    torch.manual_seed(1)
    rows, memory = torch.randn(members, length * batch, width), torch.randn(members, keys * batch, width)
    mask = torch.rand(members, batch, keys) < 0.6
    mask[0, 0] = False
    pairing = pair(full_layout(torch.ones(members, batch, length, dtype=torch.bool)), full_layout(mask))
    parts = (layer.query, layer.key, layer.value)
    products = [of @ part.weight.transpose(1, 2) for of, part in zip((rows, memory, memory), parts, strict=True)]
    biases = (layer.query.bias, layer.key.bias, layer.value.bias)
    ours = layer.output(attention_plain(*products, biases, mask, 2, None))
    torch.testing.assert_close(ours, layer(rows, memory, pairing, None).total())


@pytest.mark.parametrize(
    ("length", "keys", "fits"), [(LONGEST, LONGEST, True), (LONGEST + 1, 3, False), (3, LONGEST + 1, False)]
)
def test_long_utterances_take_another_path(monkeypatch, length, keys, fits):
    monkeypatch.setattr("sertool.core.models.kernels.attention.use_triton", lambda values, name: name == "attention")
    assert attends(torch.zeros(1, length * 2, 6), torch.ones(1, 2, keys, dtype=torch.bool), 2) is fits


def test_without_a_gpu_there_is_no_kernel(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not attends(torch.zeros(1, 4, 6), torch.ones(1, 2, 3, dtype=torch.bool), 2)
