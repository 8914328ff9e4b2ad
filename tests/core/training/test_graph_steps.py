"""Steps on fixed shapes, as a CUDA device repeats them, against the plain ones; here without recording anything."""

from dataclasses import replace

import pytest
import torch
from builders import CPU, NO_DROPOUT, make_corpus, open_tiny, tiny_recipe

from sertool.core.compute.device import choose
from sertool.core.models.build import initialise
from sertool.core.models.kernels.noise import Noise
from sertool.core.runs.experiment import class_weights_of, fit_inputs
from sertool.core.runs.members import new_stack
from sertool.core.training.graph_steps import StaticSteps
from sertool.core.training.logits import logits_of
from sertool.core.training.loop import Member, start, train
from sertool.core.training.schedule import plan_epoch
from sertool.core.training.steps import Stack, run_steps

STATIC = replace(CPU, graphs=True)
FOLDED = {"scheme": "folds", "group": "speaker", "folds": 3}


def opened(tmp_path, recipe, corpus=None):
    experiment, tables = open_tiny(tmp_path, recipe, corpus)
    folds = range(len(experiment.folds))
    members = [
        Member(seed, fold, *(torch.tensor(experiment.folds[fold].sets[name]) for name in ("train", "valid")))
        for seed in (1, 2)
        for fold in folds
    ]
    model = new_stack(experiment, fit_inputs(experiment), len(members))
    initialise(model, [member.seed for member in members], [None] * len(members))
    return experiment, tables, members, model


def trained(tmp_path, recipe, precision, corpus=None):
    experiment, tables, members, model = opened(tmp_path, recipe, corpus)
    state = start(model, members, recipe.training)
    weights = class_weights_of(experiment)
    return list(train(state, tables, recipe.training, weights, precision))


@pytest.mark.parametrize("architecture", ["mat", pytest.param("mnt", marks=pytest.mark.slow), "linear"])
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"splits": FOLDED, "training": {"class_weights": "balanced"}},
        {"training": {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "onecycle", "clip_norm": 0.1}},
        {"dataset": {"standardize": "corpus"}, "training": {"label_smoothing": 0.1, "batch_size": 7}},
        {"splits": FOLDED, "dataset": {"standardize": "speaker"}},
        {"training": {"batch_size": 24}},
        {"training": {"batch_size": 50}},
    ],
    ids=["plain", "folds", "adamw", "standardized", "by speaker", "one step", "less than a batch"],
)
def test_an_epoch_is_that_of_the_plain_steps(tmp_path, architecture, sections):
    """Losses, rates and scores of every member, and when each stops; utterances without words or sound among them."""
    model = {**NO_DROPOUT, "architecture": architecture}
    recipe = tiny_recipe(**{"model": model, **sections})
    plain, static = (trained(tmp_path / where, recipe, p) for where, p in (("a", CPU), ("b", STATIC)))
    assert len(plain) == len(static)
    for ours, theirs in zip(static, plain, strict=True):
        assert [member.name for member, _ in ours.rows] == [member.name for member, _ in theirs.rows]
        for (_, own), (_, other) in zip(ours.rows, theirs.rows, strict=True):
            # Rounding differs by processor, and training makes it larger.
            assert own.loss == pytest.approx(other.loss, rel=5e-4)
            assert own.learning_rate == pytest.approx(other.learning_rate, rel=1e-6)
            assert (own.score, own.outcome) == (other.score, other.outcome)
        # Weights are not compared: a key's bias has no gradient but rounding, which Adam turns into steps.
        assert [f.member.name for f in ours.finished] == [f.member.name for f in theirs.finished]


def test_a_multi_label_task_and_frames_for_text(tmp_path):
    corpus = make_corpus(text_frames=4)
    present = [{"emotion": [int(number == place % 3) for number in range(3)]} for place in range(48)]
    utterances = tuple(
        replace(utterance, labels=labels) for utterance, labels in zip(corpus.utterances, present, strict=True)
    )
    corpus = replace(corpus, utterances=utterances)
    recipe = tiny_recipe(model=NO_DROPOUT)
    plain, static = (trained(tmp_path / w, recipe, p, corpus) for w, p in (("a", CPU), ("b", STATIC)))
    for ours, theirs in zip(static, plain, strict=True):
        assert [row.loss for _, row in ours.rows] == pytest.approx([r.loss for _, r in theirs.rows], rel=1e-4)


