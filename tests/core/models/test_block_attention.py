"""Attention over blocks against its formula, one utterance and head at a time, and its gradient in float64."""

import pytest
import torch

from sertool.core.models.block_attention import attend, plan
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layout import full_layout, packed_layout, pair

MEMBERS, HEADS, WIDTH = 2, 2, 3


def layout(batch, length, seed, full=False):
    """Lengths that differ between members, so that a few rows of padding stay in the packed order."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (MEMBERS, batch), generator=draw)
    mask = torch.arange(length) < lengths.unsqueeze(-1)
    return full_layout(mask) if full else packed_layout(mask, lengths)


def rows(of, seed):
    draw = torch.Generator().manual_seed(seed)
    shape = MEMBERS, sum(of.step_sizes), HEADS * WIDTH
    return torch.randn(shape, dtype=torch.double, generator=draw, requires_grad=True)


def by_hand(query, key, value, queries, memory):
    """Return (member, row, output) for each query that is real."""
    for member in range(MEMBERS):
        for utterance in range(queries.mask.shape[1]):
            keys = memory.row_of[member, utterance][memory.mask[member, utterance]]
            for row in queries.row_of[member, utterance][queries.mask[member, utterance]].tolist():
                q, k, v = (
                    part.view(*part.shape[:-1], HEADS, WIDTH)
                    for part in (query[member, row], key[member], value[member])
                )
                weights = (torch.einsum("hk,nhk->hn", q, k[keys]) / WIDTH**0.5).softmax(-1)
                yield member, row, torch.einsum("hn,nhk->hk", weights, v[keys]).flatten()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("own", [True, False], ids=["within", "across"])
@pytest.mark.parametrize("batch", [3, 20])
def test_each_query_meets_the_real_keys_of_its_utterance(batch, own, full):
    queries = layout(batch, 6, 1, full)
    memory = queries if own else layout(batch, 4, 2, full)
    query, key, value = rows(queries, 3), rows(memory, 4), rows(memory, 5)
    planned = plan(pair(queries, memory), HEADS, torch.double)
    mixed = attend(query, key, value, planned, HEADS, 0.0, None)
    found = list(by_hand(query, key, value, queries, memory))
    assert len(found) == int(queries.mask.sum())
    for member, row, wanted in found:
        torch.testing.assert_close(mixed[member, row], wanted)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("own", [True, False], ids=["within", "across"])
def test_the_gradient_is_that_of_the_formula(own, dropout):
    queries = layout(3, 4, 1)
    memory = queries if own else layout(3, 3, 2)
    planned = plan(pair(queries, memory), HEADS, torch.double)
    # Values of rows of padding are no part of any result, nor is their gradient.
    real = torch.zeros(MEMBERS, sum(queries.step_sizes), 1, dtype=torch.double)
    real.scatter_(1, queries.row_of.flatten(1)[..., None], queries.mask.flatten(1)[..., None].double())

    def loss(query, key, value):
        # The same numbers at each call, so the same masks.
        return attend(query, key, value, planned, HEADS, dropout, Noise(7)) * real

    assert torch.autograd.gradcheck(loss, (rows(queries, 3), rows(memory, 4), rows(memory, 5)))


def test_a_pairing_is_planned_once_for_all_layers():
    pairing = pair(layout(3, 4, 1), layout(3, 3, 2))
    assert plan(pairing, HEADS, torch.float32) is plan(pairing, HEADS, torch.float32)
    assert plan(pairing, HEADS, torch.bfloat16).bias[0].dtype == torch.bfloat16


def test_a_block_has_no_more_keys_than_its_longest_utterance():
    own, other = layout(20, 6, 1), layout(20, 4, 2)
    within, across = pair(own, own), pair(own, other)
    assert within.key_lengths == tuple(block.length for block in within)
    assert len(set(within.key_lengths)) > 1
    assert set(across.key_lengths) == {other.mask.shape[2]}
