"""The profile of a training step."""

import pytest
from builders import CPU, tiny_recipe, write_tiny

from benchmarks import step_profile
from benchmarks.step_profile import profile_step
from sertool.core.bench import device


def test_a_profile_accounts_for_the_step(tmp_path, monkeypatch):
    monkeypatch.setitem(device.MATRIX_SIZE, "cpu", 64)
    monkeypatch.setitem(device.COPIED_BYTES, "cpu", 2**16)
    monkeypatch.setattr(step_profile, "MOST_ROWS", 20)
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "data")
    found = profile_step(tiny_recipe(), CPU, members=2, steps=2, turns=2)
    assert found["steps"] == 2
    assert not found["recorded"]
    assert len(found["kernels"]) == 20
    assert found["others"] > 0
    assert 0 < sum(row["share"] for row in found["kernels"]) <= 1
    assert sum(own["share"] for own in found["kinds"].values()) == pytest.approx(1, abs=0.01)
    times = [row["ms"] for row in found["kernels"]]
    assert times == sorted(times, reverse=True)
    floor = found["floor_ms"]
    assert 0 < floor["products_without_padding"] <= floor["products"] <= floor["both"]
    assert floor["both"] == pytest.approx(floor["products"] + floor["adam"], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("_lstm_forward", "sertool's kernels"),
        ("nvjet_tst_128x256", "matrix products"),
        ("sm90_xmma_gemm_bf16bf16_bf16f32", "matrix products"),
        ("Memset (Device)", "copies and fills"),
        ("void at::native::elementwise_kernel<4>(int)", "torch's others"),
    ],
)
def test_kinds_of_kernels(name, kind):
    assert step_profile._kind(name, on_device=True) == kind
