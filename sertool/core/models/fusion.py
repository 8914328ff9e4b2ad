"""Parts that MAT and MNT share: encoders, blocks over text, attention pools and the classifier."""

from typing import TypedDict

from jaxtyping import Float
from torch import Tensor, nn

from sertool.core.models.context import InContext
from sertool.core.models.inputs import Encoder, Inputs
from sertool.core.models.kernels.noise import Noise, drop
from sertool.core.models.layers import Attention, AttentionPool, FeedForward, LayerNorm, Linear
from sertool.core.models.layout import Layout, Pairing, pair


class BlockSizes(TypedDict):
    """Keyword arguments of every block; ``dropout`` acts on attention weights and on the residual branches."""

    members: int
    hidden_size: int
    ffn_size: int
    num_heads: int
    dropout: float


class SelfAttentionBlock(nn.Module):
    """Layers that the blocks over text and MNT's blocks over audio share; a subclass adds ``forward``."""

    def __init__(self, *, members: int, hidden_size: int, ffn_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.self_attn = Attention(members=members, hidden_size=hidden_size, num_heads=num_heads, dropout=dropout)
        self.norm1 = LayerNorm(members=members, width=hidden_size)
        self.ffn = FeedForward(
            members=members, inputs=hidden_size, ffn_size=ffn_size, outputs=hidden_size, dropout=dropout
        )
        self.norm2 = LayerNorm(members=members, width=hidden_size)


class TextBlock(SelfAttentionBlock):
    """Self-attention, norm, feed-forward, norm; residual around each, dropout on each branch."""

    def forward(self, text: Float[Tensor, "E P D"], to_text: Pairing, noise: Noise | None) -> Float[Tensor, "E P D"]:
        attended = self.self_attn(text, text, to_text, noise)
        text = self.norm1.join(text, attended, self.dropout, noise)
        return self.norm2.join(text, self.ffn(text, noise), self.dropout, noise)


class Fusion(InContext):
    """Base of the two architectures; a subclass adds layers over the audio and joins the modalities.

    Args:
        members: E.
        text_rows, text_width, audio_width, num_classes, text_layers, audio_layers: see
            :class:`~sertool.core.models.build.DataSizes`.
        hidden_size: D.
        ffn_size: F, inner width of the feed-forward layers.
        num_heads: H.
        num_layers: number of blocks over each modality.
        dropout_input: on what enters the LSTMs.
        dropout_residual: on attention weights, inside the feed-forward layers and on residual branches.
        dropout_output: before the classifier.
    """

    fused_hiddens = 1  # width of the pooled vectors and of the classifier's input, in multiples of D

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
        hidden_size: int,
        ffn_size: int,
        num_heads: int,
        num_layers: int,
        dropout_input: float,
        dropout_residual: float,
        dropout_output: float,
    ) -> None:
        super().__init__(self.fused_hiddens * hidden_size)
        self.hidden_size = hidden_size
        self.dropout_output = dropout_output
        self.text_encoder, self.audio_encoder = (
            Encoder(
                members=members, rows=rows, width=width, layers=layers, hidden_size=hidden_size, dropout=dropout_input
            )
            for rows, width, layers in ((text_rows, text_width, text_layers), (None, audio_width, audio_layers))
        )
        block: BlockSizes = {
            "members": members,
            "hidden_size": hidden_size,
            "ffn_size": ffn_size,
            "num_heads": num_heads,
            "dropout": dropout_residual,
        }
        self.text_blocks = nn.ModuleList(TextBlock(**block) for _ in range(num_layers))
        self.text_pool, self.audio_pool = (
            AttentionPool(
                members=members,
                hidden_size=hidden_size,
                ffn_size=ffn_size,
                outputs=self.width,
                dropout=dropout_residual,
            )
            for _ in range(2)
        )
        self.norm = LayerNorm(members=members, width=self.width)
        self.classifier = Linear(members=members, inputs=self.width, outputs=num_classes)
        # Last, because stored optimizer states depend on the order of parameters.
        self.add_audio_layers(block, num_layers)

    def add_audio_layers(self, block: BlockSizes, num_layers: int) -> None:
        """Add ``audio_blocks``, and whatever else an architecture needs to join the modalities."""
        raise NotImplementedError

    def encode(
        self, inputs: Inputs, noise: Noise | None
    ) -> tuple[Float[Tensor, "E P D"], Layout, Float[Tensor, "E N D"], Layout]:
        """Return text after its blocks and audio after its LSTM, each with its layout."""
        text, layout = self.text_encoder(inputs.text, inputs.text_mask, inputs.text_lengths, noise)
        audio = self.audio_encoder(inputs.audio, inputs.audio_mask, inputs.audio_lengths, noise)
        within_text = pair(layout, layout)
        for block in self.text_blocks:
            text = block(text, within_text, noise)
        return text, layout, *audio

    def classify(self, vectors: Float[Tensor, "E B F"], noise: Noise | None = None) -> Float[Tensor, "E B C"]:
        """Compute logits from fused vectors: norm, dropout, linear."""
        return self.classifier(drop(self.norm(vectors), self.dropout_output, noise))  # type: ignore[no-any-return]
