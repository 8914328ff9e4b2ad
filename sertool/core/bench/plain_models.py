"""MAT, MNT and the linear probe in plain PyTorch, the baseline of ``sertool bench``, which alone uses them.

They give the same logits and gradients as sertool's models (a test compares them). ``plain_side`` trains them.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """gain * (x - mean) / (std + eps) + bias."""

    def __init__(self, size: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        mean = x.mean(-1, keepdim=True)
        std = x.std(-1, keepdim=True)
        return self.gain * (x - mean) / (std + self.eps) + self.bias


class ModulatedLayerNorm(LayerNorm):
    """(gain + gamma) * (x - mean) / (std + eps) + (bias + beta)."""

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:  # type: ignore[override]
        """Values (B, T, D), gamma and beta (B, D) -> (B, T, D)."""
        mean = x.mean(-1, keepdim=True)
        std = x.std(-1, keepdim=True)
        gain, bias = self.gain + gamma.unsqueeze(1), self.bias + beta.unsqueeze(1)
        return gain * (x - mean) / (std + self.eps) + bias


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention; a mask (B, T) is True where a key is padding."""

    def __init__(self, hidden_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = nn.Dropout(dropout)
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Queries (B, T, D), keys and values (B, T', D) -> (B, T, D)."""
        query, key, value = (
            self.heads(self.query(x)),
            self.heads(self.key(memory)),
            self.heads(self.value(memory)),
        )
        scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(query.size(-1))
        scores = scores.masked_fill(mask[:, None, None, :], -1e9)
        weights = self.dropout(F.softmax(scores, dim=-1))
        mixed = torch.matmul(weights, value)
        return self.output(mixed.transpose(1, 2).reshape(x.shape))  # type: ignore[no-any-return]

    def heads(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, K)."""
        return x.view(x.size(0), x.size(1), self.num_heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """Linear, ReLU, dropout, linear."""

    def __init__(self, inputs: int, ffn_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(inputs, ffn_size)
        self.outer = nn.Linear(ffn_size, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)."""
        return self.outer(self.dropout(F.relu(self.inner(x))))  # type: ignore[no-any-return]


class AttFlat(nn.Module):
    """Attention over time: (B, T, D) -> (B, O)."""

    def __init__(self, hidden_size: int, ffn_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.score = FeedForward(hidden_size, ffn_size, 1, dropout)
        self.output = nn.Linear(hidden_size, outputs)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """``mask`` (B, T) is True on padding."""
        weights = F.softmax(self.score(x).squeeze(-1).masked_fill(mask, -1e9), dim=1)
        return self.output((weights.unsqueeze(-1) * x).sum(dim=1))  # type: ignore[no-any-return]


class TextBlock(nn.Module):
    """Self-attention and feed-forward over the text."""

    def __init__(self, hidden_size: int, ffn_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(hidden_size, num_heads, dropout)
        self.ffn = FeedForward(hidden_size, ffn_size, hidden_size, dropout)
        self.norm1 = LayerNorm(hidden_size)
        self.norm2 = LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = self.norm1(x + self.dropout(self.self_attn(x, x, mask)))
        return self.norm2(x + self.dropout(self.ffn(x)))  # type: ignore[no-any-return]


class AudioBlock(nn.Module):
    """Self-attention over the audio, attention from the audio to the text, feed-forward."""

    def __init__(self, hidden_size: int, ffn_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(hidden_size, num_heads, dropout)
        self.cross_attn = MultiHeadAttention(hidden_size, num_heads, dropout)
        self.ffn = FeedForward(hidden_size, ffn_size, hidden_size, dropout)
        self.norm1 = LayerNorm(hidden_size)
        self.norm2 = LayerNorm(hidden_size)
        self.norm3 = LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, y: Tensor, y_mask: Tensor, x: Tensor, x_mask: Tensor) -> Tensor:
        """Audio y (B, Ty, D), text x (B, Tx, D) -> (B, Ty, D)."""
        y = self.norm1(y + self.dropout(self.self_attn(y, y, y_mask)))
        y = self.norm2(y + self.dropout(self.cross_attn(y, x, x_mask)))
        return self.norm3(y + self.dropout(self.ffn(y)))  # type: ignore[no-any-return]


class ModulatedBlock(nn.Module):
    """Self-attention and feed-forward over the audio, behind norms that the text modulates."""

    def __init__(self, hidden_size: int, ffn_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(hidden_size, num_heads, dropout)
        self.ffn = FeedForward(hidden_size, ffn_size, hidden_size, dropout)
        self.norm1 = ModulatedLayerNorm(hidden_size)
        self.norm2 = ModulatedLayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def forward(self, y: Tensor, y_mask: Tensor, modulation: Tensor) -> Tensor:
        """Audio y (B, T, D), modulation (B, 4D) -> (B, T, D)."""
        gamma1, beta1, gamma2, beta2 = modulation.chunk(4, dim=-1)
        y = self.norm1(y + self.dropout(self.self_attn(y, y, y_mask)), gamma1, beta1)
        return self.norm2(y + self.dropout(self.ffn(y)), gamma2, beta2)  # type: ignore[no-any-return]


class LayerMix(nn.Module):
    """Weighted sum of layers that lie side by side in a frame, by a softmax of learned weights."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(layers))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, L * D) -> (B, T, D)."""
        return torch.matmul(self.weight.softmax(0), x.view(*x.shape[:2], len(self.weight), -1))


def enter(rows: int | None, width: int, layers: int, dropout: float) -> nn.Sequential:
    """Return what a modality enters by: an embedding or a mix of layers, then dropout."""
    first: nn.Module = nn.Embedding(rows, width) if rows is not None else nn.Identity()
    return nn.Sequential(LayerMix(layers) if layers > 1 else first, nn.Dropout(dropout))


def padding(values: Tensor) -> Tensor:
    """Return the mask (B, T) of padding: an id of 0, or a frame whose absolute values sum to 0."""
    return values == 0 if values.dim() == 2 else values.abs().sum(-1) == 0


class Plain(nn.Module):
    """Base of MAT and MNT: token ids (B, Tx), or frames (B, Tx, I), and mel frames (B, Ty, M) -> logits (B, C).

    Args:
        rows: rows of the embedding; None if text is frames.
        text_width: width of the embedding, or of those frames.
        text_layers, audio_layers: layers of an encoder that lie side by side in a frame.
        fused_size: width of the output of the pools.
        audio_block: block over the audio, which depends on the architecture.
        audio_width, hidden_size, ffn_size, num_heads, num_layers, num_classes: sizes.
        dropout_input, dropout_residual, dropout_output: dropout rates, as in the recipe.
    """

    def __init__(
        self,
        rows: int | None,
        *,
        fused_size: int,
        audio_block: type[nn.Module],
        text_width: int = 300,
        audio_width: int = 80,
        hidden_size: int = 512,
        ffn_size: int = 1024,
        num_heads: int = 4,
        num_layers: int = 2,
        num_classes: int = 4,
        text_layers: int = 1,
        audio_layers: int = 1,
        dropout_input: float = 0.0,
        dropout_residual: float = 0.1,
        dropout_output: float = 0.5,
    ) -> None:
        super().__init__()
        self.text_enter = enter(rows, text_width, text_layers, dropout_input)
        self.audio_enter = enter(None, audio_width, audio_layers, dropout_input)
        self.text_lstm = nn.LSTM(text_width // text_layers, hidden_size, batch_first=True)
        self.audio_lstm = nn.LSTM(audio_width // audio_layers, hidden_size, batch_first=True)
        block = (hidden_size, ffn_size, num_heads, dropout_residual)
        self.text_blocks = nn.ModuleList(TextBlock(*block) for _ in range(num_layers))
        self.audio_blocks = nn.ModuleList(audio_block(*block) for _ in range(num_layers))
        self.text_pool = AttFlat(hidden_size, ffn_size, fused_size, dropout_residual)
        self.audio_pool = AttFlat(hidden_size, ffn_size, fused_size, dropout_residual)
        self.norm = LayerNorm(fused_size)
        self.dropout = nn.Dropout(dropout_output)
        self.classifier = nn.Linear(fused_size, num_classes)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute logits; a position is padding if its id is 0, a frame if its absolute values sum to 0."""
        x_mask, y_mask = padding(x), padding(y)
        x, _ = self.text_lstm(self.text_enter(x))
        y, _ = self.audio_lstm(self.audio_enter(y))
        for block in self.text_blocks:
            x = block(x, x_mask)
        return self.classifier(self.dropout(self.norm(self.fuse(x, x_mask, y, y_mask))))  # type: ignore[no-any-return]

    def fuse(self, x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Tensor:
        """Text behind its blocks, audio behind its LSTM -> (B, fused_size)."""
        raise NotImplementedError


class MAT(Plain):
    """The audio attends to the text."""

    def __init__(self, rows: int | None, *, hidden_size: int = 512, **sizes: Any) -> None:
        super().__init__(rows, fused_size=2 * hidden_size, audio_block=AudioBlock, hidden_size=hidden_size, **sizes)

    def fuse(self, x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Tensor:
        """See :class:`Plain`."""
        for block in self.audio_blocks:
            y = block(y, y_mask, x, x_mask)
        return self.text_pool(x, x_mask) + self.audio_pool(y, y_mask)  # type: ignore[no-any-return]


class MNT(Plain):
    """The text modulates the norms of the audio."""

    def __init__(self, rows: int | None, *, hidden_size: int = 512, num_layers: int = 2, **sizes: Any) -> None:
        own = {"hidden_size": hidden_size, "num_layers": num_layers}
        super().__init__(rows, fused_size=hidden_size, audio_block=ModulatedBlock, **own, **sizes)
        self.modulation = nn.Linear(hidden_size, 4 * hidden_size * num_layers)

    def fuse(self, x: Tensor, x_mask: Tensor, y: Tensor, y_mask: Tensor) -> Tensor:
        """See :class:`Plain`."""
        summary = self.text_pool(x, x_mask)
        pieces = F.relu(self.modulation(summary)).chunk(len(self.audio_blocks), dim=-1)
        for block, piece in zip(self.audio_blocks, pieces, strict=True):
            y = block(y, y_mask, piece)
        return summary + self.audio_pool(y, y_mask)  # type: ignore[no-any-return]


class LinearProbe(nn.Module):
    """Mean and deviation of each modality, and one linear layer; arguments as of :class:`Plain`."""

    def __init__(
        self,
        rows: int | None,
        *,
        text_width: int = 300,
        audio_width: int = 80,
        num_classes: int = 4,
        text_layers: int = 1,
        audio_layers: int = 1,
        dropout_input: float = 0.0,
        dropout_output: float = 0.5,
        **unused: Any,
    ) -> None:
        super().__init__()
        self.text_enter = enter(rows, text_width, text_layers, dropout_input)
        self.audio_enter = enter(None, audio_width, audio_layers, dropout_input)
        self.dropout = nn.Dropout(dropout_output)
        self.classifier = nn.Linear(2 * (text_width // text_layers + audio_width // audio_layers), num_classes)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute logits (B, C)."""
        pooled = [
            moments(layer(values), ~padding(values)) for layer, values in ((self.text_enter, x), (self.audio_enter, y))
        ]
        return self.classifier(self.dropout(torch.cat(pooled, -1)))  # type: ignore[no-any-return]


def moments(x: Tensor, real: Tensor) -> Tensor:
    """Mean and deviation (B, 2 D) over the real rows of (B, T, D)."""
    weight = real.unsqueeze(-1) / real.sum(1).clamp(min=1)[:, None, None]
    mean = (x * weight).sum(1)
    variance = ((x - mean.unsqueeze(1)).square() * weight).sum(1)
    return torch.cat([mean, variance.clamp(min=1e-12).sqrt()], -1)


ARCHITECTURES: dict[str, type[MAT] | type[MNT] | type[LinearProbe]] = {"mat": MAT, "mnt": MNT, "linear": LinearProbe}
