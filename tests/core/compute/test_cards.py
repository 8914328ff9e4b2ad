"""Facts about cards: which problem they show, and which card torch has code for."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from machines import NO_CARD, NO_DRIVER, PROBLEMS, T4, V100, machine_with

from sertool.core.compute.cards import Card, Found, find_cards, find_problem, has_bf16, has_code


@pytest.mark.parametrize(("found", "problem"), PROBLEMS.values(), ids=list(PROBLEMS))
def test_each_problem_has_its_reason_and_its_next_step(found, problem):
    assert find_problem(found) == problem


def test_cards_that_torch_can_use_are_no_problem():
    assert find_problem(machine_with(T4)) is None
    mixed = machine_with(T4, V100)
    assert find_problem(mixed) is None  # the first alone
    assert find_problem(mixed, [1]).short == "torch has no code for Tesla V100 (capability 7.0)"
    assert find_problem(mixed, [0, 1]) == find_problem(mixed, [1])


def test_a_missing_driver_comes_before_hidden_cards():
    """Showing the cards would not help."""
    assert find_problem(Found(cuda="13.0", visible="", error=NO_DRIVER)).text == "torch finds no NVIDIA driver"
    uuid = Found(cuda="13.0", visible="GPU-8f2c", error=NO_CARD)
    assert find_problem(uuid).short == "CUDA_VISIBLE_DEVICES=GPU-8f2c names no card"


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        ("sm_80", (8, 0), True),
        ("sm_80", (8, 9), True),  # a later minor version
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),  # another major version
        ("sm_75 sm_90", (7, 0), False),
        ("sm_100", (10, 3), True),  # two digits of the major version
        ("sm_120", (10, 0), False),
        ("compute_80", (9, 0), True),  # translated by the driver
        ("compute_90", (8, 0), False),
        ("sm_90a", (9, 0), True),
        ("sm_100a", (10, 3), False),
        ("compute_90a", (10, 0), False),
        ("sm_100f", (10, 3), True),
        ("compute_100f", (12, 0), False),
        ("", (5, 0), True),  # nothing is known
        ("something_else", (9, 0), False),
    ],
)
def test_code_for_a_capability(architectures, capability, runs):
    found = Found(cuda="13.0", architectures=tuple(architectures.split()))
    assert has_code(found, Card(0, "a card", capability, 1)) is runs


def test_rocm_is_taken_to_have_everything():
    found = Found((Card(0, "AMD Radeon VII", (9, 0), 1),), hip="6.4", architectures=("gfx90a",))
    assert find_problem(found) is None
    assert has_bf16(found, replace(found.cards[0], capability=(7, 0)))


def test_the_facts_of_this_machine():
    found = find_cards()
    assert found.cuda == torch.version.cuda
    assert len(found.cards) == torch.cuda.device_count()
    assert (found.error == "") == (len(found.cards) > 0)
    assert [card.index for card in found.cards] == list(range(len(found.cards)))


@pytest.mark.parametrize("visible", ["", "-1"])
def test_no_warning_of_torch_is_seen(visible):
    code = "from sertool.core.compute.cards import find_cards; print(find_cards().cards)"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code],
        env={"CUDA_VISIBLE_DEVICES": visible, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "()\n"
    assert "CUDA" not in done.stderr
