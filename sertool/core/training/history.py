"""What an epoch of training brought a member."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MemberEpoch:
    """One member's epoch: mean training loss an utterance, validation score, last learning rate, what followed."""

    epoch: int
    loss: float
    score: float
    learning_rate: float
    outcome: str  # better, worse, went back, stopped
