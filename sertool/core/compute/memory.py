"""Memory that ran out in torch: release what can be released, and tell the user."""

import gc
from contextlib import suppress

import torch

from sertool.core.compute.cards import BF16_CAPABILITY
from sertool.core.compute.device import Precision
from sertool.core.compute.shortage import asked_bytes
from sertool.core.errors import SertoolError
from sertool.core.formatting import readable_size


def release_memory(device: torch.device) -> None:
    """Return the memory of objects that nothing refers to any more to the device."""
    gc.collect()  # an error's traceback and the frames in it refer to each other
    if device.type == "cuda":
        # A recording that failed may have left its own stream behind as the current one.
        torch.cuda.set_stream(torch.cuda.default_stream(device))
        with suppress(RuntimeError):  # and torch may still count it as running, when it releases nothing
            torch.cuda.empty_cache()


def count_memory_anew(device: torch.device) -> None:
    """Forget the largest use of memory so far, which :func:`out_of_memory` reports."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def out_of_memory(what: str, error: BaseException, precision: Precision) -> SertoolError:
    """Return the error for the user where memory ran out and nothing smaller can be tried.

    Args:
        what: what did not fit, as in ``seed 3``.
        error: the error that :func:`.ran_out_of_memory` recognised.
        precision: the device, and the number format in use.
    """
    asked = asked_bytes(error)
    # Also with a card, memory of the host may run out while a state is copied there.
    if precision.device.type == "cpu" or isinstance(error, MemoryError) or "CPUAllocator" in str(error):
        return cpu_shortage(what, asked)
    device = precision.device
    free, total = torch.cuda.mem_get_info(device)
    return card_shortage(
        what,
        torch.cuda.get_device_name(device),
        needed=torch.cuda.max_memory_allocated(device) + asked,
        total=total,
        free=free + torch.cuda.memory_reserved(device),  # what this process holds is free for another try
        try_bf16=precision.name != "bf16" and torch.cuda.get_device_capability(device) >= BF16_CAPABILITY,
    )


def cpu_shortage(what: str, asked: int) -> SertoolError:
    """Return the error where a CPU's memory ran out; ``asked`` is the size in bytes that was refused, or 0."""
    more = f", the system has no {readable_size(asked)} to spare" if asked else ""
    return SertoolError(
        f"{what}: out of memory{more}",
        hint="use a smaller training.batch_size, or end other processes",
    )


def card_shortage(what: str, card: str, *, needed: int, total: int, free: int, try_bf16: bool) -> SertoolError:
    """Return the error where a card's memory ran out.

    Args:
        what: what did not fit.
        card: name of the card.
        needed: bytes that were in use, and those asked for in addition.
        total: bytes of the card's memory.
        free: bytes that other processes leave.
        try_bf16: bf16 would need less.
    """
    smaller = "a smaller training.batch_size" + (", --precision bf16" if try_bf16 else "")
    return SertoolError(
        f"{what}: out of memory: it needs at least {readable_size(needed)}; "
        f"{card} has {readable_size(total)}, of which {readable_size(free)} are free",
        hint=f"use {smaller} or --device cpu, or end other processes on the card (nvidia-smi lists them)",
    )
