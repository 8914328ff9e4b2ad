"""Linear probe: mean and deviation over time of each modality, and one linear layer.

The probe shows how much of the answer the inputs give away without a model, so a fusion model is compared with it.
"""

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from sertool.core.models.context import InContext
from sertool.core.models.inputs import InputLayer, Inputs
from sertool.core.models.kernels.noise import Noise, drop
from sertool.core.models.layers import Linear

LEAST_DEVIATION = 1e-6  # the root has no slope at 0, where an utterance has a single frame


class Moments(InputLayer):
    """Mean and deviation of a modality: (E, B, T) ids or (E, B, T, M) frames -> (E, B, 2 I)."""

    def forward(
        self,
        values: Int64[Tensor, "E B T"] | Float[Tensor, "E B T M"],
        mask: Bool[Tensor, "E B T"],
        lengths: Int64[Tensor, "E B"] | None,
        noise: Noise | None,
    ) -> Float[Tensor, "E B F"]:
        if lengths is not None:  # nothing behind the longest utterance counts
            longest = int(lengths.max())
            values, mask = values[:, :, :longest], mask[:, :, :longest]
        frames = self.enter(values.flatten(1, 2), noise)
        return moments(frames.view(*mask.shape, -1), mask)


def moments(frames: Float[Tensor, "E B T I"], mask: Bool[Tensor, "E B T"]) -> Float[Tensor, "E B F"]:
    """Compute mean and standard deviation over the real frames, side by side (F = 2 I).

    Both are 0 where no frame is real, but for the least deviation.
    """
    # In float32 at least: sums over many frames lose too much in a smaller number format.
    frames = frames.to(torch.promote_types(frames.dtype, torch.float32))
    share = (mask.to(frames.dtype) / mask.sum(-1, keepdim=True).clamp(min=1)).unsqueeze(2)
    with torch.autocast(frames.device.type, enabled=False):
        mean = torch.matmul(share, frames)  # (E, B, 1, I)
        variance = torch.matmul(share, (frames - mean).square())
    return torch.cat([mean, variance.clamp(min=LEAST_DEVIATION**2).sqrt()], dim=-1).squeeze(2)


class LinearProbe(InContext):
    """A stack of E linear probes: ``Inputs`` -> logits (E, B, C).

    Args:
        members: E.
        text_rows, text_width, audio_width, num_classes, text_layers, audio_layers: see
            :class:`~sertool.core.models.build.DataSizes`.
        dropout_input: on word vectors and frames.
        dropout_output: before the linear layer.
    """

    hidden_size = 0  # no hidden layer, so that its members always count as small

    def __init__(
        self,
        *,
        members: int,
        text_rows: int | None,
        text_width: int,
        audio_width: int,
        num_classes: int,
        text_layers: int = 1,
        audio_layers: int = 1,
        dropout_input: float,
        dropout_output: float,
    ) -> None:
        encoders = [
            Moments(members=members, rows=rows, width=width, layers=layers, dropout=dropout_input)
            for rows, width, layers in ((text_rows, text_width, text_layers), (None, audio_width, audio_layers))
        ]
        super().__init__(2 * sum(encoder.width for encoder in encoders))
        self.dropout_output = dropout_output
        self.text_encoder, self.audio_encoder = encoders
        self.classifier = Linear(members=members, inputs=self.width, outputs=num_classes)

    def vectors(self, inputs: Inputs, noise: Noise | None = None) -> Float[Tensor, "E B F"]:
        """Compute mean and deviation of both modalities; ``noise`` gives the dropout masks while training."""
        text = self.text_encoder(inputs.text, inputs.text_mask, inputs.text_lengths, noise)
        audio = self.audio_encoder(inputs.audio, inputs.audio_mask, inputs.audio_lengths, noise)
        return torch.cat([text, audio], dim=-1)

    def classify(self, vectors: Float[Tensor, "E B F"], noise: Noise | None = None) -> Float[Tensor, "E B C"]:
        """Compute logits: dropout, linear."""
        return self.classifier(drop(vectors, self.dropout_output, noise))  # type: ignore[no-any-return]
