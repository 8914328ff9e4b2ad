"""Training: a stack gives each member what it gets alone; the reference's schedule."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from builders import CPU, NO_DROPOUT, member_state, open_tiny, tiny_recipe
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import SertoolError
from sertool.core.models.build import DataSizes, build, initialise, load_members
from sertool.core.runs.experiment import class_weights_of
from sertool.core.training import loop as training
from sertool.core.training.logits import logits_of
from sertool.core.training.loop import Member, start, train


def prepared(tmp_path, members=None, *, model=None, corpus=None, dtype=torch.float64, **settings_):
    """Return an experiment, its tables, members (three unless given) and a function that makes a stack of some.

    In float64: some weights have no gradient but rounding (a bias on all scores of a softmax), which Adam scales up
    to whole steps; in float64 its epsilon swallows that, so that *all* weights can be compared.
    """
    recipe = tiny_recipe(model={**NO_DROPOUT, **(model or {})}, training=settings_)
    experiment, tables = open_tiny(tmp_path, recipe, corpus)
    tables = replace(tables, audio=tables.audio.to(dtype))
    fold = experiment.folds[0]
    rows = {name: torch.tensor(fold.sets[name]) for name in ("train", "valid")}
    members = members or [Member(seed, 0, rows["train"], rows["valid"]) for seed in (1, 2, 3)]

    def new(chosen):
        stack = build(
            recipe.model,
            DataSizes(50, recipe.model.embedding_size, experiment.corpus.audio.width, num_classes=3),
            len(chosen),
        )
        initialise(stack, [member.seed for member in chosen], [None] * len(chosen))
        return start(stack.to(tables.audio.dtype), chosen, recipe.training)

    return experiment, tables, members, new


def finish(state, tables, settings_, weights=None):
    """Train to the end; what each member came to, and the history of the stack's sizes."""
    found, sizes = {}, []
    for epoch in train(state, tables, settings_, weights, CPU):
        sizes.append(len(epoch.rows))
        found |= {finished.member.name: finished for finished in epoch.finished}
    return found, sizes


def assert_same(one, other):
    for name, weight in one.weights.items():
        torch.testing.assert_close(weight, other.weights[name], rtol=0, atol=1e-6, msg=name)
    for row, theirs in zip(one.progress.history, other.progress.history, strict=True):
        assert (row.epoch, row.score, row.learning_rate, row.outcome) == (
            theirs.epoch,
            theirs.score,
            theirs.learning_rate,
            theirs.outcome,
        )
        assert row.loss == pytest.approx(theirs.loss, abs=1e-5)


# A stack is its members alone

VARIANTS = {
    "reference": {},
    "onecycle": {
        "schedule": "onecycle",
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "clip_norm": 0.5,
        "class_weights": "balanced",
        "label_smoothing": 0.1,
        "select": "uar",
    },
    "cosine": {"schedule": "cosine", "select": "f1_weighted", "patience": None},
}


