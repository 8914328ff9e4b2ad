"""Inputs of a model, and the start of each modality's path: embedding or frames, dropout, LSTM."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from sertool.core.models.kernels.noise import Noise, drop
from sertool.core.models.layers import LSTM, Embedding, LayerMix
from sertool.core.models.layout import Layout, full_layout, packed_layout


@dataclass(frozen=True)
class Turns:
    """Places of utterances in their dialogues, whose utterances follow each other in a batch.

    Attributes:
        earlier: number of rows before it that are its context.
        speakers: number of its speaker; -1 where unknown.
    """

    earlier: Int64[Tensor, "*S E B"]
    speakers: Int64[Tensor, "*S E B"]

    def __getitem__(self, key: Any) -> "Turns":
        """Return the turns of a step, or of some rows."""
        return Turns(self.earlier[key], self.speakers[key])

    def at(self, step: Int64[Tensor, "1"]) -> "Turns":
        """Return the turns of the step that a tensor names, without waiting for its device."""
        return Turns(self.earlier.index_select(0, step)[0], self.speakers.index_select(0, step)[0])

    def copy_(self, other: "Turns") -> None:
        """Copy other turns into these tensors, which a recorded step knows by their addresses."""
        self.earlier.copy_(other.earlier, non_blocking=True)
        self.speakers.copy_(other.speakers, non_blocking=True)

    def to(self, device: torch.device) -> "Turns":
        """Return the turns on another device."""
        return Turns(self.earlier.to(device), self.speakers.to(device))


@dataclass(frozen=True)
class Inputs:
    """One batch for each member of a stack.

    Attributes:
        text: token ids, or frames (E, B, L, D).
        text_mask: True where a position is real.
        text_lengths: on the CPU, see :func:`lengths`; None where every position is computed.
        audio: frames.
        audio_mask: True where a frame is real.
        audio_lengths: on the CPU, or None.
        turns: places in dialogues, for a model with context; None: no utterance has an earlier one.
    """

    text: Int64[Tensor, "E B L"] | Float[Tensor, "E B L D"]
    text_mask: Bool[Tensor, "E B L"]
    text_lengths: Int64[Tensor, "E B"] | None
    audio: Float[Tensor, "E B T M"]
    audio_mask: Bool[Tensor, "E B T"]
    audio_lengths: Int64[Tensor, "E B"] | None
    turns: Turns | None = None


def lengths(mask: Bool[Tensor, "*S T"]) -> Int64[Tensor, "*S"]:
    """Return how many positions must be computed: up to the last True, or all T where there is none.

    The result lies on the CPU, because layouts are planned there.
    """
    # The first True from the end; argmax returns the first of equal values.
    reversed_first = mask.flip(-1).int().argmax(-1)
    length = mask.shape[-1]
    return torch.where(mask.any(-1), length - reversed_first, length).cpu()


class InputLayer(nn.Module):
    """Start of a modality's path: word embedding, frames, or a mix of an encoder's layers, then dropout.

    Args:
        members: E.
        rows: number of rows of the embedding table; None where the modality is frames.
        width: M, values of a word's vector or of a frame.
        layers: L, layers side by side in a frame; I = M / L values leave.
        dropout: probability for the values.
    """

    def __init__(self, *, members: int, rows: int | None, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.width = width // layers
        self.embedding = Embedding(members=members, rows=rows, width=width) if rows is not None else None
        self.mix = LayerMix(members=members, layers=layers) if layers > 1 else None

    def enter(self, rows: Int64[Tensor, "E N"] | Float[Tensor, "E N M"], noise: Noise | None) -> Float[Tensor, "E N I"]:
        """Embed ids, or mix the layers of frames, and drop values while training."""
        values = self.embedding(rows) if self.embedding is not None else rows
        if self.mix is not None:
            values = self.mix(values)
        return drop(values, self.dropout, noise)


class Encoder(InputLayer):
    """Encoder of a modality: (E, B, T) ids or (E, B, T, M) frames -> packed (E, P, D) and its layout.

    Args:
        hidden_size: D.
        sizes: those of :class:`InputLayer`.
    """

    def __init__(self, *, members: int, hidden_size: int, **sizes: Any) -> None:
        super().__init__(members=members, **sizes)
        self.lstm = LSTM(members=members, inputs=self.width, hidden_size=hidden_size)

    def forward(
        self,
        values: Int64[Tensor, "E B T"] | Float[Tensor, "E B T M"],
        mask: Bool[Tensor, "E B T"],
        lengths: Int64[Tensor, "E B"] | None,
        noise: Noise | None,
    ) -> tuple[Float[Tensor, "E P D"], Layout]:
        layout = full_layout(mask) if lengths is None else packed_layout(mask, lengths)
        return self.lstm(self.enter(layout.pack(values), noise), layout.step_sizes), layout
