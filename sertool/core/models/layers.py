"""Layers with a leading member axis: parameters are (E, ...), so the products of E models are one batched product.

Sequences are packed rows (E, P, D), see ``layout``. Dropout takes its masks from the ``Noise`` argument; None means no
dropout. Every layer has ``reset(seeds)``: member e's parameters depend on ``seeds[e]`` and the parameter's name alone,
and follow torch's default schemes, as in the reference.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from sertool.core.models.block_attention import attend, plan
from sertool.core.models.kernels import MASKED_SCORE, use_triton
from sertool.core.models.kernels.attention import attends, attention
from sertool.core.models.kernels.lstm import recurrence
from sertool.core.models.kernels.noise import Noise
from sertool.core.models.kernels.norm import Branch, Modulation, normalise, residual_norm
from sertool.core.models.kernels.relu import relu_drop
from sertool.core.models.layout import Exchange, Layout, Pairing


class Stacked(nn.Module):
    """Base of layers that own parameters; it initialises them by member and name."""

    def bounds(self) -> dict[str, float]:
        """Return the half-width of the uniform distribution of each parameter, by name."""
        return {}

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        """Initialise the parameters of every member at random from its own seed."""
        with torch.no_grad():
            for name, bound in self.bounds().items():
                parameter: Tensor = getattr(self, name)
                for member, seed in enumerate(seeds):
                    draw = torch.empty(parameter.shape[1:])
                    draw.uniform_(-bound, bound, generator=generator(seed, f"{prefix}{name}"))
                    parameter[member].copy_(draw)


def generator(seed: int, purpose: str) -> torch.Generator:
    """Return a CPU generator for one purpose of one seed; different purposes are independent."""
    # A hash, so that neighbouring seeds and similar names give unrelated numbers.
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") % 2**63)


def reset(model: nn.Module, seeds: Sequence[int]) -> None:
    """Initialise all layers of a model, member e from ``seeds[e]``."""
    for name, module in model.named_modules():
        if isinstance(module, Stacked):
            module.reset(seeds, prefix=f"{name}.")


class Linear(Stacked):
    """Linear layer of each member, y = x W' + b: (E, N, I) -> (E, N, O)."""

    def __init__(self, *, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(members, outputs))

    def bounds(self) -> dict[str, float]:
        bound = 1 / math.sqrt(self.weight.shape[2])  # torch's default for linear layers
        return {"weight": bound, "bias": bound}

    def forward(self, rows: Float[Tensor, "E N I"]) -> Float[Tensor, "E N O"]:
        return affine(rows, self.weight, self.bias)

    def apart(self, rows: Float[Tensor, "E N I"]) -> Branch:
        """Compute the layer, but leave the bias to a later kernel where there is one that adds it on its way."""
        if use_triton(rows, "apart"):
            return Branch(affine(rows, self.weight, None), self.bias)
        return Branch(self(rows), None)


def affine(
    rows: Float[Tensor, "E N I"], weight: Float[Tensor, "E O I"], bias: Float[Tensor, "E O"] | None
) -> Float[Tensor, "E N O"]:
    """Compute rows W' + bias for each member, in autocast's number format if autocast is on."""
    result: Tensor = _Affine.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
    return result


