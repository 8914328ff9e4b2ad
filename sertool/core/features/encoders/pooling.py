"""Frames from an encoder's states: some neighbours averaged, or one frame for a whole recording."""

from typing import Literal

import torch
from torch import Tensor

Pool = int | Literal["mean", "mean+std"]


class Pooler:
    """Collect the states of one recording, piece by piece in their order, and make its frames.

    Args:
        pool: number of states that are averaged into a frame, where the last frame may hold fewer; or ``mean`` or
            ``mean+std`` (of the population), for one frame.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.frames: list[Tensor] = []
        self.rest: Tensor | None = None  # states that do not fill a frame yet
        self.count = 0
        self.sums: tuple[Tensor, Tensor] | None = None  # of the states and of their squares

    def add(self, states: Tensor) -> None:
        """Take the next states (T, layers, D), float32 on the CPU."""
        if not isinstance(self.pool, int):
            doubles = states.double()  # in double precision, because the squares of an hour are summed
            total, squares = doubles.sum(0), doubles.square().sum(0)
            self.count += len(states)
            self.sums = (total, squares) if self.sums is None else (self.sums[0] + total, self.sums[1] + squares)
            return
        if self.rest is not None:
            states = torch.cat([self.rest, states])
        full = len(states) // self.pool * self.pool
        self.frames.append(states[:full].view(-1, self.pool, *states.shape[1:]).mean(1) if self.pool > 1 else states)
        self.rest = states[full:] if full < len(states) else None

    def result(self) -> Tensor:
        """Return the frames (T, layers * D), layer after layer; with ``mean+std`` each layer is 2 D wide."""
        if self.sums is not None:
            mean = self.sums[0] / self.count
            if self.pool == "mean":
                return mean.float().flatten()[None]
            deviation = (self.sums[1] / self.count - mean.square()).clamp_min(0).sqrt()
            return torch.cat([mean, deviation], dim=1).float().flatten()[None]
        last = [] if self.rest is None else [self.rest.mean(0, keepdim=True)]
        return torch.cat([*self.frames, *last]).flatten(1)
