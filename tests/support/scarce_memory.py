"""Devices whose memory is too small for some stacks: their training raises torch's error."""

import os
import signal
import sys
from pathlib import Path

import torch

from sertool.core.runs import group
from sertool.core.runs.group import GroupTraining

ERROR = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 14.58 GiB"


def limited(train, most, epochs=0):
    """Return ``train`` for a device that has room for ``most`` members, and for any number in the first epochs."""

    def train_limited(state, *arguments):
        if len(state.members) > most and state.epoch >= epochs:
            raise torch.OutOfMemoryError(ERROR)
        for epoch in train(state, *arguments):
            yield epoch
            if len(state.members) > most and epoch.number >= epochs:
                raise torch.OutOfMemoryError(ERROR)

    return train_limited


class ScarceTraining(GroupTraining):
    """Training on a device that has room for two members; it can be sent to another process."""

    def open(self):
        if not hasattr(group.train, "unlimited"):
            unlimited = group.train
            group.train = limited(unlimited, 2)
            group.train.unlimited = unlimited
        return super().open()


def train_and_die(most: int, epochs: int, write: int) -> None:
    """Run the ``sertool`` command of sys.argv with little memory; kill this process at its ``write``-th file."""
    from sertool.cli import app
    from sertool.core.runs import train

    train.SAVING_SHARE = 1e9  # a state after every epoch
    group.train = limited(group.train, most, epochs)
    replace, left = Path.replace, [write]

    def counted(self, target):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = counted
    app(sys.argv[1:])
