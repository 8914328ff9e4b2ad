"""Compile the Triton kernels and report their resources: ``python -m benchmarks.kernels``, no GPU needed.

Steps of real models, of a recipe's sizes but for members, batch and depth, are taken on the CPU, and every kernel that
they launch is compiled instead, for each architecture, with the types and sizes it was launched with. What the models
compute meanwhile means nothing. Needs Triton, which `make test-kernels` installs.
"""

import contextlib
import io
import itertools
import os
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import torch

from sertool.core.compute.device import Name, choose
from sertool.core.models import kernels
from sertool.core.models.build import DataSizes, build, initialise
from sertool.core.models.inputs import lengths
from sertool.core.recipe.load import load
from sertool.core.recipe.schema import Recipe
from sertool.core.training.batches import Tables
from sertool.core.training.graph_steps import StaticSteps
from sertool.core.training.optimizer import StackedAdam
from sertool.core.training.schedule import plan_epoch
from sertool.core.training.steps import Stack

ARCHITECTURES = (80, 90)  # compute capabilities: A100, H100
RECIPES = ("iemocap", "mosei-2")
MODELS = (("mat", 0.1), ("mat", 0.0), ("mnt", 0.1))  # and dropout
MEMBERS, BATCH = 2, 16  # the compiler makes of a multiple of 16 what it makes of a real batch
MELS, WORDS, CLASSES = 80, 50, 4


@dataclass(frozen=True)
class Compiled:
    """A kernel as it was compiled.

    Attributes:
        name: module and function.
        formats: of the floating-point numbers it reads and writes.
        constants: what is known when it is compiled.
        architecture: compute capability, 80 or 90.
        warps: of a program.
        registers: of a thread.
        spilled: bytes of a thread that did not fit into registers.
        shared: bytes of memory that a program's threads share.
    """

    name: str
    formats: str
    constants: str
    architecture: int
    warps: int
    registers: int
    spilled: int
    shared: int


class _Card:
    """Stands for Triton's driver; a device's number is its architecture."""

    def __init__(self) -> None:
        self.architecture = 0

    def get_current_device(self) -> int:
        return self.architecture

    def get_current_stream(self, device: int) -> int:
        return 0

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", self.architecture, 32)


@contextlib.contextmanager
def compiling() -> Iterator[list[Compiled]]:
    """Let tensors in the main memory pass for a card's, and compile what is launched; the list grows."""
    import triton
    from triton.runtime.jit import JITFunction

    found: list[Compiled] = []
    known: set[int] = set()
    card, run = _Card(), JITFunction.run

    def compile_only(function: Any, *values: Any, grid: Any, warmup: bool, **named: Any) -> None:
        for card.architecture in ARCHITECTURES:
            log = io.StringIO()
            with contextlib.redirect_stdout(log):
                kernel = run(function, *values, grid=grid, warmup=True, **named)
            if id(kernel) not in known:  # the function keeps its kernels, so the number is no other's
                known.add(id(kernel))
                found.append(_compiled(function, kernel, card.architecture, log.getvalue()))

    triton.runtime.driver.set_active(card)
    # Registers and spills are what the assembler says, and Triton's cache does not keep it.
    triton.knobs.compilation.always_compile = True
    triton.knobs.nvidia.dump_ptxas_log = True
    with (
        patch.object(JITFunction, "run", compile_only),
        patch.object(kernels, "INTERPRETED", "SERTOOL_COMPILED"),
        patch.dict(os.environ, SERTOOL_COMPILED="1"),
    ):
        yield found


def _compiled(function: Any, kernel: Any, architecture: int, log: str) -> Compiled:
    registers = re.search(r"Used (\d+) registers", log)
    if registers is None:
        raise ValueError(f"{function}: the assembler names no registers: {log!r}")
    pointers = {kind.lstrip("*") for kind in kernel.src.signature.values() if kind.startswith("*")}
    constants = ((function.arg_names[place], value) for (place,), value in kernel.src.constants.items())
    return Compiled(
        name=f"{function.module.rpartition('.')[2]}.{function.__name__}",
        formats=",".join(sorted(kind for kind in pointers if kind[:2] in ("bf", "fp"))),
        constants=" ".join(f"{name}={value}" for name, value in constants),
        architecture=architecture,
        warps=kernel.metadata.num_warps,
        registers=int(registers[1]),
        spilled=sum(int(size) for size in re.findall(r"(\d+) bytes spill stores", log)),
        shared=kernel.metadata.shared,
    )


def take_step(recipe: Recipe, precision: Name) -> None:
    """Train a small stack for one step on random utterances, and evaluate it."""
    text = torch.randint(1, WORDS, (1, BATCH, recipe.dataset.max_text_length))
    audio = torch.randn(BATCH, recipe.dataset.max_audio_length, MELS)
    text_mask, audio_mask = text[0] != 0, audio.abs().sum(-1) != 0
    targets = torch.zeros(BATCH, dtype=torch.int64)
    tables = Tables(text, text_mask, lengths(text_mask), audio, audio_mask, lengths(audio_mask), targets)
    model = build(recipe.model, DataSizes(WORDS, recipe.model.embedding_size, MELS, CLASSES), MEMBERS)
    initialise(model, range(MEMBERS), [None] * MEMBERS)
    adam = StackedAdam(list(model.parameters()), recipe.training)
    how = replace(choose("cpu", "fp32"), name=precision, graphs=True)
    everyone = [torch.arange(BATCH)] * MEMBERS
    schedule = plan_epoch(everyone, recipe.training, 0, [0] * MEMBERS)
    steps = StaticSteps(Stack(model, adam, [0] * MEMBERS, tables, recipe.training, None, how), schedule)
    steps.run(schedule, 0)
    steps.evaluate(everyone)


def compile_all() -> list[Compiled]:
    """Collect each kernel that steps of MAT and MNT launch, in all number formats, with and without dropout."""
    with compiling() as found:
        for name, (model, dropout), precision in itertools.product(RECIPES, MODELS, typing.get_args(Name)):
            take_step(_small(name, model, dropout), precision)
    return found


def _small(name: str, model: str, dropout: float) -> Recipe:
    drops = [f"model.dropout_{place}={dropout}" for place in ("input", "residual", "output")]
    return load(name, [*drops, f"model.architecture={model}", "model.num_layers=1", f"training.batch_size={BATCH}"])


def main() -> None:
    """Print a table."""
    print(f"{'kernel':26} formats    sm warps registers spilled  shared  constants")
    for one in sorted(compile_all(), key=lambda one: (one.name, one.architecture, one.formats, one.constants)):
        print(
            f"{one.name:26} {one.formats:10} {one.architecture} {one.warps:5} {one.registers:9} {one.spilled:7} "
            f"{one.shared:7}  {one.constants}"
        )


if __name__ == "__main__":
    main()
