"""Context of a dialogue: pieces and batches, no look ahead, members alone, and recorded shapes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import CPU, open_tiny
from dialogue_corpora import context_recipe, dialogue_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.corpora.corpus import Utterance
from sertool.core.models.build import initialise, member_view
from sertool.core.models.context import NOBODY
from sertool.core.models.inputs import Turns
from sertool.core.runs.experiment import class_weights_of, fit_inputs
from sertool.core.runs.members import new_stack
from sertool.core.training.dialogues import even_batches, pack, pack_all, pieces_of, read_dialogues, widest
from sertool.core.training.logits import logits_of
from sertool.core.training.loop import Member, start, train
from sertool.core.training.schedule import plan_epoch

STATIC = replace(CPU, graphs=True)


def told(lengths: list[int], previous: int):
    """Dialogues of these lengths, shuffled, and the true context of each utterance."""
    order = np.random.default_rng(len(lengths)).permutation(sum(lengths))
    places = [(f"d{number}", place) for number, length in enumerate(lengths) for place in range(length)]
    own = [places[row] for row in order]
    utterances = [Utterance(str(n), "train", "", (), dialogue=d, order=p) for n, (d, p) in enumerate(own)]
    row_of = {place: row for row, place in enumerate(own)}
    context = [[row_of[d, before] for before in range(max(0, p - previous), p)] for d, p in own]
    return read_dialogues(utterances, previous), context


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.integers(1, 5),
    st.integers(1, 9),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_every_utterance_that_counts_has_its_context_in_its_batch(lengths, previous, most, random):
    dialogues, context = told(lengths, previous)
    number = sum(lengths)
    wanted = torch.tensor(random.sample(range(number), random.randint(1, number)))
    packed = pack_all(dialogues, [wanted], most)
    counted = packed.counted[:, 0]
    assert sorted(counted[counted >= 0].tolist()) == list(range(len(wanted)))
    assert packed.places()[0].tolist() == [int((counted.flatten() == n).nonzero()) for n in range(len(wanted))]
    for step, place in (counted >= 0).nonzero().tolist():
        row = int(packed.index[step, 0, place])
        assert row == int(wanted[counted[step, place]])
        earlier = int(packed.turns.earlier[step, 0, place])
        assert packed.index[step, 0, place - earlier : place].tolist() == context[row]
    pieces = pieces_of(dialogues, wanted, most)
    steps = -(-len(wanted) // most)
    even = even_batches(pieces, steps)
    assert all(even), "no batch is empty"
    assert max(sum(map(len, own)) for own in even) <= widest(pieces, steps)
    assert pack([even], previous, widest(pieces, steps)).counts.sum() == len(wanted)


@pytest.fixture(scope="module", params=["mat", "mnt", "linear"])
def opened(request, tmp_path_factory):
    """A stack of three members over words and frames, and its tables."""
    recipe = context_recipe(model={"architecture": request.param})
    experiment, tables = open_tiny(tmp_path_factory.mktemp("talk"), recipe, dialogue_corpus())
    model = new_stack(experiment, fit_inputs(experiment), 3)
    initialise(model, [1, 2, 3], [None] * 3)
    with torch.no_grad():
        model.context.relation.weight.normal_(generator=torch.Generator().manual_seed(1))  # it starts at zero
    return experiment, tables, model


@pytest.mark.parametrize("precision", [CPU, STATIC], ids=["packed", "fixed shapes"])
def test_a_later_utterance_changes_no_logit_of_an_earlier_one(opened, precision):
    _, tables, model = opened
    every = [torch.arange(len(tables.text_mask))] * 3
    before = torch.stack(logits_of(model, tables, every, [0] * 3, precision, side_by_side=False))
    heard = 0
    for row in range(0, len(tables.text_mask), 3):
        changed = replace(tables, audio=tables.audio.clone(), text=tables.text.clone())
        changed.audio[row] = 5 * (changed.audio[row] + 1) * changed.audio_mask[row].unsqueeze(-1)
        changed.text[:, row] = (changed.text[:, row] > 0) * 3
        after = torch.stack(logits_of(model, changed, every, [0] * 3, precision, side_by_side=False))
        moved = set((after != before).any(0).any(-1).nonzero().flatten().tolist())
        dialogue, place = tables.dialogues.home[row].tolist()
        own = tables.dialogues.rows[dialogue]
        assert moved <= set(own[place : place + 4].tolist()), "it and the three that follow, no other"
        heard += len(moved) > 1
    assert heard > 3


def test_a_stack_is_its_members_alone_and_each_window_for_itself(opened):
    """The oracle judges each utterance on its own: torch's LSTM over its window."""
    _, tables, model = opened
    every = torch.arange(len(tables.text_mask))
    together = logits_of(model, tables, [every] * 3, [0] * 3, CPU)
    layer, dialogues = model.context, tables.dialogues
    for member in range(3):
        alone = logits_of(member_view(model, member), tables, [every], [0], CPU)[0]
        torch.testing.assert_close(alone, together[member], rtol=1e-4, atol=1e-5)
        view = member_view(model, member)
        with torch.no_grad():
            vectors = view.context.norm(view.vectors(tables.gather(every.unsqueeze(0), [0])))[0]
        lstm = torch.nn.LSTM(vectors.shape[1], layer.lstm.weight_hh.shape[2])
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(lstm, f"{name}_l0").data = getattr(layer.lstm, name)[member].detach()
        for row in every.tolist():
            dialogue, place = dialogues.home[row].tolist()
            window = slice(max(0, place - 3), place + 1)
            said, who = dialogues.rows[dialogue][window], dialogues.speakers[dialogue][window].tolist()
            relation = [2 if NOBODY in (own, who[-1]) else int(own != who[-1]) for own in who]
            with torch.no_grad():
                states, _ = lstm(vectors[said] + layer.relation.weight[member][relation])
                added = states[-1] @ layer.output.weight[member].T + layer.output.bias[member]
                expected = view.classify((vectors[row] + added)[None, None])[0, 0]
            torch.testing.assert_close(alone[row], expected, rtol=1e-4, atol=1e-5)


