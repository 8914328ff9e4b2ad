"""MAT, modulated attention: the audio attends to the last layer of the text, in every block.

Delbrouck, Tits, Dupont: "Modulated Fusion using Transformer for Linguistic-Acoustic Emotion Recognition", 2020.
"""

from jaxtyping import Float
from torch import Tensor, nn

from sertool.core.models.fusion import BlockSizes, Fusion
from sertool.core.models.inputs import Inputs
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layers import Attention, FeedForward, LayerNorm
from sertool.core.models.layout import Pairing, pair


class CrossBlock(nn.Module):
    """Self-attention over the audio, attention from the audio to the text, feed-forward; each with its norm."""

    def __init__(self, *, members: int, hidden_size: int, ffn_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.self_attn = Attention(members=members, hidden_size=hidden_size, num_heads=num_heads, dropout=dropout)
        self.norm1 = LayerNorm(members=members, width=hidden_size)
        self.cross_attn = Attention(members=members, hidden_size=hidden_size, num_heads=num_heads, dropout=dropout)
        self.norm2 = LayerNorm(members=members, width=hidden_size)
        self.ffn = FeedForward(
            members=members, inputs=hidden_size, ffn_size=ffn_size, outputs=hidden_size, dropout=dropout
        )
        self.norm3 = LayerNorm(members=members, width=hidden_size)

    def forward(
        self,
        audio: Float[Tensor, "E P D"],
        to_audio: Pairing,
        text: Float[Tensor, "E N D"],
        to_text: Pairing,
        noise: Noise | None,
    ) -> Float[Tensor, "E P D"]:
        attended = self.self_attn(audio, audio, to_audio, noise)
        audio = self.norm1.join(audio, attended, self.dropout, noise)
        crossed = self.cross_attn(audio, text, to_text, noise)
        audio = self.norm2.join(audio, crossed, self.dropout, noise)
        return self.norm3.join(audio, self.ffn(audio, noise), self.dropout, noise)


class MAT(Fusion):
    """A stack of E models with modulated attention: ``Inputs`` -> logits (E, B, C)."""

    fused_hiddens = 2

    def add_audio_layers(self, block: BlockSizes, num_layers: int) -> None:
        self.audio_blocks = nn.ModuleList(CrossBlock(**block) for _ in range(num_layers))

    def vectors(self, inputs: Inputs, noise: Noise | None = None) -> Float[Tensor, "E B F"]:
        """Compute the fused vectors (F = 2 D); ``noise`` gives the dropout masks while training."""
        text, text_layout, audio, audio_layout = self.encode(inputs, noise)
        within_audio, from_audio_to_text = pair(audio_layout, audio_layout), pair(audio_layout, text_layout)
        for block in self.audio_blocks:
            audio = block(audio, within_audio, text, from_audio_to_text, noise)
        # Both pools map to 2 D; their sum enters the classifier.
        fused: Tensor = self.text_pool(text, text_layout, noise) + self.audio_pool(audio, audio_layout, noise)
        return fused
