"""MNT, modulated normalisation: the text shifts and scales the norms of the audio's blocks.

Delbrouck, Tits, Dupont: "Modulated Fusion using Transformer for Linguistic-Acoustic Emotion Recognition", 2020.
"""

from torch import Tensor, nn

from sertool.core.models.inputs import Encoder, Inputs
from sertool.core.models.layers import (
    Attention,
    AttentionPool,
    FeedForward,
    LayerNorm,
    Linear,
    ModulatedLayerNorm,
    Noise,
    drop,
)
from sertool.core.models.layout import Layout, Pairing, pair
from sertool.core.models.mat import TextBlock


class ModulatedBlock(nn.Module):
    """Self-attention and feed-forward over the audio, each behind a norm that the text modulates."""

    def __init__(
        self, *, members: int, hidden_size: int, ffn_size: int, num_heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.self_attn = Attention(
            members=members, hidden_size=hidden_size, num_heads=num_heads, dropout=dropout
        )
        self.norm1 = ModulatedLayerNorm(members=members, width=hidden_size)
        self.ffn = FeedForward(
            members=members, inputs=hidden_size, ffn_size=ffn_size, outputs=hidden_size, dropout=dropout
        )
        self.norm2 = ModulatedLayerNorm(members=members, width=hidden_size)

    def forward(
        self, audio: Tensor, layout: Layout, to_audio: Pairing, modulation: Tensor, noise: Noise | None
    ) -> Tensor:
        """``modulation`` (E, B, 4D): gamma and beta of the first norm, then of the second."""
        gamma1, beta1, gamma2, beta2 = (layout.spread(part) for part in modulation.chunk(4, dim=-1))
        attended = self.self_attn(audio, audio, to_audio, noise)
        audio = self.norm1(audio + drop(attended, self.dropout, noise), gamma1, beta1)
        return self.norm2(audio + drop(self.ffn(audio, noise), self.dropout, noise), gamma2, beta2)  # type: ignore[no-any-return]


class MNT(nn.Module):
    """E models of the modulated-normalisation kind: ``Inputs`` -> logits (E, B, C)."""

    def __init__(
        self,
        *,
        members: int,
        text_rows: int | None,
        text_width: int,
        audio_width: int,
        hidden_size: int,
        ffn_size: int,
        num_heads: int,
        num_layers: int,
        num_classes: int,
        dropout_input: float,
        dropout_residual: float,
        dropout_output: float,
    ) -> None:
        super().__init__()
        self.dropout_output = dropout_output
        self.text_encoder = Encoder(
            members=members, rows=text_rows, width=text_width, hidden_size=hidden_size, dropout=dropout_input
        )
        self.audio_encoder = Encoder(
            members=members, rows=None, width=audio_width, hidden_size=hidden_size, dropout=dropout_input
        )
        block = {
            "members": members,
            "hidden_size": hidden_size,
            "ffn_size": ffn_size,
            "num_heads": num_heads,
            "dropout": dropout_residual,
        }
        self.text_blocks = nn.ModuleList(TextBlock(**block) for _ in range(num_layers))  # type: ignore[arg-type]
        self.audio_blocks = nn.ModuleList(ModulatedBlock(**block) for _ in range(num_layers))  # type: ignore[arg-type]
        self.text_pool, self.audio_pool = (
            AttentionPool(
                members=members,
                hidden_size=hidden_size,
                ffn_size=ffn_size,
                outputs=hidden_size,
                dropout=dropout_residual,
            )
            for _ in range(2)
        )
        self.modulation = Linear(members=members, inputs=hidden_size, outputs=4 * hidden_size * num_layers)
        self.norm = LayerNorm(members=members, width=hidden_size)
        self.classifier = Linear(members=members, inputs=hidden_size, outputs=num_classes)

    def forward(self, inputs: Inputs, noise: Noise | None = None) -> Tensor:
        """Logits (E, B, C); ``noise`` gives the dropout masks of training."""
        text, text_layout = self.text_encoder(inputs.text, inputs.text_mask, inputs.text_lengths, noise)
        audio, audio_layout = self.audio_encoder(inputs.audio, inputs.audio_mask, inputs.audio_lengths, noise)
        within_text, within_audio = pair(text_layout, text_layout), pair(audio_layout, audio_layout)
        for block in self.text_blocks:
            text = block(text, within_text, noise)
        summary = self.text_pool(text, text_layout, noise)
        pieces = self.modulation(summary).relu().chunk(len(self.audio_blocks), dim=-1)
        for block, piece in zip(self.audio_blocks, pieces, strict=True):
            audio = block(audio, audio_layout, within_audio, piece, noise)
        fused = summary + self.audio_pool(audio, audio_layout, noise)
        return self.classifier(drop(self.norm(fused), self.dropout_output, noise))  # type: ignore[no-any-return]
