"""What a model sees of a batch, and how each modality enters it: embedding or frames, dropout, LSTM."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sertool.core.models.kernels.dropout import drop
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layers import LSTM, Embedding
from sertool.core.models.layout import Layout, full_layout, packed_layout


@dataclass(frozen=True)
class Inputs:
    """One batch of every member.

    Attributes:
        text: (E, B, L) token ids, or (E, B, L, D) frames.
        text_mask: (E, B, L) True where real.
        text_lengths: (E, B) on the CPU, see :func:`lengths`; None where every position is computed.
        audio: (E, B, T, M) frames.
        audio_mask: (E, B, T) True where real.
        audio_lengths: (E, B) on the CPU, or None.
    """

    text: Tensor
    text_mask: Tensor
    text_lengths: Tensor | None
    audio: Tensor
    audio_mask: Tensor
    audio_lengths: Tensor | None


def lengths(mask: Tensor) -> Tensor:
    """How far each row of a mask (..., T) must be computed: behind its last True, or all of it where there is none.

    On the CPU wherever the mask lies, as layouts are planned there.
    """
    reversed_first = mask.flip(-1).int().argmax(-1)
    length = mask.shape[-1]
    return torch.where(mask.any(-1), length - reversed_first, length).cpu()


class Encoder(nn.Module):
    """A modality's way in: (E, B, T[, I]) -> packed (E, P, D) and its layout.

    Args:
        members: E.
        rows: of the embedding table; None where the modality is frames.
        width: of the embedding, or of the frames.
        hidden_size: D.
        dropout: on what enters the LSTM.
    """

    def __init__(
        self, *, members: int, rows: int | None, width: int, hidden_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.embedding = Embedding(members=members, rows=rows, width=width) if rows is not None else None
        self.lstm = LSTM(members=members, inputs=width, hidden_size=hidden_size)

    def forward(
        self, values: Tensor, mask: Tensor, lengths: Tensor | None, noise: Noise | None
    ) -> tuple[Tensor, Layout]:
        layout = full_layout(mask) if lengths is None else packed_layout(mask, lengths)
        rows = layout.pack(values)
        if self.embedding is not None:
            rows = self.embedding(rows)
        return self.lstm(drop(rows, self.dropout, noise), layout), layout