@pytest.mark.parametrize("architecture", ["mat", pytest.param("mnt", marks=pytest.mark.slow)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stack_gives_each_member_what_it_gets_alone(tmp_path, variant, architecture):
    experiment, tables, members, new = prepared(
        tmp_path, model={"architecture": architecture}, max_epochs=5, **VARIANTS[variant]
    )
    chosen, weights = experiment.recipe.training, class_weights_of(experiment)
    together, _ = finish(new(members), tables, chosen, weights)
    assert len(together) == 3
    for member in members:
        alone, _ = finish(new([member]), tables, chosen, weights)
        assert_same(together[member.name], alone[member.name])


@pytest.mark.parametrize("architecture", ["mat", "mnt"])
def test_in_float32_a_stack_decides_as_its_members_alone(tmp_path, architecture):
    experiment, tables, members, new = prepared(
        tmp_path, model={"architecture": architecture}, dtype=torch.float32, max_epochs=4
    )
    chosen = experiment.recipe.training
    together, _ = finish(new(members), tables, chosen)
    rows = [member.valid for member in members]
    stack = new(members).model
    load_members(stack, [together[member.name].weights for member in members])
    logits = logits_of(stack, tables, rows, [0, 0, 0], CPU)
    for place, member in enumerate(members):
        alone, _ = finish(new([member]), tables, chosen)
        single = new([member]).model
        load_members(single, [alone[member.name].weights])
        (own,) = logits_of(single, tables, rows[:1], [0], CPU)
        torch.testing.assert_close(logits[place], own, rtol=0, atol=1e-3)


def test_members_with_fewer_utterances_rest_in_the_last_steps(tmp_path):
    """Folds of 24, 9 and 1 utterances at batches of 8: three, two and one steps an epoch."""
    experiment, tables, members, new = prepared(tmp_path, max_epochs=4, schedule="onecycle", patience=None)
    everything = members[0].train
    parts = [everything, everything[:9], everything[5:6]]
    members = [Member(4, 0, part, members[0].valid) for part in parts]
    members = [Member(seed, 0, m.train, m.valid) for seed, m in zip((4, 5, 6), members, strict=True)]
    state = new(members)
    assert state.adam.steps.tolist() == [0, 0, 0]
    epochs = train(state, tables, experiment.recipe.training, None, CPU)
    next(epochs)
    assert state.adam.steps.tolist() == [3, 2, 1]
    together = {done.member.name: done for epoch in epochs for done in epoch.finished}
    for member in members:
        alone, _ = finish(new([member]), tables, experiment.recipe.training)
        assert_same(together[member.name], alone[member.name])


def test_members_that_stop_leave_the_others_as_they_are(tmp_path, monkeypatch):
    experiment, tables, members, new = prepared(tmp_path, max_epochs=9, max_decays=0, patience=2)
    scripts = {1: [0.9] + [0.1] * 8, 2: [0.1 * n for n in range(1, 10)], 3: [0.1, 0.2, 0.3] + [0.1] * 6}

    def scripted(state, *_):
        return [scripts[member.seed][state.epoch] for member in state.members]

    monkeypatch.setattr(training, "validate", scripted)
    state = new(members)
    together, sizes = finish(state, tables, experiment.recipe.training)
    assert sizes == [3, 3, 3, 2, 2, 1, 1, 1, 1]
    assert state.members == []
    for member in members:
        alone, _ = finish(new([member]), tables, experiment.recipe.training)
        assert_same(together[member.name], alone[member.name])


def test_the_same_seeds_give_the_same_bits(tmp_path):
    experiment, tables, members, new = prepared(
        tmp_path, model={"dropout_input": 0.2, "dropout_residual": 0.1, "dropout_output": 0.5}
    )
    one, other = (finish(new(members), tables, experiment.recipe.training)[0] for _ in range(2))
    for name, finished in one.items():
        assert finished.progress == other[name].progress
        assert all(torch.equal(weight, other[name].weights[key]) for key, weight in finished.weights.items())
    assert not torch.equal(one["1/0"].weights["classifier.weight"], one["2/0"].weights["classifier.weight"])


def test_initial_weights_are_the_seeds_alone_or_among_ten(tmp_path):
    _, _, members, new = prepared(tmp_path)
    ten = new([Member(seed, 0, members[0].train, members[0].valid) for seed in range(10)])
    for place in (0, 4, 9):
        alone = new([ten.members[place]])
        for name, weight in member_state(alone.model, 0).items():
            assert torch.equal(weight, member_state(ten.model, place)[name])


def test_the_best_epochs_weights_are_kept(tmp_path, monkeypatch):
    experiment, tables, members, new = prepared(tmp_path, max_epochs=4, schedule="onecycle", patience=None)
    monkeypatch.setattr(training, "validate", lambda state, *_: [[0.1, 0.7, 0.3, 0.7][state.epoch]])
    state, seen, left = new(members[:1]), [], []
    for epoch in train(state, tables, experiment.recipe.training, None, CPU):
        left += epoch.finished
        if state.members:
            seen.append({name: weight.clone() for name, weight in member_state(state.model, 0).items()})
    (finished,) = left
    assert all(torch.equal(weight, seen[1][name]) for name, weight in finished.weights.items())
    assert [row.outcome for row in finished.progress.history] == [
        "better",
        "better",
        "worse",
        "worse, stopped",
    ]


def test_a_loss_that_is_no_number_is_told(tmp_path):
    experiment, tables, members, new = prepared(tmp_path, learning_rate=1e30)
    with pytest.raises(SertoolError, match=r"^seed 1: the loss of epoch \d is not a finite number$") as caught:
        finish(new(members), tables, experiment.recipe.training)
    assert caught.value.hint == "a lower training.learning_rate, or training.clip_norm=1.0"


# The reference's schedule


def simulate(scores, *, max_epochs, max_decays, patience, rate=0.01, decay=0.2):
    """SYSTEM.md's rule in plain Python; (rate of the epoch, epoch whose weights the next one starts from) an epoch."""
    best, best_epoch, decays, waited, weights, steps = -1.0, 0, 0, 0, 0, []
    for epoch in range(1, max_epochs + 1):
        used, weights = rate * decay**decays, epoch
        if scores[epoch - 1] > best:
            best, best_epoch, waited = scores[epoch - 1], epoch, 0
        elif decays < max_decays:
            decays, weights = decays + 1, best_epoch
        else:
            waited += 1
        steps.append((used, weights))
        if waited == patience:
            break
    return steps, best, best_epoch


@pytest.mark.slow
@settings(deadline=None, max_examples=12)
@given(st.data())
def test_the_rollback_schedule_is_the_references_rule(tmp_path_factory, data):
    epochs, patience = data.draw(st.integers(1, 10)), data.draw(st.sampled_from([1, 2, 3, None]))
    decays = data.draw(st.integers(0, 3))
    levels = st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8]), min_size=10, max_size=10)
    scripts = {seed: data.draw(levels) for seed in (1, 2)}
    experiment, tables, members, new = prepared(
        tmp_path_factory.mktemp("a"), max_epochs=epochs, max_decays=decays, patience=patience
    )
    state, chosen = new(members[:2]), experiment.recipe.training
    wanted = {
        seed: simulate(script, max_epochs=epochs, max_decays=decays, patience=patience)
        for seed, script in scripts.items()
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "validate", spy := Spy(scripts))
        for epoch in train(state, tables, chosen, None, CPU):
            for place, member in enumerate(state.members):
                _, weights = wanted[member.seed][0][epoch.number - 1]
                there = [parameter.detach()[place] for parameter in state.model.parameters()]
                moments = [moment[place] for moment in (*state.adam.first, *state.adam.second)]
                kept = spy.after[member.seed, weights]
                assert all(torch.equal(a, b) for a, b in zip([*there, *moments], kept[0], strict=True))
                assert state.adam.steps[place] == kept[1]
            for finished in epoch.finished:
                steps, best, best_epoch = wanted[finished.member.seed]
                history = finished.progress.history
                assert [row.learning_rate for row in history] == pytest.approx([rate for rate, _ in steps])
                assert finished.progress.best == best
                weights = list(finished.weights.values())
                assert all(
                    torch.equal(a, b)
                    for a, b in zip(weights, spy.after[finished.member.seed, best_epoch][0], strict=False)
                )
                del wanted[finished.member.seed]
    assert not wanted


