"""Decide which kernels may run on a device: each is compared there with its plain definition, once.

A comparison runs in a child process (:mod:`~sertool.core.compute.device_checks`), so that a kernel that crashes or
hangs costs nothing but its time. The results are kept. A kernel that is not found equal is left out, and torch's
operations take its place.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from sertool.core.compute.cards import Found, dotted, find_cards, has_bf16
from sertool.core.compute.device_checks import Report, compare, source_hash, store, stored
from sertool.version import __version__

NAMES = ("adam", "apart", "attention", "lstm", "norm", "relu")
COMPARED = tuple(name for name in NAMES if name != "apart")  # it is no kernel
CHILD = "sertool.core.models.kernels.compare"
KIND = "kernels"  # of cache file
# tl.join, which the dropout masks need, and the argument input_precision of tl.dot are new in Triton 3.0.
LEAST_TRITON = (3, 0)
# torch's own compiler demands it of a card before it gives Triton a kernel.
LEAST_CAPABILITY = (7, 0)


@dataclass(frozen=True)
class Facts:
    """A CUDA device and its compiler, as far as they decide about kernels.

    Attributes:
        card: name of the card.
        capability: its compute capability.
        bf16: True if it computes in bf16; elsewhere Triton compiles no kernel for that format.
        triton: Triton's version; None where it is not installed.
        driver: version of NVIDIA's driver; None where it is unknown.
    """

    card: str
    capability: tuple[int, int]
    bf16: bool
    triton: str | None
    driver: str | None


@dataclass(frozen=True)
class Proof:
    """State of the kernels on a device.

    Attributes:
        facts: device and compiler.
        report: results of the comparisons by kernel and number format, such as ``adam bf16``.
        note: a sentence about the cache, or None.
    """

    facts: Facts
    report: Report
    note: str | None = None

    def allows(self, name: str, number: str) -> bool:
        """Check whether a kernel may be used in a number format."""
        if obstacle(self.facts) is not None:
            return False
        verdict = self.report.verdicts.get(f"{name} {number}")
        return name not in COMPARED or (verdict is not None and verdict.equal)


def obstacle(facts: Facts) -> str | None:
    """Say why no kernel can run, or return None."""
    if facts.triton is None:
        return "Triton is not installed"
    version = re.match(r"(\d+)\.(\d+)", facts.triton)
    if version is None or (int(version[1]), int(version[2])) < LEAST_TRITON:
        return f"Triton {facts.triton} is too old, the kernels need {LEAST_TRITON[0]}.{LEAST_TRITON[1]}"
    if facts.capability < LEAST_CAPABILITY:
        return f"{facts.card} has capability {dotted(facts.capability)}, Triton needs {dotted(LEAST_CAPABILITY)}"
    return None


def comparisons(*, bf16: bool) -> list[str]:
    """List the comparisons for a card with or without bf16, kernel and number format each."""
    return [f"{name} {number}" for name in COMPARED for number in (("fp32", "bf16") if bf16 else ("fp32",))]


def lines(proof: Proof) -> list[str]:
    """Tell the user what is left out and why; return no line where every kernel may run."""
    if (reason := obstacle(proof.facts)) is not None:
        return [f"kernels: {reason}: plain operations (slower)"]
    card, verdicts = proof.facts.card, proof.report.verdicts
    wanted = comparisons(bf16=proof.facts.bf16)
    found = [
        f"kernels: {name} is left out on {card} ({fault}): plain operations take its place"
        for name, fault in left_out(proof)
    ]
    missing = [name for name in COMPARED if any(f"{name} " in one for one in wanted if one not in verdicts)]
    if missing:
        names = "they" if len(missing) == len(COMPARED) else ", ".join(missing)
        found.append(
            f"kernels: {names} cannot be compared on {card} ({proof.report.problem}): plain operations (slower)"
        )
    return found if proof.note is None else [*found, f"kernels: {proof.note}"]


def state(facts: Facts | None) -> str:
    """Describe the kernels on a card in a few words, from the cache alone.

    Args:
        facts: of the card; None where there is none.
    """
    if facts is None:
        return "none without a CUDA device: plain operations"
    if (reason := obstacle(facts)) is not None:
        return f"{reason}: plain operations (slower)"
    proof = stored_proof(facts)
    if proof is None:
        return "not compared yet on this card; sertool doctor --device compares them"
    faults = ", ".join(f"{name} ({fault})" for name, fault in left_out(proof))
    return f"left out on this card: {faults}" if faults else "equal to plain operations on this card"


def left_out(proof: Proof) -> list[tuple[str, str]]:
    """List the kernels that are not equal, each with what is wrong; with the number format if another one is equal."""
    found = []
    for name in COMPARED:
        own = {one: v for one, v in proof.report.verdicts.items() if one.partition(" ")[0] == name}
        faults = {one: verdict.fault for one, verdict in own.items() if not verdict.equal}
        if faults and len(faults) == len(own):
            found.append((name, next(iter(faults.values()))))
        else:
            found += [(one.replace(" ", " in "), fault) for one, fault in faults.items()]
    return found


def facts_of(device: torch.device) -> Facts:
    """Collect the facts about a CUDA device."""
    return facts_of_cards(find_cards(), triton_version())[_number(device)]


def facts_of_cards(found: Found, triton: str | None) -> list[Facts]:
    """Select the facts that decide about kernels on each card of a machine."""
    return [Facts(card.name, card.capability, has_bf16(found, card), triton, found.driver) for card in found.cards]


def triton_version() -> str | None:
    """Return Triton's version, or None where it is not installed or cannot be imported."""
    try:
        import triton
    except Exception:  # a broken one may raise anything, and then it is as good as none
        return None
    return str(triton.__version__)