def test_without_a_dialogue_an_utterance_is_judged_as_the_first_of_one(opened):
    _, tables, model = opened
    every = [torch.arange(len(tables.text_mask))] * 3
    lone = replace(tables, dialogues=tables.dialogues.masked())
    masked = logits_of(model, lone, every, [0] * 3, CPU)
    with torch.no_grad():
        unknown = model(tables.gather(torch.stack(every), [0] * 3))
        home = tables.dialogues.home.tolist()
        numbers = torch.tensor([int(tables.dialogues.speakers[d][p]) for d, p in home]).expand(3, -1)
        first = model(tables.gather(torch.stack(every), [0] * 3, Turns(torch.zeros_like(numbers), numbers)))
    torch.testing.assert_close(torch.stack(masked), first, rtol=1e-4, atol=1e-5)
    nameless = (numbers[0] == NOBODY).nonzero().flatten()
    torch.testing.assert_close(first[:, nameless], unknown[:, nameless])


def test_word_vectors_are_those_of_words_not_of_relations(opened):
    experiment, _, _ = opened
    model = new_stack(experiment, fit_inputs(experiment), 2)
    rows, width = model.text_encoder.embedding.weight.shape[1:]
    initialise(model, [1, 2], [torch.ones(rows, width), None])
    assert (model.text_encoder.embedding.weight[0] == 1).all()
    assert (model.context.relation.weight == 0).all()


def test_shuffled_context_is_another_utterances_and_leaves_who_spoke(opened):
    _, tables, _ = opened
    dialogues = tables.dialogues
    order = torch.arange(len(dialogues.home)).flip(0)
    shuffled = dialogues.shuffled(order)
    for row, (dialogue, place) in enumerate(dialogues.home.tolist()):
        own, at = shuffled.home[row].tolist()
        before = dialogues.rows[dialogue][max(0, place - 3) : place]
        assert shuffled.rows[own].tolist() == [*order[before].tolist(), row]
        assert at == len(before)
        speakers = dialogues.speakers[dialogue][max(0, place - 3) : place + 1]
        assert shuffled.speakers[own].tolist() == speakers.tolist()


def trained(folder, recipe, precision):
    experiment, tables = open_tiny(folder, recipe, dialogue_corpus())
    sets = experiment.folds[0].sets
    members = [Member(seed, 0, torch.tensor(sets["train"]), torch.tensor(sets["valid"])) for seed in (1, 2)]
    model = new_stack(experiment, fit_inputs(experiment), 2)
    initialise(model, [1, 2], [None] * 2)
    return list(train(start(model, members, recipe.training), tables, recipe.training, None, precision))


@pytest.mark.parametrize("sections", [{}, {"training": {"batch_size": 5, "schedule": "onecycle"}}])
def test_an_epoch_on_fixed_shapes_is_that_of_the_plain_steps(tmp_path, sections):
    recipe = context_recipe(**sections)
    plain, static = (trained(tmp_path / where, recipe, p) for where, p in (("a", CPU), ("b", STATIC)))
    assert len(plain) == len(static)
    for ours, theirs in zip(static, plain, strict=True):
        for (_, own), (_, other) in zip(ours.rows, theirs.rows, strict=True):
            assert own.loss == pytest.approx(other.loss, rel=5e-4)
            assert (own.score, own.outcome) == (other.score, other.outcome)


def test_a_dialogue_longer_than_a_batch_is_divided_and_every_epoch_has_the_same_shape(tmp_path):
    recipe = context_recipe(previous=2, training={"batch_size": 3})
    experiment, tables = open_tiny(tmp_path, recipe, dialogue_corpus(longest=20))
    train_rows = torch.tensor(experiment.folds[0].sets["train"])
    shapes = set()
    for epoch in range(4):
        order = train_rows[torch.randperm(len(train_rows), generator=torch.Generator().manual_seed(epoch))]
        schedule = plan_epoch([order], recipe.training, epoch, [0], tables.dialogues)
        shapes.add(tuple(schedule.index.shape))
        assert int(schedule.sizes.sum()) == len(train_rows)
        assert schedule.weights().sum() == len(train_rows)
        judged = schedule.index[schedule.packed.counts]
        assert sorted(judged.tolist()) == sorted(train_rows.tolist())
    assert len(shapes) == 1
    assert class_weights_of(experiment) is None


def test_a_batch_that_does_not_fit_into_memory_is_halved(opened, monkeypatch):
    _, tables, model = opened
    rows = [torch.arange(40)] * 3
    expected = logits_of(model, tables, rows, [0] * 3, CPU, side_by_side=False)
    forward = type(model).forward

    def limited(self, inputs, *arguments):
        if inputs.audio.shape[1] > 9:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(self, inputs, *arguments)

    monkeypatch.setattr(type(model), "forward", limited)
    got = logits_of(model, tables, rows, [0] * 3, CPU, side_by_side=False)
    for own, other in zip(got, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)
