"""What the figures are relative to: MAT as one writes it in plain PyTorch, one model at a time, loader processes.

It computes what sertool's MAT computes (a test compares the logits) and trains the way the reference system does:
utterances padded to a fixed length by a ``Dataset``, a ``DataLoader`` with eight processes, ``torch.optim.Adam``, one
seed after the other. Nothing in the toolkit uses it.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

BATCH_SIZE = 32
WORKERS = 8


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


class MAT(nn.Module):
    """Token ids (B, Tx) and mel frames (B, Ty, M) -> logits (B, C)."""

    def __init__(
        self,
        rows: int,
        *,
        embedding_size: int = 300,
        audio_width: int = 80,
        hidden_size: int = 512,
        ffn_size: int = 1024,
        num_heads: int = 4,
        num_layers: int = 2,
        num_classes: int = 4,
        dropout_residual: float = 0.1,
        dropout_output: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, embedding_size)
        self.text_lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        self.audio_lstm = nn.LSTM(audio_width, hidden_size, batch_first=True)
        sizes = (hidden_size, ffn_size, num_heads, dropout_residual)
        self.text_blocks = nn.ModuleList(TextBlock(*sizes) for _ in range(num_layers))
        self.audio_blocks = nn.ModuleList(AudioBlock(*sizes) for _ in range(num_layers))
        self.text_pool = AttFlat(hidden_size, ffn_size, 2 * hidden_size, dropout_residual)
        self.audio_pool = AttFlat(hidden_size, ffn_size, 2 * hidden_size, dropout_residual)
        self.norm = LayerNorm(2 * hidden_size)
        self.dropout = nn.Dropout(dropout_output)
        self.classifier = nn.Linear(2 * hidden_size, num_classes)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """A position is padding if its id is 0, a frame if its absolute values sum to 0."""
        x_mask = x == 0
        y_mask = y.abs().sum(-1) == 0
        x, _ = self.text_lstm(self.embedding(x))
        y, _ = self.audio_lstm(y)
        for text_block in self.text_blocks:
            x = text_block(x, x_mask)
        for audio_block in self.audio_blocks:
            y = audio_block(y, y_mask, x, x_mask)
        fused = self.norm(self.text_pool(x, x_mask) + self.audio_pool(y, y_mask))
        return self.classifier(self.dropout(fused))  # type: ignore[no-any-return]


class Utterances(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """One utterance at a time, padded to fixed lengths as it is asked for."""

    def __init__(
        self,
        tokens: Sequence[Sequence[int]],
        mels: Sequence[NDArray[np.float32]],
        targets: Sequence[int],
        *,
        max_text_length: int = 15,
        max_audio_length: int = 40,
    ) -> None:
        self.tokens, self.mels, self.targets = tokens, mels, targets
        self.max_text_length, self.max_audio_length = max_text_length, max_audio_length

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        ids = np.zeros(self.max_text_length, np.int64)
        cut = self.tokens[index][: self.max_text_length]
        ids[: len(cut)] = cut
        mel = self.mels[index][: self.max_audio_length]
        frames = np.concatenate([mel, np.zeros((self.max_audio_length - len(mel), mel.shape[1]), np.float32)])
        return torch.from_numpy(ids), torch.from_numpy(frames), torch.tensor(self.targets[index])


def loader(utterances: Utterances, *, shuffle: bool) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
    """Batches of 32 from eight processes, as the reference loads them."""
    return DataLoader(utterances, batch_size=BATCH_SIZE, shuffle=shuffle, num_workers=WORKERS)


def train_step(
    model: MAT, optimizer: torch.optim.Optimizer, batch: Sequence[Tensor], device: torch.device
) -> Tensor:
    """One update on the summed cross-entropy of a batch; returns the loss."""
    x, y, target = (part.to(device) for part in batch)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x, y), target, reduction="sum")
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def evaluate(model: MAT, utterances: Utterances, device: torch.device) -> Tensor:
    """Logits (N, C) on the CPU."""
    model.eval()
    parts = [model(x.to(device), y.to(device)).cpu() for x, y, _ in loader(utterances, shuffle=False)]
    model.train()
    return torch.cat(parts)


def from_sertool(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """One member's weights by sertool's names as this model's state dict."""
    renamed = {}
    for name, value in weights.items():
        if name == "text_encoder.embedding.weight":
            renamed["embedding.weight"] = value
        elif "_encoder.lstm." in name:
            modality, _, kind = name.partition("_encoder.lstm.")
            renamed[f"{modality}_lstm.{kind}_l0"] = value
        else:
            renamed[name] = value
    return renamed