def key_of(facts: Facts) -> dict[str, str]:
    """Return everything on which the comparisons' results depend."""
    return {
        "card": facts.card,
        "capability": dotted(facts.capability),
        "driver": facts.driver or "unknown",
        "torch": str(torch.__version__),
        "triton": facts.triton or "none",
        "sertool": __version__,
        "source": source_hash(__package__),
    }


_lock = threading.Lock()
_known: dict[int, Proof] = {}  # by number of the CUDA device


def proof_of(device: torch.device) -> Proof:
    """Return the state of the kernels on a CUDA device; the first call reads the cache, or does the comparisons."""
    number = _number(device)
    if number not in _known:
        with _lock:
            if number not in _known:
                facts = facts_of(device)
                _known[number] = stored_proof(facts) or prove(facts, f"cuda:{number}")
    return _known[number]


def peek(device: torch.device) -> Proof | None:
    """Return the state of the kernels on a CUDA device if it is known without a comparison."""
    return _known.get(_number(device)) or stored_proof(facts_of(device))


def stored_proof(facts: Facts) -> Proof | None:
    """Return the state that the cache holds, or that needs no comparison; else None."""
    if obstacle(facts) is not None:
        return Proof(facts, Report({}))
    found = stored(KIND, key_of(facts), comparisons(bf16=facts.bf16))
    return None if found is None else Proof(facts, Report(found))


def prove(facts: Facts, device: str, *, module: str = CHILD, limits: Sequence[float] = (), keep: bool = True) -> Proof:
    """Compare every kernel with its definition.

    Args:
        facts: of the device.
        device: its name for torch.
        module: runs the comparisons.
        limits: seconds for one comparison and for all of them. Default: those of ``device_checks``.
        keep: store the results for later processes.
    """
    if obstacle(facts) is not None:
        return Proof(facts, Report({}))
    given = dict(zip(("limit", "total"), limits, strict=False))
    report = compare(module, device, comparisons(bf16=facts.bf16), **given)
    # Where the comparison could not be done, the next process tries again.
    note = store(KIND, key_of(facts), report.verdicts) if keep and report.problem is None else None
    return Proof(facts, report, note)


def _number(device: torch.device) -> int:
    return torch.cuda.current_device() if device.index is None else device.index
