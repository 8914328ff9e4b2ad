"""Layers with a leading member axis: parameters are (E, ...), so E models of one shape are one product.

Sequences are packed rows (E, P, D), see ``layout``. Dropout draws from the ``Noise`` that is handed in, and there is
none where it is None. Every layer has ``reset(seeds)``: member e's parameters come from ``seeds[e]`` and the
parameter's name alone, with torch's default schemes (which the reference used).
"""

import hashlib
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sertool.core.models.layout import Layout
from sertool.core.models.recurrence import recurrence

MASKED_SCORE = -1e9  # not -inf: where everything is masked the softmax is uniform, as in the reference


class Noise:
    """Where dropout masks come from: a generator, 16 random bits a value.

    Args:
        seed: decides all masks drawn from it.
        device: of the tensors that are dropped.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu") -> None:
        self._generator = torch.Generator(device=device).manual_seed(seed)

    def dropout(self, values: Tensor, probability: float) -> Tensor:
        """Zero each value with ``probability`` (to 2**-17) and scale the others so that the mean stays."""
        if probability == 0:
            return values
        count = values.numel()
        # One 64-bit draw serves four values; drawing a float for each costs more than the layers it follows.
        draws = torch.empty((count + 3) // 4, dtype=torch.int64, device=values.device)
        draws.random_(-(2**63), None, generator=self._generator)
        threshold = round(probability * 65536) - 32768
        keep = draws.view(torch.int16)[:count].view(values.shape) >= threshold
        return values * (keep.to(values.dtype) * (65536 / (32768 - threshold)))


def drop(values: Tensor, probability: float, noise: Noise | None) -> Tensor:
    """Dropout while training, the values themselves otherwise."""
    return values if noise is None else noise.dropout(values, probability)


class Stacked(nn.Module):
    """Base of the layers that own parameters: initialisation by member and name."""

    def bounds(self) -> dict[str, float]:
        """Half-width of the uniform distribution of each parameter that is not constant."""
        return {}

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        """Draw the parameters of every member anew from its own seed."""
        with torch.no_grad():
            for name, bound in self.bounds().items():
                parameter: Tensor = getattr(self, name)
                for member, seed in enumerate(seeds):
                    draw = torch.empty(parameter.shape[1:])
                    draw.uniform_(-bound, bound, generator=generator(seed, f"{prefix}{name}"))
                    parameter[member].copy_(draw)


def generator(seed: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose of one seed; different purposes are independent."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") % 2**63)


def reset(model: nn.Module, seeds: Sequence[int]) -> None:
    """Initialise all layers of a model, member e from ``seeds[e]``."""
    for name, module in model.named_modules():
        if isinstance(module, Stacked):
            module.reset(seeds, prefix=f"{name}.")


class Linear(Stacked):
    """y = x W' + b a member: (E, N, I) -> (E, N, O)."""

    def __init__(self, *, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(members, outputs))

    def bounds(self) -> dict[str, float]:
        bound = 1 / math.sqrt(self.weight.shape[2])
        return {"weight": bound, "bias": bound}

    def forward(self, rows: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), rows, self.weight.transpose(1, 2))


class Embedding(Stacked):
    """A row a token: ids (E, N) -> (E, N, D). Members may own fewer rows than the table has."""

    def __init__(self, *, members: int, rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, rows, width))

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        with torch.no_grad():
            for member, seed in enumerate(seeds):
                draws = generator(seed, f"{prefix}weight")
                # Row by row, so that a longer table (of a stack with larger vocabularies) starts with the same rows.
                for row in self.weight[member]:
                    row.copy_(torch.empty(row.shape).normal_(generator=draws))

    def forward(self, tokens: Tensor) -> Tensor:
        members, rows, width = self.weight.shape
        first = torch.arange(0, members * rows, rows, device=tokens.device).unsqueeze(1)
        return F.embedding(tokens + first, self.weight.view(members * rows, width))


class LSTM(Stacked):
    """One layer, one direction: packed rows (E, P, I) -> (E, P, D). Gates: input, forget, cell, output, as torch's."""

    def __init__(self, *, members: int, inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(members, 4 * hidden_size, inputs))
        self.weight_hh = nn.Parameter(torch.empty(members, 4 * hidden_size, hidden_size))
        # Two biases that are only ever added: with Adam they move twice as far as one would, as in the reference.
        self.bias_ih = nn.Parameter(torch.empty(members, 4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(members, 4 * hidden_size))

    def bounds(self) -> dict[str, float]:
        bound = 1 / math.sqrt(self.weight_hh.shape[2])
        return dict.fromkeys(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), bound)

    def forward(self, rows: Tensor, layout: Layout) -> Tensor:
        bias = (self.bias_ih + self.bias_hh).unsqueeze(1)
        gates = torch.baddbmm(bias, rows, self.weight_ih.transpose(1, 2))
        return recurrence(gates, self.weight_hh, layout.step_sizes)


