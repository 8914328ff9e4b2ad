"""Facts about the CUDA devices of a machine, and the problem that keeps torch from using them.

:func:`find_cards` alone reads the facts. Everything else decides from them, so that the tests can give the facts of
machines that nobody has at hand. A "card" is a CUDA device as torch sees it; an AMD card under ROCm counts as one.
"""

import os
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sertool.core.formatting import printable

BF16_CAPABILITY = (8, 0)  # the first one with bf16 and tf32 in hardware
ELSE_CPU = "--device auto takes the CPU where there is no GPU"

_DRIVER = Path("/proc/driver/nvidia/version")
# Words of torch's errors.
_TOO_OLD = re.compile(r"driver on your system is too old \(found version (\d+)\)")
_NO_DRIVER = "Found no NVIDIA driver"
_NO_CARD = "No CUDA GPUs are available"


@dataclass(frozen=True)
class Card:
    """A CUDA device.

    Attributes:
        index: its number for torch.
        name: its name, as in ``NVIDIA H100``.
        capability: major and minor compute capability.
        memory: its memory in bytes.
    """

    index: int
    name: str
    capability: tuple[int, int]
    memory: int

    def __str__(self) -> str:
        return f"{self.name} (capability {dotted(self.capability)})"


@dataclass(frozen=True)
class Found:
    """Facts about the CUDA devices of a machine.

    Attributes:
        cards: the devices that torch sees.
        cuda: CUDA version that torch is built for; None if it is built without CUDA.
        hip: ROCm version that torch is built for; None if it is built without ROCm.
        architectures: names of the architectures that torch has code for, as in ``sm_90`` or ``compute_90``.
        driver: version of the NVIDIA driver; None if unknown.
        visible: value of CUDA_VISIBLE_DEVICES; None if it is not set.
        error: torch's own words where it cannot use CUDA; empty where it can.
    """

    cards: tuple[Card, ...] = ()
    cuda: str | None = None
    hip: str | None = None
    architectures: tuple[str, ...] = ()
    driver: str | None = None
    visible: str | None = None
    error: str = ""


@dataclass(frozen=True)
class Problem:
    """The reason why torch cannot use a card.

    Attributes:
        short: the reason in a few words.
        text: the reason in full.
        hint: next step to try.
    """

    short: str
    text: str
    hint: str


