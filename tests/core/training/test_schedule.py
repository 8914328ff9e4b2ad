"""Learning rates against torch's schedulers and against their formulas."""

import math

import numpy as np
import pytest
import torch

from sertool.core.recipe.schema import Training
from sertool.core.training.schedule import rate_at


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.3, 0.55])
@pytest.mark.parametrize("total", [7, 40, 333])
def test_onecycle_is_torchs(warmup, total):
    chosen = Training(schedule="onecycle", learning_rate=3e-3, warmup=warmup)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=total, pct_start=warmup, cycle_momentum=False
    )
    theirs = []
    for _ in range(total):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(theirs) < total else None
    ours = [rate_at(chosen, step, total, 0) for step in range(total)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_cosine_warms_up_linearly_and_falls_to_zero():
    chosen = Training(schedule="cosine", learning_rate=1.0, warmup=0.2)
    rates = [rate_at(chosen, step, 50, 0) for step in range(50)]
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) / 11)
    np.testing.assert_allclose(rates[10:], [(1 + math.cos(math.pi * k / 40)) / 2 for k in range(40)], atol=1e-12)
    bare = Training(schedule="cosine", learning_rate=1.0, warmup=0.0)
    assert [rate_at(bare, step, 2, 0) for step in range(2)] == pytest.approx([1.0, 0.5])


def test_rollback_decays_by_a_factor():
    chosen = Training(learning_rate=0.1, lr_decay=0.5)
    assert [rate_at(chosen, 17, 99, decays) for decays in range(3)] == pytest.approx([0.1, 0.05, 0.025])
