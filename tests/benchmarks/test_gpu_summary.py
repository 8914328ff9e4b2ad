"""The summary of a GPU run: figures with their spread, targets met and missed, results of any shape."""

import json

import pytest
from builders import CPU
from places import ROOT

from benchmarks.gpu import summary_briefs as briefs
from benchmarks.gpu import summary_sections as sections
from benchmarks.gpu.runner import RUN
from benchmarks.gpu.summary import summary
from benchmarks.step_profile import shortened
from benchmarks.training_ablation import not_worth_it, unused
from sertool.core.models.kernels import NAMES

RUN_FACTS = {"started": "2026-11-26 20:00 UTC", "commit": "abc", "python": "3.12", "device": "cuda", "tiny": False}


def spread(value):
    return {"min": value * 0.9, "median": value, "max": value * 1.1}


def measured(**changes):
    """Return ten members of IEMOCAP's size as an H100 gave them, with other targets."""
    file = ROOT / "benchmarks/results/gpu-nvidia-h100-80gb-hbm3/4-throughput.json"
    row = json.loads(file.read_text())[0]
    return {**row, "wanted": {**row["wanted"], **changes}}


def test_rates_targets_and_their_spread():
    text = "\n".join(sections.throughput([measured()]))
    assert "| iemocap, 10 members | 40,620 (40,030 to 41,070) | 773 | 53.1 (50.6 to 57) | 7.88 " in text
    assert "| iemocap, 10 members: ratio | at least 30 | 53.1 (50.6 to 57) | met |" in text
    assert "| iemocap, 10 members: matrix rate | at least 15.0 % | 8.7 % | **missed** |" in text
    assert "| iemocap, 10 members: to their natural end | at most 15 s | 15.4 s, one run, 7 to " in text
    assert briefs.throughput([measured(training=60.0, share=0.05, finish_s=20.0)]) == (
        "2 of 3 targets met; missed: iemocap, 10 members: ratio"
    )


def compared(*faults):
    every = [{"kernel": "norm", "format": "bf16", "equal": not fault, "fault": fault} for fault in faults]
    return {"card": "A card", "triton": "3.6", "comparisons": every, "lines": ["norm is left out"] * any(faults)}


def test_kernels_that_differ_are_listed():
    good = {"exit_code": 0, "cards": [compared("", "")], "output": ["much"]}
    assert sections.kernels(good) == ["A card, Triton 3.6: 2 of 2 comparisons equal."]
    assert briefs.kernels(good) == "2 of 2 comparisons equal"
    lines = sections.kernels({**good, "cards": [compared("", "differs by 0.3 | or so")]})
    assert lines[0] == "A card, Triton 3.6: 1 of 2 comparisons equal."
    assert "| norm | bf16 | differs by 0.3 \\| or so |" in lines
    assert lines[-1] == "norm is left out"
    ended = sections.kernels({"exit_code": 1, "cards": [], "output": ["error: a driver"]})
    assert ended == ["`sertool doctor --device`, exit code 1:", "", "```", "error: a driver", "```"]


def rows_of(**ratios):
    """Ratios of every part; those that are not given are of no use."""
    every = {"nothing": 1.0, **dict.fromkeys(NAMES, 1.0), "nothing again": 1.01, **ratios}
    return {name: {"ratio": ratio, "utterances_s": spread(1000 * ratio)} for name, ratio in every.items()}


def test_a_kernel_that_pays_for_any_number_of_members_stays():
    first, second, *others = NAMES
    ten, one = rows_of(**{first: 0.9, second: 0.97}), rows_of(**{others[0]: 0.5, second: 0.97})
    # A step without the second takes 3.1 % longer, and 1 % of that may be noise.
    assert not_worth_it([ten, one], []) == [second, *others[1:]]
    assert not_worth_it([ten, one], [second]) == others[1:]
    assert not_worth_it([ten, {"nothing": one["nothing"]}], []) is None
    assert not_worth_it([], []) is None
    assert unused(CPU) == list(NAMES)


def test_the_table_without_each_part():
    tables = [
        {"members": 10, "rows": rows_of(adam=0.387), "noise": 0.01},
        {"members": 1, "rows": {"nothing": rows_of()["nothing"]}, "noise": None},
    ]
    lines = sections.without({"tables": tables, "not_worth_it": None, "unused": []})
    assert lines[0] == "| without | 10 members | 1 member |"
    assert "| adam | 0.387 (0.348 to 0.426) |  |" in lines
    assert lines[-1] == "The tables are not complete, so there is no verdict."
    lines = sections.without({"tables": tables, "not_worth_it": ["adam"], "unused": ["norm"]})
    assert lines[-3].endswith("over the noise: adam.")
    assert lines[-1] == "Not used on this device, so nothing is known about them: norm."


def test_failed_tests_are_named():
    failed = {"test": "tests/a.py::test_b", "last_lines": ["a.py:1: in test_b", "E   assert 1 == 2", "E    + where 1"]}
    found = {"passed": 40, "failed": [failed], "skipped": 1, "left_out": [], "seconds": 50, "workers": 8}
    lines = sections.tests({**found, "finished": False})
    assert lines[0].startswith("40 passed, 1 failed, 1 skipped in 50 s with 8 at a time; the run was cut off")
    assert lines[-1] == "- `tests/a.py::test_b`: assert 1 == 2"


@pytest.mark.parametrize("content", [{}, [], {"tables": []}, {"cases": 1}])
def test_results_of_another_shape_end_no_run(content, tmp_path):
    part = {"name": "without", "file": "6-without.json", "state": "done", "seconds": 1.0, "limit": 2.0, "note": ""}
    (tmp_path / RUN).write_text(json.dumps({**RUN_FACTS, "seconds": 9.0, "parts": [part]}))
    (tmp_path / "6-without.json").write_text(json.dumps(content))
    lines = summary(tmp_path)
    assert lines[0] == "# Measured on cuda"
    assert lines[-1].startswith("The results cannot be shown (")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("_adam_step", "_adam_step"),
        ("nvjet_tst_128x256_64x4_1x2_h_bz_coopA_TNT", "nvjet_tst_128x256_64x4_1x2_h_bz_coopA_TNT"),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<c10::BFloat16>, "
            "std::array<char*, 3ul> >(int, at::native::CUDAFunctor_add<c10::BFloat16>, std::array<char*, 3ul>)",
            "vectorized_elementwise_kernel<4, CUDAFunctor_add<BFloat16>, array<cha…",
        ),
        (
            "void at::native::(anonymous namespace)::indexSelectSmallIndex<float, long>(long (*)(int), int)",
            "indexSelectSmallIndex<float, long>",
        ),
        ("Memcpy DtoD (Device -> Device)", "Memcpy DtoD"),
    ],
)
def test_names_of_kernels_become_readable(name, short):
    assert shortened(name) == short