class Spy:
    """Validation scores from a script, and a copy of every member after each epoch's updates."""

    def __init__(self, scripts):
        self.scripts, self.after = scripts, {}

    def __call__(self, state, *_):
        for place, member in enumerate(state.members):
            tensors = [*state.model.parameters(), *state.adam.first, *state.adam.second]
            copies = [tensor.detach()[place].clone() for tensor in tensors]
            self.after[member.seed, state.epoch + 1] = copies, state.adam.steps[place].item()
        return [self.scripts[member.seed][state.epoch] for member in state.members]


def test_a_first_step_is_adams_on_the_summed_loss(tmp_path):
    """Compare with one epoch of one batch, computed by hand."""
    experiment, tables, members, new = prepared(tmp_path, batch_size=24, max_epochs=1, patience=None)
    member = members[0]
    (finished,) = finish(new([member]), tables, experiment.recipe.training)[0].values()
    model = new([member]).model
    index = member.train.unsqueeze(0)
    logits = model(tables.gather(index, [0]))
    loss = F.cross_entropy(logits[0], tables.targets[member.train], reduction="sum")
    oracle = torch.optim.Adam(model.parameters(), lr=0.01)
    loss.backward()
    oracle.step()
    assert finished.progress.history[0].loss == pytest.approx(loss.item() / 24, rel=1e-5)
    trained = new([member]).model
    load_members(trained, [finished.weights])
    for (name, ours), theirs in zip(trained.named_parameters(), model.parameters(), strict=True):
        # Where a gradient is nothing but rounding, Adam's first step is of full length in either direction.
        real = theirs.grad.abs() > 1e-4
        torch.testing.assert_close(ours[real], theirs[real], rtol=0, atol=1e-4, msg=name)