@pytest.mark.parametrize("architecture", ["mat", "mnt", "linear"])
def test_logits_of_every_position_are_those_without_padding(tmp_path, architecture):
    recipe = tiny_recipe(model={"architecture": architecture})
    _, tables, members, model = opened(tmp_path, recipe)
    rows = torch.stack([torch.arange(48), torch.arange(47, -1, -1)])
    folds = [member.fold for member in members]
    with torch.no_grad():
        packed = model(tables.gather(rows, folds))
        full = model(tables.gather_full(rows, torch.tensor(folds)))
    torch.testing.assert_close(full, packed, rtol=1e-4, atol=1e-5)
    assert not (tables.audio_mask.any(1) & tables.text_mask.any(1)).all()  # some have nothing of a modality


def test_evaluation_on_fixed_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("sertool.core.training.graph_steps.EVALUATION_ROWS", 5)
    recipe = tiny_recipe(splits=FOLDED)
    _, tables, members, model = opened(tmp_path, recipe)
    folds = [member.fold for member in members]
    state = start(model, members, recipe.training)
    stack = Stack(model, state.adam, folds, tables, recipe.training, None, CPU)
    schedule = plan_epoch([member.train for member in members], recipe.training, 0, [0] * len(members))
    static = StaticSteps(stack, schedule)
    rows = [member.valid[: 9 + place] for place, member in enumerate(members)]
    wanted = logits_of(model, tables, rows, folds, CPU)
    for _ in range(2):
        for ours, theirs in zip(static.evaluate(rows), wanted, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_logits_where_every_position_is_computed(tmp_path):
    recipe = tiny_recipe(splits=FOLDED)
    _, tables, members, model = opened(tmp_path, recipe)
    rows = [member.valid[: 9 + place] for place, member in enumerate(members)]
    folds = [member.fold for member in members]
    ours, theirs = (logits_of(model, tables, rows, folds, precision) for precision in (STATIC, CPU))
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_weights_that_are_kept_in_bf16_are_those_that_autocast_makes(tmp_path, architecture):
    """Compare an epoch on the copies with one in which autocast copies anew; the copies follow the masters."""
    results = []
    for graphs in (True, False):
        recipe = tiny_recipe(model={**NO_DROPOUT, "architecture": architecture}, training={"precision": "bf16"})
        _, tables, members, model = opened(tmp_path / str(graphs), recipe)
        state = start(model, members, recipe.training)
        precision = replace(choose("cpu", "bf16"), graphs=graphs)
        stack = Stack(model, state.adam, [m.fold for m in members], tables, recipe.training, None, precision)
        schedule = plan_epoch([m.train for m in members], recipe.training, 0, [0] * len(members))
        if graphs:
            static = StaticSteps(stack, schedule)
            results.append(static.run(schedule, 1))
            copies = static.working.copies()
            kept = [(p, c) for p, c in zip(model.parameters(), copies, strict=True) if c is not None]
            assert len(kept) > 20
            for parameter, copy in kept:
                assert torch.equal(copy, parameter.bfloat16())
                assert parameter.grad is None
        else:
            results.append(run_steps(stack, schedule, 1))
    torch.testing.assert_close(*results, rtol=2e-2, atol=0)


def test_dropout_differs_between_steps_and_repeats_with_its_seed():
    noise, values = Noise(3), torch.ones(1000)
    first, second = noise.dropout(values, 0.5), noise.dropout(values, 0.5)
    assert not torch.equal(first, second)
    noise.seed(3)
    assert torch.equal(noise.dropout(values, 0.5), first)


def test_a_schedule_leaves_nobody_out():
    orders = [torch.arange(10), torch.arange(100, 103)]
    settings = tiny_recipe(training={"batch_size": 4}).training
    schedule = plan_epoch(orders, settings, 2, [0, 1])
    assert schedule.sizes.tolist() == [[4, 3], [4, 0], [2, 0]]
    seen = schedule.index[schedule.weights().bool()]
    assert sorted(seen.tolist()) == [*range(10), *range(100, 103)]
    assert schedule.last_rates() == pytest.approx([0.01, 0.01 * settings.lr_decay])


def test_a_cpu_records_nothing_unless_told():
    assert not choose("cpu", "fp32").graphs
    assert not choose("auto", "fp32", graphs=False).graphs
