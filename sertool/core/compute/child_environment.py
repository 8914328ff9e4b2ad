"""The environment of a child process: the modules that it finds, and the cards that it sees."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"


def child_environment(environment: Mapping[str, str], card: int | None = None) -> dict[str, str]:
    """Return the environment of a child: it finds the modules that this process finds, and sees one card at most.

    Args:
        environment: variables of this process.
        card: the card, as torch numbers it in this process; None leaves the cards as they are.
    """
    path = os.pathsep.join(folder or str(Path.cwd()) for folder in sys.path)
    bound = {VISIBLE: visible_card(environment.get(VISIBLE), card)} if card is not None else {}
    return {**environment, "PYTHONPATH": path, **bound}


def visible_card(visible: str | None, card: int) -> str:
    """Return the value of CUDA_VISIBLE_DEVICES that leaves a process one card, which it then knows as ``cuda:0``.

    Args:
        visible: value of the variable in this process; None where it is not set.
        card: number of the card in this process, that is its place in the variable.
    """
    return str(card) if visible is None else visible.split(",")[card].strip()
