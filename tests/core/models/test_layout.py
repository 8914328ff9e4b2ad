"""Packed layouts: neither the other utterances of a batch nor padding changes an utterance's logits."""

import pytest
import torch
import torch.nn.functional as F
from builders import make_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import batch, stack, unpacked

from sertool.core.models.inputs import lengths
from sertool.core.models.layout import packed_layout


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([1, 2, 5, 33]), st.integers(1, 3), st.sampled_from(["mat", "mnt"]))
def test_an_utterance_alone_has_the_logits_it_has_in_a_batch(seed, utterances, members, architecture):
    model = stack(architecture, members)
    tokens, mels = batch(members, utterances, seed=seed)
    with torch.no_grad():
        together = model(make_inputs(tokens, mels))
        for row in range(utterances):
            alone = model(make_inputs(tokens[:, row : row + 1], mels[:, row : row + 1]))
            torch.testing.assert_close(alone[:, 0], together[:, row], rtol=0, atol=1e-5)
        order = torch.randperm(utterances, generator=torch.Generator().manual_seed(seed))
        turned = model(make_inputs(tokens[:, order], mels[:, order]))
        torch.testing.assert_close(turned, together[:, order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_padding_beyond_the_last_real_position_changes_nothing(architecture):
    """Except where everything is masked: there the weights are uniform over the whole padded length."""
    model = stack(architecture)
    tokens, mels = batch(1, 5)
    longer = F.pad(tokens, (0, 4)), F.pad(mels, (0, 0, 0, 6))
    with torch.no_grad():
        before, after = model(make_inputs(tokens, mels)), model(make_inputs(*longer))
    torch.testing.assert_close(after[:, 1:-1], before[:, 1:-1], rtol=0, atol=1e-5)
    for masked in (0, -1):
        assert (after[:, masked] - before[:, masked]).abs().max() > 1e-4
        assert torch.isfinite(after).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 4), st.integers(1, 3), st.lists(st.integers(0, 2**6 - 1), min_size=12, max_size=12))
def test_packed_rows_hold_every_real_position_once(utterances, members, masks):
    bits = [[bool(row >> place & 1) for place in range(6)] for row in masks[: utterances * members]]
    mask = torch.tensor(bits).view(members, utterances, 6)
    layout = packed_layout(mask, lengths(mask))
    assert sorted(layout.step_sizes, reverse=True) == list(layout.step_sizes)
    places = torch.arange(1.0, mask.numel() + 1).view(*mask.shape, 1)
    packed = layout.pack(places)
    assert packed.shape == (members, sum(layout.step_sizes), 1)
    assert all(len(rows.unique()) == len(rows) for rows in packed)
    there = unpacked(layout, packed, 6)
    # Where nothing is real, everything is computed.
    wanted = mask | ~mask.any(-1, keepdim=True)
    assert torch.equal(there[wanted], places[wanted])


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_lengths_reach_behind_the_last_real_position(mask):
    wanted = max((place + 1 for place, real in enumerate(mask) if real), default=len(mask))
    assert lengths(torch.tensor(mask)).item() == wanted
