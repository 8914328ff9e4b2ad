"""Context of a dialogue: the vector of an utterance meets those of the utterances before it, never of a later one.

An LSTM reads the vectors of up to N earlier utterances and then the utterance's own, each with an embedding of its
speaker's relation to the speaker of the utterance that is judged; its last state is added to the utterance's vector.
Speakers are known by this relation alone (the same, another, unknown), so that a new speaker is nothing new.

Source of the idea: Poria et al., "Context-Dependent Sentiment Analysis in User-Generated Videos", 2017, an LSTM over
the vectors of utterances. Here each utterance is read with a window of its own, so that it depends on exactly N others,
whatever else a batch holds.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sertool.core.models.inputs import Inputs, Turns
from sertool.core.models.kernels.noise import Noise, drop
from sertool.core.models.layers import LSTM, Embedding, LayerNorm, Linear

SAME, OTHER, UNKNOWN = range(3)  # relations of a speaker to that of the judged utterance
RELATIONS = 3
NOBODY = -1  # number of an unknown speaker


class Relations(Embedding):
    """Embedding of relations that starts at 0, so that a model first hears what was said."""

    def reset(self, seeds: Sequence[int], prefix: str = "") -> None:
        with torch.no_grad():
            self.weight.zero_()


class ContextLayer(nn.Module):
    """Layer over the vectors of the utterances of a dialogue: (E, B, F) -> (E, B, F).

    Args:
        members: E.
        width: F, values of an utterance's vector.
        hidden_size: D of the LSTM.
        previous: N, number of earlier utterances that count.
        speakers: tell the model whether an earlier utterance has the same speaker.
        dropout: on what enters the LSTM, and on what it adds.
    """

    def __init__(
        self, *, members: int, width: int, hidden_size: int, previous: int, speakers: bool, dropout: float
    ) -> None:
        super().__init__()
        self.previous, self.dropout = previous, dropout
        self.norm = LayerNorm(members=members, width=width)
        self.lstm = LSTM(members=members, inputs=width, hidden_size=hidden_size)
        self.output = Linear(members=members, inputs=hidden_size, outputs=width)
        self.relation = Relations(members=members, rows=RELATIONS, width=width) if speakers else None

    def forward(self, vectors: Float[Tensor, "E B F"], turns: Turns, noise: Noise | None) -> Float[Tensor, "E B F"]:
        """Add to each normed vector what the LSTM says after its window; the rows of a dialogue follow each other."""
        vectors = self.norm(vectors)
        _, batch, width = vectors.shape
        steps = self.previous + 1
        # A window is as long as its utterance has earlier ones; what follows in its N + 1 places is never looked at.
        # Rows lie time-major, (steps * B), as the recurrence reads them.
        ahead = torch.arange(steps, device=vectors.device).view(1, steps, 1)
        place = torch.arange(batch, device=vectors.device) - turns.earlier.unsqueeze(1) + ahead
        source = place.clamp(0, batch - 1).flatten(1)  # (E, steps * B)
        window = vectors.gather(1, source.unsqueeze(-1).expand(-1, -1, width))
        if self.relation is not None:
            window = window + self.relation(relations(turns.speakers, source, steps))
        states = self.lstm(drop(window, self.dropout, noise), (batch,) * steps)
        last = turns.earlier * batch + torch.arange(batch, device=vectors.device)
        own = states.gather(1, last.unsqueeze(-1).expand(-1, -1, states.shape[-1]))
        return vectors + drop(self.output(own), self.dropout, noise)


class InContext(nn.Module):
    """Base of the architectures: the vectors of utterances, their context if the recipe asks for it, and logits.

    Args:
        width: F, values of an utterance's vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.context: ContextLayer | None = None

    def vectors(self, inputs: Inputs, noise: Noise | None = None) -> Float[Tensor, "E B F"]:
        """Compute the vector of each utterance, without its context."""
        raise NotImplementedError

    def classify(self, vectors: Float[Tensor, "E B F"], noise: Noise | None = None) -> Float[Tensor, "E B C"]:
        """Compute logits from vectors."""
        raise NotImplementedError

    def judge(
        self, vectors: Float[Tensor, "E B F"], turns: Turns | None, noise: Noise | None = None
    ) -> Float[Tensor, "E B C"]:
        """Compute logits from vectors, each in its context; without ``turns`` no utterance has an earlier one."""
        if self.context is not None:
            vectors = self.context(vectors, turns if turns is not None else alone(vectors), noise)
        return self.classify(vectors, noise)

    def forward(self, inputs: Inputs, noise: Noise | None = None) -> Float[Tensor, "E B C"]:
        """Compute logits; ``noise`` gives the dropout masks while training."""
        return self.judge(self.vectors(inputs, noise), inputs.turns, noise)


def alone(vectors: Float[Tensor, "E B F"]) -> Turns:
    """Return the turns of utterances without a dialogue and without a known speaker."""
    nothing = torch.zeros(vectors.shape[:2], dtype=torch.int64, device=vectors.device)
    return Turns(nothing, nothing + NOBODY)


def relations(speakers: Int64[Tensor, "E B"], source: Int64[Tensor, "E W"], steps: int) -> Int64[Tensor, "E W"]:
    """Return the relation of the speaker of each row in a window to the speaker of the utterance that it is for."""
    there, own = speakers.gather(1, source), speakers.repeat(1, steps)
    known = (there != NOBODY) & (own != NOBODY)
    return torch.where(known, (there != own).long(), UNKNOWN)
