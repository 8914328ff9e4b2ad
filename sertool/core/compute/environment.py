"""The environment for a bug report: versions, device, memory, free space; no user name and no path."""

import importlib.metadata
import os
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sertool.core.compute.cards import Found, dotted, find_problem, has_code
from sertool.core.compute.shortage import CONTAINER_LIMIT
from sertool.version import __version__

PACKAGE = "sertool"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")


def environment(
    held: Mapping[str, tuple[Path, Sequence[str]]], more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Describe the environment as text by key, in the order to show it.

    Args:
        held: folders by the name to show, each with the names of the corpora or trained models in it.
        more: further lines about the device, such as the state of its kernels.
    """
    found = {"sertool": __version__, "python": _python(), "system": _system()}
    needed, extras = _requirements()
    found |= {name: _version(name) or "not installed" for name in needed}
    found |= {**dict(_compute()), **(more or {})}
    found["memory"] = _memory()
    for name, (folder, contents) in held.items():
        found[name] = f"{_free(folder)} free · " + (", ".join(contents) or "nothing there")
    found |= {f"extra {extra}": _completeness(packages) for extra, packages in extras.items()}
    return found


def _python() -> str:
    return f"{platform.python_version()} ({platform.python_implementation()})"


def _system() -> str:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    with suppress(OSError):  # only Linux tells a distribution
        return f"{system} ({platform.freedesktop_os_release()['PRETTY_NAME']})"
    return system


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """List the package's requirements, torch and spaCy first, and those of each extra, from its metadata."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    with suppress(importlib.metadata.PackageNotFoundError):  # run from a source tree that was never installed
        for line in importlib.metadata.requires(PACKAGE) or ():
            name, extra = re.split(r"[^\w.-]", line, maxsplit=1)[0], _EXTRA.search(line)
            (needed if extra is None else extras.setdefault(extra[1], [])).append(name)
    first = ("torch", "numpy", "spacy")
    # Sorting keeps the order of those that are not among the first.
    return sorted(sorted(needed) or first, key=lambda name: (*first, name).index(name)), dict(sorted(extras.items()))


def _version(name: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def _completeness(packages: list[str]) -> str:
    missing = [name for name in packages if _version(name) is None]
    return f"lacks {', '.join(missing)}" if missing else "there"


def cuda_lines(found: Found) -> Iterator[tuple[str, str]]:
    """Describe every CUDA device, versions, and the reason why torch cannot use a device, as lines by their names."""
    for card in found.cards:
        about = f"{card.name}, {_size(card.memory)}, capability {dotted(card.capability)}"
        unusable = "" if has_code(found, card) else " (torch has no code for it)"
        yield f"device {card.index}" if card.index else "device", about + unusable
    if not found.cards and (problem := find_problem(found)):
        yield "device", f"CPU ({problem.short})"
    if runtime := found.cuda or found.hip:
        yield "cuda", f"runtime {runtime}, driver {found.driver or 'unknown'}"


def _compute() -> Iterator[tuple[str, str]]:
    """Device, precision and threads, as torch sees them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        import torch

        from sertool.core.compute.cards import find_cards
        from sertool.core.compute.device import decide
    except (ImportError, OSError) as error:  # OSError: a library of CUDA that is not there
        yield "device", f"unknown, torch cannot be imported ({type(error).__name__})"
        yield "cores", str(cores)
        return
    found = find_cards()
    yield from cuda_lines(found)
    yield "precision", f"auto takes {decide(found, 'auto', 'auto').name}"
    given = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    yield "threads", ", ".join([f"{cores} cores, torch uses {torch.get_num_threads()}", *given])


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    text = _size(total)
    with suppress(OSError):
        if found := re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text()):
            text += f", {_size(int(found[1]) * 1024)} available"
    with suppress(OSError, ValueError):  # ValueError: "max", there is no limit
        text += f", this container may use {_size(int(CONTAINER_LIMIT.read_text()))}"
    return text


def _free(folder: Path) -> str:
    there = next((path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir()), Path())
    with suppress(OSError):
        return _size(shutil.disk_usage(there).free)
    return "unknown space"


def _size(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"
