"""Jobs for tests of launchers; workers import this module."""

import os
import signal
from dataclasses import dataclass

from sertool.core.compute.jobs import Job
from sertool.core.errors import DataError


@dataclass
class Counting:
    """Counts to what a job says, from what it said before; ``die_at`` kills the worker, ``fail_at`` fails."""

    die_at: tuple[int, ...] = ()
    fail_at: int | None = None

    def open(self):
        def count(description):
            name, first, last = description
            for number in range(first, last):
                if number in self.die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                if number == self.fail_at:
                    raise DataError(f"{name}: {number} is too much", hint="count less")
                yield (name, number)

        return count


class Counted:
    """A job of :class:`Counting` that goes on where it was."""

    def __init__(self, name, last=4, first=0):
        self.name, self.next, self.last = name, first, last
        self.job = Job(f"count {name}", self.describe, self.take)

    def describe(self):
        return self.name, self.next, self.last

    def take(self, event):
        assert event == (self.name, self.next)
        self.next += 1