class LayerNorm(Stacked):
    """gain * (x - mean) / (std + 1e-6) + bias over the last axis, std unbiased.

    Computed as torch's layer norm (biased variance, eps inside the root and vanishing) times sqrt((D - 1) / D). For
    a std s the two differ by 1e-6 / s relative; where s is 0 both give the bias.
    """

    def __init__(self, *, members: int, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(members, width))
        self.bias = nn.Parameter(torch.zeros(members, width))

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        with torch.no_grad():
            self.gain.fill_(1)
            self.bias.zero_()

    def forward(self, rows: Tensor) -> Tensor:
        width = rows.shape[-1]
        gain = self.gain * math.sqrt((width - 1) / width)
        return torch.addcmul(
            self.bias.unsqueeze(1), F.layer_norm(rows, (width,), eps=1e-12), gain.unsqueeze(1)
        )


class ModulatedLayerNorm(LayerNorm):
    """(gain + gamma) * normalised + (bias + beta), gamma and beta (E, N, D) given a row."""

    def forward(self, rows: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:  # type: ignore[override]
        width = rows.shape[-1]
        gain = (self.gain.unsqueeze(1) + gamma) * math.sqrt((width - 1) / width)
        return torch.addcmul(self.bias.unsqueeze(1) + beta, F.layer_norm(rows, (width,), eps=1e-12), gain)


class Attention(nn.Module):
    """Multi-head attention: scores / sqrt(K), dropout on the weights, keys masked.

    Queries (E, P, D) in ``layout``, keys and values (E, P', D) in ``memory_layout``; returns (E, P, D).
    """

    def __init__(self, *, members: int, hidden_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = Linear(members=members, inputs=hidden_size, outputs=hidden_size)
        self.key = Linear(members=members, inputs=hidden_size, outputs=hidden_size)
        self.value = Linear(members=members, inputs=hidden_size, outputs=hidden_size)
        self.output = Linear(members=members, inputs=hidden_size, outputs=hidden_size)

    def forward(
        self, rows: Tensor, layout: Layout, memory: Tensor, memory_layout: Layout, noise: Noise | None
    ) -> Tensor:
        query = self._heads(layout.pad(self.query(rows)))  # (E, B, H, T, K)
        key = self._heads(memory_layout.pad(self.key(memory)))
        value = self._heads(memory_layout.pad(self.value(memory)))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])  # (E, B, H, T, T')
        masked = ~memory_layout.mask[:, :, None, None, :]
        weights = scores.masked_fill(masked, MASKED_SCORE).softmax(-1)
        mixed = drop(weights, self.dropout, noise) @ value
        return self.output(layout.pack(mixed.transpose(2, 3).flatten(3)))  # type: ignore[no-any-return]

    def _heads(self, padded: Tensor) -> Tensor:
        return padded.view(*padded.shape[:-1], self.num_heads, -1).transpose(2, 3)


class FeedForward(nn.Module):
    """Linear, ReLU, dropout, linear: (E, N, I) -> (E, N, O)."""

    def __init__(self, *, members: int, inputs: int, ffn_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.inner = Linear(members=members, inputs=inputs, outputs=ffn_size)
        self.outer = Linear(members=members, inputs=ffn_size, outputs=outputs)

    def forward(self, rows: Tensor, noise: Noise | None) -> Tensor:
        return self.outer(drop(self.inner(rows).relu(), self.dropout, noise))  # type: ignore[no-any-return]


class AttentionPool(nn.Module):
    """A learnt score a position, softmax over the real ones, weighted sum, linear: (E, P, D) -> (E, B, O)."""

    def __init__(
        self, *, members: int, hidden_size: int, ffn_size: int, outputs: int, dropout: float
    ) -> None:
        super().__init__()
        self.score = FeedForward(
            members=members, inputs=hidden_size, ffn_size=ffn_size, outputs=1, dropout=dropout
        )
        self.output = Linear(members=members, inputs=hidden_size, outputs=outputs)

    def forward(self, rows: Tensor, layout: Layout, noise: Noise | None) -> Tensor:
        scores = layout.pad(self.score(rows, noise)).squeeze(-1)  # (E, B, T)
        weights = scores.masked_fill(~layout.mask, MASKED_SCORE).softmax(-1)
        return self.output((weights.unsqueeze(2) @ layout.pad(rows)).squeeze(2))  # type: ignore[no-any-return]