class _Affine(torch.autograd.Function):
    """Autograd's rule, except that the weight's gradient has the weight's own memory order and so needs no copy."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.formats = rows.dtype, weight.dtype, None if bias is None else bias.dtype
        kind = rows.device.type
        # Cast here rather than by autocast, so that the backward pass finds both in the same number format.
        number = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else rows.dtype
        rows, weight = rows.to(number), weight.to(number)
        ctx.save_for_backward(rows, weight)
        if bias is None:
            return torch.bmm(rows, weight.transpose(1, 2))
        return torch.baddbmm(bias.to(number).unsqueeze(1), rows, weight.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        rows, weight = ctx.saved_tensors
        of_rows, of_weight, of_bias = ctx.formats
        d_rows = torch.bmm(gradient, weight).to(of_rows) if ctx.needs_input_grad[0] else None
        d_bias = None if of_bias is None else gradient.sum(1, dtype=of_bias)
        return d_rows, torch.bmm(gradient.transpose(1, 2), rows).to(of_weight), d_bias


class Embedding(Stacked):
    """Embedding table of each member: ids (E, N) -> (E, N, D). Members may use fewer rows than the table has."""

    def __init__(self, *, members: int, rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, rows, width))

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        with torch.no_grad():
            for member, seed in enumerate(seeds):
                draws = generator(seed, f"{prefix}weight")
                # Row by row, so that a longer table, in a stack with larger vocabularies, starts with the same rows.
                for row in self.weight[member]:
                    row.copy_(torch.empty(row.shape).normal_(generator=draws))

    def forward(self, tokens: Int64[Tensor, "E N"]) -> Float[Tensor, "E N D"]:
        members, rows, width = self.weight.shape
        # One lookup in a table of all members: member e's ids are shifted to its own rows.
        first = torch.arange(0, members * rows, rows, device=tokens.device).unsqueeze(1)
        return F.embedding(tokens + first, self.weight.reshape(members * rows, width))


class LayerMix(Stacked):
    """Weighted sum of L layers of an encoder that lie side by side: rows (E, N, L * D) -> (E, N, D).

    The weights of each member are a softmax, and equal at first. Source: Yang et al., "SUPERB: Speech processing
    Universal PERformance Benchmark", 2021, section 3.2.
    """

    def __init__(self, *, members: int, layers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(members, layers))

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        with torch.no_grad():
            self.weight.zero_()

    def forward(self, rows: Float[Tensor, "E N M"]) -> Float[Tensor, "E N D"]:
        members, number, _ = rows.shape
        shares = self.weight.softmax(-1)[:, None, None]  # (E, 1, 1, L)
        return torch.matmul(shares, rows.view(members, number, shares.shape[-1], -1)).squeeze(2)


class LSTM(Stacked):
    """LSTM of one layer and direction: packed rows (E, P, I) -> (E, P, D); see ``kernels.lstm`` for the gates."""

    def __init__(self, *, members: int, inputs: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.empty(members, 4 * hidden_size, inputs))
        self.weight_hh = nn.Parameter(torch.empty(members, 4 * hidden_size, hidden_size))
        # Two biases whose sum counts, as in torch's LSTM: under Adam the sum moves twice as far as one bias would, as
        # in the reference.
        self.bias_ih = nn.Parameter(torch.empty(members, 4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(members, 4 * hidden_size))

    def bounds(self) -> dict[str, float]:
        bound = 1 / math.sqrt(self.weight_hh.shape[2])  # torch's default for LSTMs
        return dict.fromkeys(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), bound)

    def forward(self, rows: Float[Tensor, "E P I"], step_sizes: tuple[int, ...]) -> Float[Tensor, "E P D"]:
        """Compute the states; ``step_sizes`` are those of a :class:`~sertool.core.models.layout.Layout`."""
        bias = self.bias_ih + self.bias_hh
        if use_triton(rows, "lstm"):
            return recurrence(affine(rows, self.weight_ih, None), bias, self.weight_hh, step_sizes)
        return recurrence(affine(rows, self.weight_ih, bias), None, self.weight_hh, step_sizes)


class LayerNorm(Stacked):
    """Norm with a gain and bias of each member; :func:`~sertool.core.models.kernels.norm.normalise` has the formula."""

    def __init__(self, *, members: int, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(members, width))  # the norm starts without a scale or shift
        self.bias = nn.Parameter(torch.zeros(members, width))

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        with torch.no_grad():
            self.gain.fill_(1)
            self.bias.zero_()

    def forward(self, rows: Float[Tensor, "E N D"]) -> Float[Tensor, "E N D"]:
        return normalise(rows, self.gain.unsqueeze(1), self.bias.unsqueeze(1))

    def join(
        self,
        rows: Float[Tensor, "E P D"],
        branch: Branch,
        dropout: float,
        noise: Noise | None,
        modulation: Modulation | None = None,
    ) -> Float[Tensor, "E P D"]:
        """Compute the norm of rows plus a branch with dropout, modulated or not; see ``residual_norm``."""
        return residual_norm(rows, branch, self.gain, self.bias, dropout, noise, modulation)


class Attention(nn.Module):
    """Multi-head attention of rows to ``memory``, both packed; ``pairing`` says which positions meet.

    In each head: softmax(q . k / sqrt(K)), masked keys at -1e9 before it and dropout after it, times v; K = D / H.
    """

    def __init__(self, *, members: int, hidden_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.query, self.key, self.value, self.output = (
            Linear(members=members, inputs=hidden_size, outputs=hidden_size) for _ in range(4)
        )

    def forward(
        self,
        rows: Float[Tensor, "E P D"],
        memory: Float[Tensor, "E N D"],
        pairing: Pairing,
        noise: Noise | None,
    ) -> Branch:
        if pairing.full and attends(rows, pairing.memory_mask, self.num_heads):
            sources = (self.query, rows), (self.key, memory), (self.value, memory)
            query, key, value = (affine(source, layer.weight, None) for layer, source in sources)
            biases = self.query.bias, self.key.bias, self.value.bias
            mixed = attention(query, key, value, biases, pairing.memory_mask, self.num_heads, self.dropout, noise)
        else:
            mixed = self._in_blocks(self.query(rows), self.key(memory), self.value(memory), pairing, noise)
        return self.output.apart(mixed)

    def _in_blocks(self, query: Tensor, key: Tensor, value: Tensor, pairing: Pairing, noise: Noise | None) -> Tensor:
        """Attend in plain torch."""
        if pairing.has_memory is not None:
            # Scores are added to -1e9, which absorbs small ones only. Where all keys are masked the sums must be
            # exactly equal, so that the weights are uniform: such a query becomes 0.
            query = query * pairing.has_memory.to(query.dtype)
        planned = plan(pairing, self.num_heads, query.dtype)
        return attend(query, key, value, planned, self.num_heads, self.dropout, noise)


class FeedForward(nn.Module):
    """Feed-forward layer: linear, ReLU, dropout, linear: (E, N, I) -> (E, N, O)."""

    def __init__(self, *, members: int, inputs: int, ffn_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.inner = Linear(members=members, inputs=inputs, outputs=ffn_size)
        self.outer = Linear(members=members, inputs=ffn_size, outputs=outputs)

    def forward(self, rows: Float[Tensor, "E N I"], noise: Noise | None) -> Branch:
        inner = self.inner.apart(rows)
        return self.outer.apart(relu_drop(inner.values, inner.bias, self.dropout, noise))


def pool(
    scores: Float[Tensor, "E P *one"], rows: Float[Tensor, "E P D"], mask: Bool[Tensor, "E B T"]
) -> Float[Tensor, "E B D"]:
    """Compute sum over t of softmax(score)_t * row_t for each utterance, in the rows' number format.

    Args:
        scores: P = T B, with or without a last axis of one.
        rows: those of a full layout, time-major: row t * B + b belongs to position t of utterance b.
        mask: True where a position is real; where none is, the weights are uniform over T.
    """
    members, batch, length = mask.shape
    by_time = scores.view(members, length, batch).masked_fill(~mask.transpose(1, 2), MASKED_SCORE)
    # In float32 at least, because the gradient of a score is a small difference between products with the rows.
    number = torch.promote_types(rows.dtype, torch.float32)
    with torch.autocast(rows.device.type, enabled=False):
        weights = by_time.softmax(1, dtype=number)
        pooled = torch.einsum("etb,etbd->ebd", weights, rows.view(members, length, batch, -1).to(number))
    return pooled.to(rows.dtype)


class AttentionPool(nn.Module):
    """Attention pooling (AttFlat): packed rows (E, P, D) -> one vector per utterance (E, B, O).

    A feed-forward layer D -> F -> 1 scores each position; the softmax over real positions weights the sum of rows; a
    linear layer follows. Source: Yu et al., "Deep Modular Co-Attention Networks", 2019, section 3.3.
    """

    def __init__(self, *, members: int, hidden_size: int, ffn_size: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.score = FeedForward(members=members, inputs=hidden_size, ffn_size=ffn_size, outputs=1, dropout=dropout)
        self.output = Linear(members=members, inputs=hidden_size, outputs=outputs)

    def forward(self, rows: Float[Tensor, "E P D"], layout: Layout, noise: Noise | None) -> Float[Tensor, "E B O"]:
        scores = self.score(rows, noise).total()
        if layout.full:
            return self.output(pool(scores, rows, layout.mask))  # type: ignore[no-any-return]
        members, batch, length = layout.mask.shape
        places = Exchange(layout.row_of.flatten(1), layout.packed_source)
        scores = places.there(scores).view(members, batch, length)
        weights = scores.masked_fill(~layout.mask, MASKED_SCORE).softmax(-1).to(rows.dtype)
        padded = places.there(rows).view(members * batch, length, -1)  # weight 0 on padding
        pooled = torch.bmm(weights.view(members * batch, 1, length), padded)
        return self.output(pooled.view(members, batch, -1))  # type: ignore[no-any-return]
