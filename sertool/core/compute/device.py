"""Device and number format of a run, chosen in one place, with the reason in a sentence."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from sertool.core.compute.cards import (
    BF16_CAPABILITY,
    Card,
    Found,
    dotted,
    find_cards,
    find_problem,
    has_bf16,
    silence_torch,
)
from sertool.core.errors import UsageError
from sertool.core.formatting import plural

Device = Literal["auto", "cpu", "cuda"]
Name = Literal["fp32", "tf32", "bf16"]
Wanted = Literal["auto", "fp32", "tf32", "bf16"]


@dataclass(frozen=True)
class Precision:
    """Device and number format of a stack; parameters and optimizer state are always float32.

    Attributes:
        device: CPU or CUDA.
        name: fp32, tf32 (matrix products of float32 in 19 bits) or bf16 (autocast).
        cores: number of CPU cores that may be used.
        reason: why this was chosen, for the user.
        graphs: record training steps as a CUDA graph.
        memory: memory of the CUDA device in bytes; 0 on a CPU.
        cards: number of CUDA devices that train groups side by side, each in a process that knows its own as ``cuda``.
        parts: number of parts into which a CPU divides the training batch of a lone member.
        part_threads: number of threads for each part.
    """

    device: torch.device
    name: Name
    cores: int
    reason: str
    graphs: bool = False
    memory: int = 0
    cards: int = 1
    parts: int = 1
    part_threads: int = 1

    @contextlib.contextmanager
    def threaded(self, threads: int) -> Iterator[None]:
        """Limit each operation inside the block to a number of threads, also in threads started there."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    @contextlib.contextmanager
    def products(self) -> Iterator[None]:
        """Multiply float32 matrices in this precision inside the block, backward passes included."""
        # A global setting of torch: autocast alone would leave the products of the backward pass in full float32.
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if self.name == "tf32" else "highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)

    @contextlib.contextmanager
    def context(self) -> Iterator[None]:
        """Compute a forward pass in this precision inside the block; the backward pass follows its formats."""
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.name == "bf16")
        with self.products(), autocast:
            yield


def choose(
    device: Device,
    precision: Wanted,
    *,
    graphs: bool = True,
    devices: Sequence[int] = (),
) -> Precision:
    """Choose device and number format on this machine; see :func:`decide`.

    Args:
        device: the requested device.
        precision: the requested number format.
        graphs: record training steps as a graph on a CUDA device; a CPU never does.
        devices: numbers of the CUDA devices to use. Default: the first.

    Raises:
        UsageError: this machine does not have what is requested, or there is no such device or number format.
    """
    for option, given, known in (("device", device, get_args(Device)), ("precision", precision, get_args(Wanted))):
        if given not in known:
            raise UsageError(f"--{option} {given}: expected {', '.join(known)}")
    if device == "cpu":  # CUDA is not initialised
        silence_torch()
        return choose_cpu(precision, "as requested")
    return decide(find_cards(), device, precision, graphs=graphs, devices=devices)


def decide(
    found: Found,
    device: Literal["auto", "cuda"],
    precision: Wanted,
    *,
    graphs: bool = True,
    devices: Sequence[int] = (),
) -> Precision:
    """Choose device and number format from the facts of a machine.

    ``auto`` takes the CUDA devices with bf16, or with fp32 where one of them has no bf16 in hardware; where torch can
    use none of them it takes the CPU with fp32, and the reason says why. Several devices are used alike: the memory is
    that of the smallest.

    Args:
        found: facts of the machine.
        device: the requested device.
        precision: the requested number format.
        graphs: record training steps as a graph on a CUDA device.
        devices: numbers of the CUDA devices to use. Default: the first.

    Raises:
        UsageError: the machine does not have what is requested; the message says why and what to try.
    """
    problem = find_problem(found, devices)
    if problem is not None:
        if device == "cuda":
            raise UsageError(f"--device cuda: {problem.text}", hint=problem.hint)
        return choose_cpu(precision, problem.short)
    cards = _selected(found, devices)
    weakest = min(cards, key=lambda card: card.capability)
    lacking = "" if has_bf16(found, weakest) else f" (capability {dotted(weakest.capability)} has no bf16)"
    if lacking and precision in ("bf16", "tf32"):
        raise UsageError(
            f"--precision {precision}: {weakest} has no {precision}; it needs capability {dotted(BF16_CAPABILITY)}",
            hint="--precision fp32, or training.precision=fp32 in the recipe",
        )
    name: Name = ("fp32" if lacking else "bf16") if precision == "auto" else precision
    notes = (lacking if precision == "auto" else "") + (", as requested" if device == "cuda" else "")
    how = ", steps as a CUDA graph" if graphs else ""
    first = cards[0].index
    return Precision(
        # "cuda" alone also fits a worker on another machine, which sees its own card as the first.
        torch.device("cuda", first) if first else torch.device("cuda"),
        name,
        torch.get_num_threads(),
        f"{_named(cards)}{notes}, {name}{how}",
        graphs,
        min(card.memory for card in cards),
    )


def choose_cpu(precision: Wanted, why: str) -> Precision:
    """Choose the CPU, in fp32 by default.

    Args:
        precision: the requested number format.
        why: the reason, for the user.

    Raises:
        UsageError: tf32 is requested.
    """
    if precision == "tf32":
        raise UsageError(f"--precision tf32: only a CUDA device has it; the CPU ({why}) takes fp32 or bf16")
    name: Name = "fp32" if precision == "auto" else precision
    # The thread count rather than the machine's cores: OMP_NUM_THREADS and containers limit it.
    cores = torch.get_num_threads()
    return Precision(torch.device("cpu"), name, cores, f"CPU, {why}, {plural(cores, 'core')}, {name}")


def _selected(found: Found, devices: Sequence[int]) -> list[Card]:
    """Return the cards with these numbers, in order; the first card if none is given."""
    numbered = {card.index: card for card in found.cards}
    missing = [index for index in devices if index not in numbered]
    if missing:
        known = ", ".join(f"{card.index} ({card.name})" for card in found.cards)
        raise UsageError(f"--devices {missing[0]}: no such CUDA device; this machine has {known}")
    return [numbered[index] for index in devices] or [found.cards[0]]


def _named(cards: Sequence[Card]) -> str:
    """Name cards in a sentence, equal ones together, as in ``2 x NVIDIA A100``."""
    counted = Counter(card.name for card in cards)
    return " + ".join(name if number == 1 else f"{number} x {name}" for name, number in counted.items())
