"""Kernels prove themselves: the decisions, the comparison of a good and of a broken one, and what the user reads."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from kernel_running import interpret, needs_triton

from sertool.core.compute.device_checks import Report, Verdict, cache_file
from sertool.core.models.kernels import NAMES, OFF, forced, proof, use_triton
from sertool.core.models.kernels.proof import COMPARED, Facts, Proof, comparisons, key_of, lines, prove

T4 = Facts("NVIDIA T4", (7, 5), False, "3.6.0", "570.86.15")
H100 = Facts("NVIDIA H100", (9, 0), True, "3.6.0", "570.86.15")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    return tmp_path / "cache"


def report(**faults):
    """Return a report in which all is equal but for ``name_number="fault"``."""
    found = {name: Verdict("", 1.0) for name in comparisons(bf16=True)}
    return Report(found | {name.replace("_", " "): Verdict(fault, 1.0) for name, fault in faults.items()})


@needs_triton
def test_each_kernel_is_its_definition():
    """The interpreter computes products exactly, so its bounds are tighter than those of a card."""
    worst = interpret("distances.py")
    assert max(worst["adam fp32"], worst["lstm fp32"], worst["all masked"]) < 1e-6
    assert max(worst["attention fp32"], worst["norm fp32"], worst["relu fp32"]) < 1e-5
    assert max(worst[f"{name} bf16"] for name in COMPARED) < 2e-2  # weights and values have 8 bits


@needs_triton
@pytest.mark.parametrize(
    ("how", "fault"),
    [
        ("is wrong", "differs by 0.5"),
        ("is unwritten", "differs by nan"),
        ("hangs", "took more than 5 s"),
        ("dies", "ended its process (SIGSEGV)"),
    ],
)
def test_a_broken_kernel_is_left_out_and_the_others_stay(cache, monkeypatch, how, fault):
    monkeypatch.setenv("BROKEN", how)
    monkeypatch.setattr(proof, "COMPARED", ("adam", "relu"))
    found = prove(T4, "cpu", module="broken_kernels", limits=(5.0 if how == "hangs" else 60.0, 120.0))
    assert lines(found) == [
        f"kernels: relu is left out on NVIDIA T4 ({fault}): plain operations take its place",
    ]
    assert found.allows("adam", "fp32")
    assert not found.allows("relu", "fp32")
    assert proof.stored_proof(T4) == replace(found, note=None)
    assert not found.allows("adam", "bf16")  # the card has none, so nobody compared it


@needs_triton
def test_a_result_that_cannot_be_stored_is_used_all_the_same(cache, monkeypatch):
    monkeypatch.setattr(proof, "COMPARED", ("adam",))
    cache.write_text("no folder")
    found = prove(T4, "cpu")
    assert found.allows("adam", "fp32")
    assert lines(found) == [
        "kernels: the results of the comparison cannot be stored: "
        f"{cache_file('kernels', key_of(T4))}: cannot be written (Not a directory)"
    ]


@needs_triton
def test_comparisons_that_start_at_once_do_not_disturb_each_other(cache, monkeypatch):
    monkeypatch.setattr(proof, "COMPARED", ("adam",))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: prove(T4, "cpu"), range(2)))
    assert [lines(one) for one in found] == [[], []]
    assert proof.stored_proof(T4).report.verdicts.keys() == {"adam fp32"}
    assert len(list((cache / "sertool").iterdir())) == 1


def test_a_comparison_that_cannot_start_leaves_all_out_and_stores_nothing(cache):
    found = prove(H100, "cpu", module="no_such_module")
    (line,) = lines(found)
    assert line.startswith("kernels: they cannot be compared on NVIDIA H100 (the comparison cannot start: ")
    assert line.endswith("No module named no_such_module): plain operations (slower)")
    assert not any(found.allows(name, "fp32") for name in COMPARED)
    assert not cache.exists()


def test_a_proof_is_that_of_its_card_and_its_versions(cache):
    proof.store(proof.KIND, key_of(H100), report().verdicts)
    assert proof.stored_proof(H100) == Proof(H100, report())
    for change in ({"card": "NVIDIA H200"}, {"capability": (9, 1)}, {"triton": "3.7.0"}, {"driver": "580.1"}):
        assert proof.stored_proof(replace(H100, **change)) is None
    assert set(key_of(H100)) == {"card", "capability", "driver", "torch", "triton", "sertool", "source"}


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (replace(H100, triton=None), "kernels: Triton is not installed: plain operations (slower)"),
        (
            replace(H100, triton="2.3.1"),
            "kernels: Triton 2.3.1 is too old, the kernels need 3.0: plain operations (slower)",
        ),
        (
            replace(T4, card="Tesla P100", capability=(6, 0)),
            "kernels: Tesla P100 has capability 6.0, Triton needs 7.0: plain operations (slower)",
        ),
    ],
)
def test_without_a_compiler_for_the_card_nothing_is_compared(cache, facts, line):
    found = prove(facts, "cpu", module="no_such_module")
    assert lines(found) == [line]
    assert found.report == Report({})
    assert not any(found.allows(name, number) for name in NAMES for number in ("fp32", "bf16"))
    assert proof.stored_proof(facts) == found


@pytest.mark.parametrize("version", ["3.0.0", "3.6.0+git1234", "4.1"])
def test_these_versions_are_new_enough(version):
    assert proof.obstacle(replace(H100, triton=version)) is None


def test_cards_without_bf16_are_compared_in_fp32_alone():
    assert comparisons(bf16=False) == [f"{name} fp32" for name in COMPARED]
    assert len(comparisons(bf16=True)) == 2 * len(COMPARED)


def test_the_lines_name_what_is_left_out():
    assert lines(Proof(H100, report())) == []
    assert lines(Proof(H100, report(relu_bf16="differs by 0.3", norm_fp32="raised X", norm_bf16="raised X"))) == [
        "kernels: norm is left out on NVIDIA H100 (raised X): plain operations take its place",
        "kernels: relu in bf16 is left out on NVIDIA H100 (differs by 0.3): plain operations take its place",
    ]
    some = Report({name: Verdict("", 1.0) for name in comparisons(bf16=True)[:4]}, "no memory is left on the device")
    assert lines(Proof(H100, some)) == [
        "kernels: lstm, norm, relu cannot be compared on NVIDIA H100 (no memory is left on the device): "
        "plain operations (slower)"
    ]


def test_a_kernel_may_be_used_in_the_formats_in_which_it_is_equal():
    found = Proof(H100, report(relu_bf16="differs by 0.3"))
    assert found.allows("relu", "fp32")
    assert not found.allows("relu", "bf16")
    assert not found.allows("relu", "")  # float64 and others, which nobody compares
    assert found.allows("apart", "bf16")  # no kernel


@needs_triton
def test_the_interpreter_needs_no_proof_and_switches_work(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(proof, "compare", None)
    values = torch.zeros(1)
    assert all(use_triton(values, name) for name in NAMES)
    with forced(False):
        assert not use_triton(values, "adam")
        with forced(True):
            assert use_triton(values, "adam")
        assert not use_triton(values, "adam")
    monkeypatch.setenv(OFF, "relu,norm")
    assert [name for name in NAMES if not use_triton(values, name)] == ["norm", "relu"]
    monkeypatch.setenv(OFF, "1")
    assert not any(use_triton(values, name) for name in NAMES)
    monkeypatch.delenv("TRITON_INTERPRET")
    monkeypatch.delenv(OFF)
    assert not use_triton(values, "adam")


def test_a_number_that_is_none_never_passes():
    difference = pytest.importorskip("sertool.core.models.kernels.compare_tools").Difference
    assert difference("x", 1e-6, 1e-5).equal
    assert not difference("x", 1e-4, 1e-5).equal
    assert not difference("x", math.nan, 1e-5).equal