def silence_torch() -> None:
    """Let torch look for CUDA devices now, without its warning of an old driver.

    It looks once, and otherwise in the middle of a backward pass, on a CPU, too.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.cuda.is_available()


def find_cards() -> Found:
    """Read the facts of this machine; torch initialises CUDA for it."""
    import torch

    cards: list[Card] = []
    error = ""
    silence_torch()
    with warnings.catch_warnings():
        # torch warns of cards that it has no code for; find_problem tells it.
        warnings.simplefilter("ignore")
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
            for index in range(torch.cuda.device_count()):
                found = torch.cuda.get_device_properties(index)
                cards.append(Card(index, found.name, (found.major, found.minor), found.total_memory))
        except (AssertionError, RuntimeError) as problem:  # AssertionError: torch is built without CUDA
            error = str(problem) or type(problem).__name__
        architectures = tuple(torch.cuda.get_arch_list())
    return Found(
        cards=tuple(cards),
        cuda=torch.version.cuda,
        hip=torch.version.hip,
        architectures=architectures,
        driver=_read_driver(),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        error=error,
    )


def _read_driver() -> str | None:
    with suppress(OSError):
        if found := re.search(r"\d+\.\d+(\.\d+)?", _DRIVER.read_text()):
            return found[0]
    return None


def find_problem(found: Found, indices: Sequence[int] = ()) -> Problem | None:
    """Find the reason why torch cannot use cards of this machine; None if it can.

    Args:
        found: facts of the machine.
        indices: the cards to use. Default: the first.
    """
    if found.cuda is None and found.hip is None:
        reason = "torch is built without CUDA"
        return Problem(reason, f"this {reason}", "install a build of torch for CUDA (pytorch.org), or use --device cpu")
    if not found.cards:
        return _why_none(found)
    for card in found.cards:
        if card.index in (indices or (0,)) and not has_code(found, card):
            return Problem(
                f"torch has no code for {card}",
                f"this torch has no code for {card}; it has code for {', '.join(found.architectures)}",
                f"install a build of torch for {dotted(card.capability)} (pytorch.org): an older card needs an older "
                "CUDA, a newer card a newer torch; or use --device cpu",
            )
    return None


def _why_none(found: Found) -> Problem:
    """Explain why torch sees no card at all."""
    none = "no CUDA device"
    if old := _TOO_OLD.search(found.error):
        major, minor = int(old[1]) // 1000, int(old[1]) % 1000 // 10  # 11040 means 11.4
        driver = f"the driver {found.driver}" if found.driver else "the NVIDIA driver"
        return Problem(
            f"{driver} is too old for torch's CUDA {found.cuda}",
            f"{driver} is made for CUDA {major}.{minor}, too old for this torch, which is built for CUDA {found.cuda}",
            # A driver runs all minor versions of its CUDA.
            f"update the driver, or install a build of torch for CUDA {major} (pytorch.org)",
        )
    if _NO_DRIVER in found.error:
        return Problem(none, "torch finds no NVIDIA driver", f"install the driver if there is a card; {ELSE_CPU}")
    if found.visible is not None and (not found.error or _NO_CARD in found.error):
        variable = f"CUDA_VISIBLE_DEVICES={printable(found.visible)}"
        # CUDA reads the list up to the first entry that names no card; -1 is the usual way to hide all.
        if re.match(r"\s*(\d|GPU-|MIG-)", found.visible):
            return Problem(f"{variable} names no card", f"{variable} names no card of this machine", _UNSET)
        return Problem(f"{variable} hides the cards", f"the environment variable {variable} hides the cards", _UNSET)
    if found.error and _NO_CARD not in found.error:
        # The first line: torch adds advice for programmers below it.
        text = f"torch cannot initialise CUDA: {found.error.strip().splitlines()[0]}"
        return Problem("torch cannot initialise CUDA", text, "see if nvidia-smi works; --device cpu needs no GPU")
    return Problem(none, f"torch sees {none}", ELSE_CPU)


_UNSET = "unset CUDA_VISIBLE_DEVICES, or set it to the number of a card, as in CUDA_VISIBLE_DEVICES=0"


def has_code(found: Found, card: Card) -> bool:
    """Check whether torch has code for a card.

    Code for ``sm_80`` runs on 8.0 and on later minor versions of 8; code for ``compute_80`` is translated by the driver
    for any later version. An ``a`` at the end (``sm_90a``) binds code to one version.
    """
    if found.hip is not None or not found.architectures:
        return True  # nothing is known that speaks against it
    return any(_runs_on(architecture, card.capability) for architecture in found.architectures)


def _runs_on(architecture: str, capability: tuple[int, int]) -> bool:
    parts = re.fullmatch(r"(sm|compute)_(\d+)(\d)([a-z]?)", architecture)
    if parts is None:
        return False
    version = int(parts[2]), int(parts[3])
    if parts[4] == "a":
        return capability == version
    # Family code, with an f, stays within its major version even as compute_100f.
    within = parts[1] == "compute" and not parts[4]
    return capability >= version and (within or capability[0] == version[0])


def has_bf16(found: Found, card: Card) -> bool:
    """Check whether a card multiplies in bf16 and tf32; cards under ROCm are taken to do so."""
    return found.hip is not None or card.capability >= BF16_CAPABILITY


def dotted(capability: tuple[int, int]) -> str:
    """Write a capability as NVIDIA does.

    >>> dotted((7, 5))
    '7.5'
    """
    return f"{capability[0]}.{capability[1]}"
