"""Every Triton kernel that a training step launches compiles for the cards and fits into their registers; no GPU."""

from pathlib import Path

import pytest
from kernel_running import needs_triton, printed

from sertool.core.models import kernels

# Bytes of a thread: the assembler itself gives up a register or two where that lets more warps run side by side.
FEW = 16
# Bytes that a program may have on those cards since sm_80 that have least: CUDA C++ Programming Guide, sm_86 and sm_89.
LEAST_SHARED = 99 * 1024

# Runs in a process of its own: it lets Triton believe that there is a card.
COMPILE = """
import json
from dataclasses import asdict
from benchmarks.kernels import compile_all
print(json.dumps([asdict(one) for one in compile_all()]))
"""


@needs_triton
@pytest.mark.slow
def test_every_kernel_compiles_for_both_architectures_and_fits(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delenv(kernels.OFF, raising=False)
    every = printed("-c", COMPILE)
    folder = Path(kernels.__file__).parent
    launched = {path.stem for path in folder.glob("*_triton.py") if "def launch" in path.read_text()}
    for architecture in (80, 90):
        own = [one for one in every if one["architecture"] == architecture]
        assert {one["name"].split(".")[0] for one in own} == launched
        assert any("bf16" in one["formats"] for one in own)
    assert [one for one in every if one["spilled"] > FEW] == []
    assert [one for one in every if one["shared"] > LEAST_SHARED] == []
