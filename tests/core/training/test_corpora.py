"""Corpora that were joined: batches with as much of each, and frames standardised by those of the same corpus."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import CPU, NO_DROPOUT, make_corpus, open_tiny, tiny_recipe, write_tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from joined_corpora import joined
from killed_training import DROPOUT, UNEVEN, Killed, contents, killing

from sertool.core.errors import DataError, UsageError
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.inference.mean_logits import tables_for
from sertool.core.inference.probe import PROBES
from sertool.core.models.build import initialise
from sertool.core.models.layers import generator
from sertool.core.runs.experiment import class_weights_of, fit_inputs, open_experiment
from sertool.core.runs.members import new_stack
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import Note, train_recipe
from sertool.core.training.batches import fit_corpora
from sertool.core.training.epoch_order import epoch_order
from sertool.core.training.loop import Member, start, train

LONGEST = 8  # frames, of the tiny recipe
BALANCED = {"balance": "corpus"}
BY_CORPUS = {"scheme": "folds", "group": "corpus"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(0, 5))
def test_each_corpus_has_as_many_places_in_an_epoch(sizes, epoch):
    corpora = torch.tensor([number for number, size in enumerate(sizes) for _ in range(size)])
    corpora = torch.cat([corpora, torch.zeros(3, dtype=torch.int64)])  # validation, which no order holds
    rows = torch.arange(sum(sizes))
    order = epoch_order(rows, corpora, "corpus", generator(1, f"order/0/{epoch}"))
    again = epoch_order(rows, corpora, "corpus", generator(1, f"order/0/{epoch}"))
    assert torch.equal(order, again)
    assert len(order) == len(rows)
    counts = Counter(corpora[order].tolist())
    each = [counts[number] for number in range(len(sizes))]
    assert max(each) - min(each) <= 1
    times = Counter(order.tolist())
    for number in range(len(sizes)):
        own = [times[row] for row in rows[corpora[rows] == number].tolist()]
        assert max(own) - min(own) <= 1


def test_without_balance_every_utterance_has_one_place():
    rows, corpora = torch.arange(9), torch.tensor([0] * 7 + [1] * 2)
    for known in (None, corpora):
        order = epoch_order(rows, known, "none", generator(1, "order/0/0"))
        assert sorted(order.tolist()) == list(range(9))
    # A large corpus has others of its utterances drawn in another epoch.
    drawn = {tuple(sorted(epoch_order(rows, corpora, "corpus", generator(1, f"{n}")).tolist())) for n in range(9)}
    assert len(drawn) > 1


def history(tmp_path, recipe, precision):
    experiment, tables = open_tiny(tmp_path, recipe, joined())
    sets = [[torch.tensor(fold.sets[name]) for name in ("train", "valid")] for fold in experiment.folds]
    members = [Member(seed, fold, *own) for seed in (1, 2) for fold, own in enumerate(sets)]
    model = new_stack(experiment, fit_inputs(experiment), len(members))
    initialise(model, [member.seed for member in members], [None] * len(members))
    state = start(model, members, recipe.training)
    return list(train(state, tables, recipe.training, class_weights_of(experiment), precision))


@pytest.mark.parametrize("splits", [{}, BY_CORPUS], ids=["one fold", "a fold of each corpus"])
def test_recorded_steps_are_the_plain_ones(tmp_path, splits):
    recipe = tiny_recipe(
        splits=splits,
        training={**BALANCED, "max_epochs": 2},
        dataset={"standardize": "each-corpus"},
        model=NO_DROPOUT,
    )
    plain, static = (history(tmp_path, recipe, replace(CPU, graphs=graphs)) for graphs in (False, True))
    assert len(plain) == len(static) == 2
    for one, other in zip(plain, static, strict=True):
        for (_, ours), (_, theirs) in zip(one.rows, other.rows, strict=True):
            assert ours.loss == pytest.approx(theirs.loss, rel=5e-4)  # rounding differs by processor
            assert ours.score == pytest.approx(theirs.score)


def test_balance_changes_the_training_and_a_killed_one_ends_with_the_same_bytes(tmp_path, monkeypatch):
    data = write_tiny(tmp_path / "data", joined())

    def complete(folder, **more):
        recipe = tiny_recipe(training={**UNEVEN, "max_epochs": 4, **more}, model=DROPOUT)
        plan = plan_training(open_experiment(recipe, data), folder, [1, 2], None, CPU)
        return list(train_recipe(plan, data, CPU))

    monkeypatch.setattr("sertool.core.runs.train.SAVING_SHARE", 1e9)
    complete(tmp_path / "whole", **BALANCED)
    complete(tmp_path / "plain")
    wanted = contents(tmp_path / "whole")
    assert wanted["run-1/model.safetensors"] != contents(tmp_path / "plain")["run-1/model.safetensors"]
    with monkeypatch.context() as patch:
        killing(patch, 9)
        with pytest.raises(Killed):
            complete(tmp_path / "killed", **BALANCED)
    complete(tmp_path / "killed", **BALANCED)
    assert contents(tmp_path / "killed") == wanted


def test_balance_needs_a_joined_corpus_and_no_context(tmp_path):
    data = write_tiny(tmp_path / "data")
    with pytest.raises(UsageError, match=r"training.balance: TINY was not joined of several corpora"):
        open_experiment(tiny_recipe(training=BALANCED), data)
    with pytest.raises(UsageError, match=r"training.balance: not with context"):
        tiny_recipe(training=BALANCED, context={"previous": 2})


def test_folds_are_the_corpora(tmp_path):
    experiment = open_experiment(tiny_recipe(splits=BY_CORPUS), write_tiny(tmp_path, joined()))
    assert [fold.name for fold in experiment.folds] == ["A", "B", "C"]
    for fold in experiment.folds:
        held = {experiment.corpus.utterances[row].corpus for row in fold.sets["test"]}
        trained = {experiment.corpus.utterances[row].corpus for row in fold.sets["train"]}
        assert held == {fold.name}
        assert len(trained) == 1
    two = write_tiny(tmp_path / "two", joined("AB"))
    with pytest.raises(UsageError, match=r"at least 3 corpora are needed, .* TINY has 2"):
        open_experiment(tiny_recipe(splits=BY_CORPUS), two)
    with pytest.raises(DataError, match="was not joined of several corpora"):
        open_experiment(tiny_recipe(splits=BY_CORPUS), write_tiny(tmp_path / "one"))


def standardised(corpus, own, rows):
    """Frames of utterance ``own`` by the mean and deviation of the real frames of others, with numpy."""
    frames = np.concatenate([corpus.audio[row][:LONGEST] for row in rows]).astype(np.float64)
    return (corpus.audio[own][:LONGEST] - frames.mean(0)) / frames.std(0)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("splits", [{}, BY_CORPUS], ids=["one fold", "a fold of each corpus"])
def test_frames_are_standardised_by_those_of_the_same_corpus(tmp_path, splits, full):
    """By its training frames; of a corpus without any in the fold by all of its frames."""
    recipe = tiny_recipe(splits=splits, dataset={"standardize": "each-corpus"})
    experiment, tables = open_tiny(tmp_path, recipe, joined())
    corpus, number = experiment.corpus, len(experiment.corpus.utterances)
    folds = list(range(len(experiment.folds)))
    rows = torch.arange(number).expand(len(folds), -1)
    inputs = tables.gather_full(rows, torch.tensor(folds)) if full else tables.gather(rows, folds)
    names = [one.corpus for one in corpus.utterances]
    for place, fold in enumerate(experiment.folds):
        for name in "ABC":
            every = [row for row in range(number) if names[row] == name]
            training = [row for row in every if row in fold.sets["train"]]
            for row in every[:4] + every[-4:]:
                wanted = standardised(corpus, row, training or every)
                found = inputs.audio[place, row][: len(wanted)].numpy()
                np.testing.assert_allclose(found, wanted, atol=2e-4)
    assert not inputs.audio[~inputs.audio_mask].any()


def test_a_run_says_which_corpora_are_held_out_and_predicts(tmp_path):
    recipe = tiny_recipe(
        splits=BY_CORPUS, dataset={"standardize": "each-corpus"}, training={"runs": 1, "max_epochs": 1}
    )
    experiment = open_experiment(recipe, write_tiny(tmp_path / "data", joined()))
    plan = plan_training(experiment, tmp_path / "ckpt/tiny", [1], None, CPU)
    notes = [event.text for event in train_recipe(plan, tmp_path / "data", CPU) if isinstance(event, Note)]
    assert (
        "standardize: each-corpus: A, B, C in a fold without training utterances: the mean and deviation of all frames "
        "of that corpus stand in, without labels" in notes
    )
    ensemble = open_ensemble("tiny", tmp_path / "ckpt", tmp_path / "data")
    (predicted,) = predict_sets(ensemble, ["test"], CPU)
    assert np.isfinite(predicted.logits).all()
    # New recordings take the statistics over all training frames of each fold; another corpus takes its own.
    new = make_corpus()
    alone = tables_for(ensemble.trained, new, CPU.device)
    assert alone.groups is None
    assert alone.mean.shape == (3, 1, 1, 5)
    own = fit_corpora(new, (), LONGEST)
    other = tables_for(ensemble.trained, new, CPU.device, corpora=own)
    frames = other.gather(torch.arange(48).unsqueeze(0), [1])
    real = frames.audio[0][frames.audio_mask[0]].numpy()
    np.testing.assert_allclose(real.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(real.std(0), 1, atol=1e-5)


def test_shuffled_audio_keeps_the_statistics_of_its_corpus(tmp_path):
    _, tables = open_tiny(tmp_path, tiny_recipe(dataset={"standardize": "each-corpus"}), joined())
    shuffled = PROBES["audio shuffled"](tables, range(len(tables.groups)))
    places = [int((tables.audio == one).flatten(1).all(1).nonzero()[0]) for one in shuffled.audio if one.any()]
    kept = [row for row, one in enumerate(shuffled.audio) if one.any()]
    assert torch.equal(shuffled.groups[kept], tables.groups[places])


def test_a_corpus_that_was_not_joined_is_standardised_as_a_whole(tmp_path):
    rows = torch.arange(48).unsqueeze(0)
    each, whole = (
        open_tiny(tmp_path / key, tiny_recipe(dataset={"standardize": key}))[1].gather(rows, [0]).audio
        for key in ("each-corpus", "corpus")
    )
    assert torch.equal(each, whole)
