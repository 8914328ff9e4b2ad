"""Lack of memory: errors of torch, numpy and the system are recognised, and estimates are compared with the machine."""

import errno
import resource

import numpy as np
import pytest
import torch
from builders import CPU, tiny_recipe, write_tiny
from commands_run import refusal, train

from sertool.core.compute import shortage
from sertool.core.compute.shortage import asked_bytes, check_memory, machine_memory, ran_out_of_memory
from sertool.core.errors import UsageError
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import check_fits


@pytest.mark.parametrize(
    "work",
    [
        lambda: torch.empty(2**50),
        lambda: torch.empty(2**40, 2**40),
        lambda: np.zeros(2**50),
        lambda: np.zeros((2**40, 2**40)),
        lambda: np.zeros(2**63),
        lambda: np.arange(1e30),
        lambda: bytearray(2**50),
    ],
    ids=["torch", "torch overflow", "numpy", "numpy overflow", "numpy dimension", "numpy range", "python"],
)
def test_allocations_that_fail_are_recognised(work):
    with pytest.raises(Exception) as caught:  # noqa: PT011  (of any kind, which is the point)
        work()
    assert ran_out_of_memory(caught.value)


def test_other_errors_are_not():
    assert ran_out_of_memory(RuntimeError("std::bad_alloc"))
    assert ran_out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert not ran_out_of_memory(OSError(errno.ENOENT, "No such file"))
    assert not ran_out_of_memory(RuntimeError("shapes do not fit"))
    assert not ran_out_of_memory(ValueError("line 3: array is too big for this task"))
    with pytest.raises(MemoryError) as caught:
        np.zeros(2**50)
    assert asked_bytes(caught.value) == 2**53


def test_the_smallest_limit_of_this_machine_counts(monkeypatch, tmp_path):
    there = machine_memory()
    assert there > 2**28
    (tmp_path / "max").write_text("1048576\n")
    monkeypatch.setattr(shortage, "CONTAINER_LIMIT", tmp_path / "max")
    assert machine_memory() == 2**20
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**19, 2**19))
    assert machine_memory() == 2**19
    with pytest.raises(UsageError, match=r"x needs about 2\.0 MB of memory, this machine has 524\.3 kB"):
        check_memory("x", 2 * 10**6, "less")
    with pytest.raises(UsageError, match=r"x needs about 2\.0 MB of memory, the card has 1\.0 MB"):
        check_memory("x", 2 * 10**6, "less", 10**6)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("model.hidden_size=65536", "error: training one member needs about "),
        ("dataset.max_audio_length=100000", "error: the corpus, padded to the recipe's lengths, needs about "),
        ("dataset.max_text_length=100000", "error: the corpus, padded to the recipe's lengths, needs about "),
    ],
)
def test_a_training_that_cannot_fit_is_refused_before_it_is_built(here, monkeypatch, setting, text):
    monkeypatch.setattr(shortage, "machine_memory", lambda: 50 * 10**6)
    told = refusal(*train("--set", setting), code=2)
    assert text in told
    assert ", this machine has 50.0 MB\n  try: a smaller training.batch_size" in told
    assert not (here / "ckpt").exists()


def test_the_estimate_is_below_what_the_tiny_recipe_takes(tmp_path, monkeypatch):
    experiment = open_experiment(tiny_recipe(), write_tiny(tmp_path))
    monkeypatch.setattr(shortage, "machine_memory", lambda: 2 * 10**6)
    check_fits(experiment, CPU)
