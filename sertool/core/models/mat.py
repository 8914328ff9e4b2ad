"""MAT, modulated attention: the audio attends to the last layer of the text.

Delbrouck, Tits, Dupont: "Modulated Fusion using Transformer for Linguistic-Acoustic Emotion Recognition", 2020.
"""

from torch import Tensor, nn

from sertool.core.models.inputs import Encoder, Inputs
from sertool.core.models.layers import Attention, AttentionPool, FeedForward, LayerNorm, Linear, Noise, drop
from sertool.core.models.layout import Pairing, pair


class TextBlock(nn.Module):
    """Self-attention, norm, feed-forward, norm; residual around each, dropout on each branch."""

    def __init__(
        self, *, members: int, hidden_size: int, ffn_size: int, num_heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.self_attn = Attention(
            members=members, hidden_size=hidden_size, num_heads=num_heads, dropout=dropout
        )
        self.norm1 = LayerNorm(members=members, width=hidden_size)
        self.ffn = FeedForward(
            members=members, inputs=hidden_size, ffn_size=ffn_size, outputs=hidden_size, dropout=dropout
        )
        self.norm2 = LayerNorm(members=members, width=hidden_size)

    def forward(self, text: Tensor, to_text: Pairing, noise: Noise | None) -> Tensor:
        attended = self.self_attn(text, text, to_text, noise)
        text = self.norm1(text + drop(attended, self.dropout, noise))
        return self.norm2(text + drop(self.ffn(text, noise), self.dropout, noise))  # type: ignore[no-any-return]


class CrossBlock(nn.Module):
    """Self-attention over the audio, attention from the audio to the text, feed-forward; each with its norm."""

    def __init__(
        self, *, members: int, hidden_size: int, ffn_size: int, num_heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.self_attn = Attention(
            members=members, hidden_size=hidden_size, num_heads=num_heads, dropout=dropout
        )
        self.norm1 = LayerNorm(members=members, width=hidden_size)
        self.cross_attn = Attention(
            members=members, hidden_size=hidden_size, num_heads=num_heads, dropout=dropout
        )
        self.norm2 = LayerNorm(members=members, width=hidden_size)
        self.ffn = FeedForward(
            members=members, inputs=hidden_size, ffn_size=ffn_size, outputs=hidden_size, dropout=dropout
        )
        self.norm3 = LayerNorm(members=members, width=hidden_size)

    def forward(
        self, audio: Tensor, to_audio: Pairing, text: Tensor, to_text: Pairing, noise: Noise | None
    ) -> Tensor:
        attended = self.self_attn(audio, audio, to_audio, noise)
        audio = self.norm1(audio + drop(attended, self.dropout, noise))
        crossed = self.cross_attn(audio, text, to_text, noise)
        audio = self.norm2(audio + drop(crossed, self.dropout, noise))
        return self.norm3(audio + drop(self.ffn(audio, noise), self.dropout, noise))  # type: ignore[no-any-return]


class MAT(nn.Module):
    """E models of the modulated-attention kind: ``Inputs`` -> logits (E, B, C)."""

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
        self.audio_blocks = nn.ModuleList(CrossBlock(**block) for _ in range(num_layers))  # type: ignore[arg-type]
        self.text_pool, self.audio_pool = (
            AttentionPool(
                members=members,
                hidden_size=hidden_size,
                ffn_size=ffn_size,
                outputs=2 * hidden_size,
                dropout=dropout_residual,
            )
            for _ in range(2)
        )
        self.norm = LayerNorm(members=members, width=2 * hidden_size)
        self.classifier = Linear(members=members, inputs=2 * hidden_size, outputs=num_classes)

    def forward(self, inputs: Inputs, noise: Noise | None = None) -> Tensor:
        """Logits (E, B, C); ``noise`` gives the dropout masks of training."""
        text, text_layout = self.text_encoder(inputs.text, inputs.text_mask, inputs.text_lengths, noise)
        audio, audio_layout = self.audio_encoder(inputs.audio, inputs.audio_mask, inputs.audio_lengths, noise)
        within_text, within_audio = pair(text_layout, text_layout), pair(audio_layout, audio_layout)
        from_audio_to_text = pair(audio_layout, text_layout)
        for block in self.text_blocks:
            text = block(text, within_text, noise)
        for block in self.audio_blocks:
            audio = block(audio, within_audio, text, from_audio_to_text, noise)
        fused = self.text_pool(text, text_layout, noise) + self.audio_pool(audio, audio_layout, noise)
        return self.classifier(drop(self.norm(fused), self.dropout_output, noise))  # type: ignore[no-any-return]
