"""Turns: two sides measured A B A B ..., so that whatever else the machine does meets both.

A ratio belongs to a pair of turns. The first pair warms up and does not count.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Spread:
    """Minimum, median and maximum of a figure over turns."""

    min: float
    median: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one value."""
        return cls(min(values), statistics.median(values), max(values))

    def scaled(self, factor: float) -> "Spread":
        """Return the figure in another unit."""
        return Spread(self.min * factor, self.median * factor, self.max * factor)

    def to_json(self) -> dict[str, float]:
        """Return plain data with four significant digits."""
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Turn:
    """Utterances per second of wall time, and per second of CPU time of the process."""

    wall: float
    cpu: float


def take_turn(work: Callable[[], int], device: torch.device) -> Turn:
    """Time ``work``, which returns the number of utterances it saw, until the device has finished too."""
    wall, cpu = time.perf_counter(), time.process_time()
    utterances = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return Turn(utterances / (time.perf_counter() - wall), utterances / (time.process_time() - cpu))


@dataclass(frozen=True)
class Comparison:
    """Both sides turn by turn, and their ratio pair by pair."""

    members: int
    plain: list[Turn]
    sertool: list[Turn]

    @property
    def ratio(self) -> Spread:
        """Ratio of the rates by wall time."""
        return Spread.of([ours.wall / plain.wall for plain, ours in self._pairs()])

    @property
    def cpu_ratio(self) -> Spread:
        """Ratio of the rates by CPU time of the process, which other work on the machine does not change."""
        return Spread.of([ours.cpu / plain.cpu for plain, ours in self._pairs()])

    def _pairs(self) -> list[tuple[Turn, Turn]]:
        return list(zip(self.plain, self.sertool, strict=True))

    def row(self) -> dict[str, Any]:
        """Return plain data: medians of both sides; minimum, median and maximum of the ratios."""
        return {
            "members": self.members,
            "ratio": self.ratio.to_json(),
            "cpu_ratio": self.cpu_ratio.to_json(),
            "plain_per_second": round(statistics.median(turn.wall for turn in self.plain), 1),
            "sertool_per_second": round(statistics.median(turn.wall for turn in self.sertool), 1),
            "pairs": [[round(plain.wall, 1), round(ours.wall, 1)] for plain, ours in self._pairs()],
        }


def compare(
    members: int, plain: Callable[[], int], ours: Callable[[], int], rounds: int, device: torch.device
) -> Comparison:
    """Let both sides take turns; a turn returns the number of utterances it saw."""
    result = Comparison(members, [], [])
    for number in range(rounds + 1):
        pair = take_turn(plain, device), take_turn(ours, device)
        if number:
            result.plain.append(pair[0])
            result.sertool.append(pair[1])
    return result
