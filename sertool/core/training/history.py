"""Training history of a member: a row for each epoch."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MemberEpoch:
    """Epoch of one member: mean training loss per utterance, validation score, last learning rate, and the outcome."""

    epoch: int
    loss: float
    score: float
    learning_rate: float
    outcome: str  # better, worse, went back, stopped


def best_epoch(epochs: Sequence[MemberEpoch]) -> MemberEpoch | None:
    """Return the epoch whose weights were kept: the last that was better than all before it."""
    return next((epoch for epoch in reversed(epochs) if epoch.outcome.startswith("better")), None)


def went_back(epoch: MemberEpoch) -> bool:
    """Check whether the member went back to its best weights after this epoch, with a lower learning rate."""
    return epoch.outcome.startswith("went back")
