"""What MAT and MNT have in common: the way in, the blocks over the text, the pools and the head."""

from typing import TypedDict, Unpack

from torch import Tensor, nn

from sertool.core.models.inputs import Encoder, Inputs
from sertool.core.models.kernels.dropout import drop
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.layers import Attention, AttentionPool, FeedForward, LayerNorm, Linear
from sertool.core.models.layout import Layout, Pairing


class Sizes(TypedDict):
    """Keyword arguments of both architectures.

    ``text_rows`` is the embedding's number of rows, None where the text is frames; ``text_width`` the width of the
    embedding, or of those frames. The dropouts are those on the inputs, on the residual branches and before the
    classifier.
    """

    members: int
    text_rows: int | None
    text_width: int
    audio_width: int
    hidden_size: int
    ffn_size: int
    num_heads: int
    num_layers: int
    num_classes: int
    dropout_input: float
    dropout_residual: float
    dropout_output: float


class BlockSizes(TypedDict):
    """Keyword arguments of every block."""

    members: int
    hidden_size: int
    ffn_size: int
    num_heads: int
    dropout: float


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
        text = self.norm1.join(text, attended, self.dropout, noise)
        return self.norm2.join(text, self.ffn(text, noise), self.dropout, noise)


class Fusion(nn.Module):
    """Base of the two architectures; a subclass adds its ``audio_blocks`` and joins the modalities.

    Args:
        fused_size: width of what the pools give and the classifier sees.
        sizes: see :class:`Sizes`.
    """

    def __init__(self, fused_size: int, **sizes: Unpack[Sizes]) -> None:
        super().__init__()
        members, hidden_size = sizes["members"], sizes["hidden_size"]
        self.hidden_size = sizes["hidden_size"]
        self.dropout_output = sizes["dropout_output"]
        self.text_encoder, self.audio_encoder = (
            Encoder(
                members=members,
                rows=rows,
                width=width,
                hidden_size=hidden_size,
                dropout=sizes["dropout_input"],
            )
            for rows, width in ((sizes["text_rows"], sizes["text_width"]), (None, sizes["audio_width"]))
        )
        block = block_sizes(**sizes)
        self.text_blocks = nn.ModuleList(TextBlock(**block) for _ in range(sizes["num_layers"]))
        self.text_pool, self.audio_pool = (
            AttentionPool(
                members=members,
                hidden_size=hidden_size,
                ffn_size=sizes["ffn_size"],
                outputs=fused_size,
                dropout=sizes["dropout_residual"],
            )
            for _ in range(2)
        )
        self.norm = LayerNorm(members=members, width=fused_size)
        self.classifier = Linear(members=members, inputs=fused_size, outputs=sizes["num_classes"])

    def encode(self, inputs: Inputs, noise: Noise | None) -> tuple[Tensor, Layout, Tensor, Layout]:
        """Text (E, P, D) and audio (E, P', D) behind their LSTMs, each with its layout."""
        text = self.text_encoder(inputs.text, inputs.text_mask, inputs.text_lengths, noise)
        audio = self.audio_encoder(inputs.audio, inputs.audio_mask, inputs.audio_lengths, noise)
        return *text, *audio

    def classify(self, fused: Tensor, noise: Noise | None) -> Tensor:
        """(E, B, fused_size) -> logits (E, B, C)."""
        return self.classifier(drop(self.norm(fused), self.dropout_output, noise))  # type: ignore[no-any-return]


def block_sizes(**sizes: Unpack[Sizes]) -> BlockSizes:
    """What of the sizes a block takes."""
    return {
        "members": sizes["members"],
        "hidden_size": sizes["hidden_size"],
        "ffn_size": sizes["ffn_size"],
        "num_heads": sizes["num_heads"],
        "dropout": sizes["dropout_residual"],
    }
