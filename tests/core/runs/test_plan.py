"""Division of members into groups: over the cards of a machine, and among processes of a CPU where that pays."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from builders import CPU, open_tiny, tiny_recipe

from sertool.core.recipe.load import load
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import divide, divide_among_processes, member_bytes, plan_training, training_seconds


@pytest.fixture(scope="module")
def demo():
    return open_experiment(load("demo"), Path())


def cards(number, memory=2**36):
    return replace(CPU, device=torch.device("cuda"), cards=number, memory=memory, cores=16)


@pytest.mark.parametrize(
    ("members", "group_size", "number", "division"),
    [
        (10, None, 1, (10, 1, 16)),
        (10, None, 2, (5, 2, 8)),
        (10, None, 4, (3, 4, 4)),
        (5, None, 4, (2, 3, 5)),
        (2, None, 4, (1, 2, 8)),
        (1, None, 2, (1, 1, 16)),
        (10, 10, 2, (10, 1, 16)),
        (10, 2, 2, (2, 2, 8)),
    ],
)
def test_cards_share_the_members_out(demo, members, group_size, number, division):
    assert divide(demo, members, group_size, cards(number)) == division


def test_a_group_fits_into_the_smallest_card(demo):
    few = cards(2, memory=int(3.5 * member_bytes(demo) / 0.7))
    assert divide(demo, 10, None, few) == (3, 2, 8)


@pytest.mark.parametrize(
    ("members", "group_size", "cores", "division"),
    [
        (15, None, 1, None),
        (1, None, 64, None),
        (5, None, 2, None),  # a stack of three takes almost as long as one of five
        (15, None, 2, (8, 2, 1)),
        (5, None, 4, (2, 3, 1)),
        (5, None, 8, (1, 5, 1)),
        (50, None, 64, (4, 13, 1)),  # as many processes as fit into 4 GiB
        (15, 5, 2, None),  # three groups in two rounds
        (15, 5, 4, (5, 3, 1)),
        (15, 15, 64, None),
    ],
)
def test_processes_train_small_members_where_that_pays(demo, members, group_size, cores, division):
    assert divide_among_processes(demo, members, group_size, replace(CPU, cores=cores)) == division


def test_processes_are_for_long_trainings_of_small_members_on_a_cpu(demo, tmp_path):
    eight = replace(CPU, cores=8)
    assert divide_among_processes(demo, 15, None, replace(cards(1), cores=8)) is None
    short = open_experiment(load("demo", ["training.max_epochs=4"]), Path())
    assert divide_among_processes(short, 5, None, eight) is None
    large = open_experiment(load("demo", ["model.hidden_size=256"]), Path())
    assert divide_among_processes(large, 15, None, eight) is None
    tiny, _ = open_tiny(tmp_path, tiny_recipe())
    assert divide_among_processes(tiny, 50, None, replace(CPU, cores=64)) is None


def test_a_plan_has_processes_only_where_they_are_allowed(demo, tmp_path):
    four = replace(CPU, cores=4)
    plan = plan_training(demo, tmp_path, range(5), None, four, processes=True)
    assert (plan.groups, plan.workers, plan.threads, plan.processes) == (((0, 1), (2, 3), (4,)), 3, 1, True)
    plan = plan_training(demo, tmp_path, range(5), None, four)
    assert (plan.groups, plan.workers, plan.processes) == (((0, 1, 2, 3, 4),), 1, False)


def test_the_estimate_counts_steps_members_and_rounds(demo):
    alone = training_seconds(demo, 1, 1, 1)
    assert 10 < alone < 40  # 30 epochs of 24 steps; measured: 14 s on one core of an AMD EPYC
    assert training_seconds(demo, 6, 1, 3) == pytest.approx(2 * alone)
    stack = training_seconds(demo, 5, 5, 1)
    assert 2 * alone < stack < 4 * alone
