"""Small stacks with random weights, and random batches for them."""

import torch
from builders import NO_DROPOUT

from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.recipe.schema import Model

SMALL = {"hidden_size": 8, "ffn_size": 12, "num_heads": 2, "num_layers": 2, "embedding_size": 6, **NO_DROPOUT}
ROWS, WIDTH, CLASSES = 9, 5, 3


def stack(architecture="mat", members=1, text_rows=ROWS, seeds=None, **changes):
    model = build(
        Model(architecture=architecture, **{**SMALL, **changes}),
        DataSizes(text_rows, 6, WIDTH, CLASSES),
        members,
    )
    initialise(model, seeds or list(range(members)), [None] * members)
    return model


def batch(members, utterances, *, text=7, audio=9, frames=False, seed=0):
    """Random inputs: each utterance of its own length, a masked hole in some, one without text, one without audio."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, ROWS, (members, utterances, text), generator=draw)
    mels = torch.randn(members, utterances, audio, WIDTH, generator=draw)
    for member in range(members):
        for row in range(utterances):
            tokens[member, row, 1 + int(torch.randint(text, (1,), generator=draw)) :] = 0
            mels[member, row, 1 + int(torch.randint(audio, (1,), generator=draw)) :] = 0
            if row == 1:
                mels[member, row, 2] = 0
    tokens[:, -1], mels[:, 0] = 0, 0
    if frames:
        tokens = (tokens != 0).unsqueeze(-1) * torch.randn(members, utterances, text, 6, generator=draw)
    return tokens, mels


def unpacked(layout, packed, length):
    """Packed rows (E, P, D) at their places (E, B, T, D), NaN where there are none."""
    members, batch = layout.mask.shape[:2]
    steps = torch.repeat_interleave(torch.arange(len(layout.step_sizes)), torch.tensor(layout.step_sizes))
    padded = torch.full((members, batch, length, packed.shape[2]), torch.nan, dtype=packed.dtype)
    padded[torch.arange(members).unsqueeze(1), layout.utterance, steps] = packed
    return padded
