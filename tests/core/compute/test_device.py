"""Device and number format, chosen from the facts of machines."""

from dataclasses import replace

import pytest
import torch
from machines import A100, H100, PROBLEMS, T4, V100, machine_with

from sertool.core.compute.cards import Found
from sertool.core.compute.device import choose, choose_cpu, decide
from sertool.core.errors import UsageError

CORES = f"{torch.get_num_threads()} core{'s' if torch.get_num_threads() > 1 else ''}"


@pytest.mark.parametrize(
    ("card", "device", "precision", "name", "reason"),
    [
        (H100, "auto", "auto", "bf16", "NVIDIA H100 80GB HBM3, bf16, steps as a CUDA graph"),
        (A100, "cuda", "tf32", "tf32", "NVIDIA A100, as requested, tf32, steps as a CUDA graph"),
        (T4, "auto", "auto", "fp32", "Tesla T4 (capability 7.5 has no bf16), fp32, steps as a CUDA graph"),
        (T4, "cuda", "fp32", "fp32", "Tesla T4, as requested, fp32, steps as a CUDA graph"),
    ],
)
def test_a_card_takes_the_format_that_it_has(card, device, precision, name, reason):
    chosen = decide(machine_with(card), device, precision)
    assert (chosen.device, chosen.name, chosen.reason) == (torch.device("cuda"), name, reason)
    assert (chosen.graphs, chosen.memory) == (True, card.memory)


def test_without_a_graph():
    chosen = decide(machine_with(A100), "auto", "auto", graphs=False)
    assert (chosen.graphs, chosen.reason) == (False, "NVIDIA A100, bf16")


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_a_format_that_the_card_lacks(precision):
    with pytest.raises(UsageError) as caught:
        decide(machine_with(T4), "auto", precision)
    assert str(caught.value) == (
        f"--precision {precision}: Tesla T4 (capability 7.5) has no {precision}; it needs capability 8.0"
    )
    assert caught.value.hint == "--precision fp32, or training.precision=fp32 in the recipe"


@pytest.mark.parametrize(("found", "problem"), PROBLEMS.values(), ids=list(PROBLEMS))
def test_auto_takes_the_cpu_and_says_why(found, problem):
    chosen = decide(found, "auto", "auto")
    assert (chosen.device.type, chosen.name, chosen.graphs) == ("cpu", "fp32", False)
    assert chosen.reason == f"CPU, {problem.short}, {CORES}, fp32"
    with pytest.raises(UsageError) as caught:
        decide(found, "cuda", "auto")
    assert (str(caught.value), caught.value.hint) == (f"--device cuda: {problem.text}", problem.hint)


def test_several_cards_are_used_alike():
    two = decide(machine_with(A100, A100), "auto", "auto", devices=[0, 1])
    assert (two.reason, two.memory) == ("2 x NVIDIA A100, bf16, steps as a CUDA graph", A100.memory)
    mixed = decide(machine_with(A100, H100, A100, T4), "auto", "auto", graphs=False, devices=[0, 2, 3])
    assert mixed.reason == "2 x NVIDIA A100 + Tesla T4 (capability 7.5 has no bf16), fp32"
    assert (mixed.name, mixed.memory) == ("fp32", T4.memory)


def test_a_card_by_its_number():
    assert decide(machine_with(A100, H100), "auto", "auto").device == torch.device("cuda")
    assert decide(machine_with(A100, H100), "auto", "auto", devices=[1]).device == torch.device("cuda", 1)
    with pytest.raises(UsageError) as caught:
        decide(machine_with(A100, H100), "cuda", "auto", devices=[0, 2])
    assert str(caught.value) == (
        "--devices 2: no such CUDA device; this machine has 0 (NVIDIA A100), 1 (NVIDIA H100 80GB HBM3)"
    )
    with pytest.raises(UsageError, match="torch has no code for Tesla V100"):
        decide(machine_with(A100, V100), "cuda", "auto", devices=[0, 1])


def test_a_rocm_card_takes_bf16():
    found = replace(machine_with(V100), cuda=None, hip="6.4", architectures=("gfx90a",))
    assert decide(found, "auto", "auto").name == "bf16"


def test_the_cpu_has_no_tf32():
    with pytest.raises(UsageError) as caught:
        decide(Found(cuda="13.0"), "auto", "tf32")
    assert str(caught.value) == (
        "--precision tf32: only a CUDA device has it; the CPU (no CUDA device) takes fp32 or bf16"
    )
    assert choose_cpu("bf16", "no CUDA device").reason == f"CPU, no CUDA device, {CORES}, bf16"


def test_the_cpu_as_requested_leaves_cuda_alone(monkeypatch):
    monkeypatch.delattr("sertool.core.compute.device.find_cards")
    assert choose("cpu", "auto").reason == f"CPU, as requested, {CORES}, fp32"
