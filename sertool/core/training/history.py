"""One row of a member's training history."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MemberEpoch:
    """Epoch of one member: mean training loss per utterance, validation score, last learning rate, and the outcome."""

    epoch: int
    loss: float
    score: float
    learning_rate: float
    outcome: str  # better, worse, went back, stopped
