"""Training for scores and for raters' shares: stacks, fixed shapes, parts, folds, and what a member predicts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from builders import CPU, NO_DROPOUT, make_corpus, open_tiny, tiny_recipe

from sertool.core.errors import DataError
from sertool.core.metrics.scores import score_figures
from sertool.core.models.build import initialise, member_view
from sertool.core.runs.experiment import class_weights_of, fit_inputs
from sertool.core.runs.members import Trained, TrainedMember, new_stack, stack_of
from sertool.core.training.batches import Standardization
from sertool.core.training.logits import logits_of
from sertool.core.training.loop import Member, start, train, train_epoch, validate
from sertool.core.training.steps import losses

STATIC = replace(CPU, graphs=True)
FOLDED = {"scheme": "folds", "group": "speaker", "folds": 3}
SCORES = {"target": "scores", "task": "arousal, valence"}


def scored_corpus(*, missing=0.2, seed=1):
    """Return the tiny corpus with two scores; ``missing`` is the share of utterances without arousal."""
    random, corpus = np.random.default_rng(seed), make_corpus()
    utterances = []
    for row, utterance in enumerate(corpus.utterances):
        loud = float(corpus.audio[row].mean()) if len(corpus.audio[row]) else 0.0
        labels = {"arousal": float(np.clip(4 + loud + random.normal(0, 0.3), 1, 7)), "valence": random.uniform(-1, 1)}
        if random.random() < missing:
            del labels["arousal"]
        utterances.append(replace(utterance, labels=labels))
    ranges = {"arousal": (1.0, 7.0), "valence": (-1.0, 1.0)}
    return replace(corpus, utterances=tuple(utterances), classes={}, ranges=ranges)


def rated_corpus(*, seed=1):
    """Return the tiny corpus with four raters of each utterance, the label being what most of them chose."""
    random, corpus = np.random.default_rng(seed), make_corpus()
    classes = corpus.classes["emotion"]
    utterances = []
    for utterance in corpus.utterances:
        others = [classes[int(random.integers(3))] for _ in range(2)]
        said = [utterance.labels["emotion"], *others, utterance.labels["emotion"]]
        counts = [said.count(name) for name in classes]
        labels = {"emotion": classes[int(np.argmax(counts))]} if counts.count(max(counts)) == 1 else {}
        ratings = {"emotion": {f"r{number}": name for number, name in enumerate(said)}}
        utterances.append(replace(utterance, labels=labels, ratings=ratings))
    return replace(corpus, utterances=tuple(utterances))


def opened(tmp_path, recipe, corpus, seeds=(1, 2)):
    experiment, tables = open_tiny(tmp_path, recipe, corpus)
    sets = [tuple(torch.tensor(fold.sets[name]) for name in ("train", "valid")) for fold in experiment.folds]
    members = [Member(seed, fold, *own) for seed in seeds for fold, own in enumerate(sets)]
    model = new_stack(experiment, fit_inputs(experiment), len(members))
    initialise(model, [member.seed for member in members], [None] * len(members))
    return experiment, tables, members, model


def epochs(tmp_path, recipe, precision, corpus, seeds=(1, 2)):
    experiment, tables, members, model = opened(tmp_path, recipe, corpus, seeds)
    state = start(model, members, recipe.training)
    return list(train(state, tables, recipe.training, class_weights_of(experiment), precision))


def rows_of(trained):
    """Return loss and score of each member and epoch."""
    return {(member.name, row.epoch): (row.loss, row.score) for epoch in trained for member, row in epoch.rows}


SHORT = {"max_epochs": 2}
CASES = {
    "mse": {"training": {**SHORT, "loss": "mse"}},
    "mae": {"training": {**SHORT, "loss": "mae", "select": "mae"}},
    "ccc": {"training": {**SHORT, "loss": "ccc", "batch_size": 7}},
    "mixture in folds": {
        "splits": FOLDED,
        "training": {**SHORT, "loss": {"ccc": 1.0, "mse": 0.2}, "select": "pearson"},
    },
    "onecycle": {"training": {**SHORT, "loss": "ccc", "schedule": "onecycle", "optimizer": "adamw", "clip_norm": 0.1}},
}
OFTEN = ("ccc", "mixture in folds")  # the others are left to the slow tests


@pytest.mark.parametrize(
    "sections",
    [own if name in OFTEN else pytest.param(own, marks=pytest.mark.slow) for name, own in CASES.items()],
    ids=list(CASES),
)
def test_steps_on_fixed_shapes_are_the_plain_ones(tmp_path, sections):
    recipe = tiny_recipe(model=NO_DROPOUT, dataset=SCORES, **sections)
    plain, static = (rows_of(epochs(tmp_path / w, recipe, p, scored_corpus())) for w, p in (("a", CPU), ("b", STATIC)))
    assert plain.keys() == static.keys()
    for key, (loss, score) in plain.items():
        assert static[key] == (pytest.approx(loss, rel=1e-4), pytest.approx(score, abs=1e-4))


@pytest.mark.parametrize("sections", CASES.values(), ids=list(CASES))
def test_a_stack_gives_a_member_what_it_gets_alone(tmp_path, sections):
    recipe = tiny_recipe(model=NO_DROPOUT, dataset=SCORES, **sections)
    together = rows_of(epochs(tmp_path / "a", recipe, CPU, scored_corpus(), seeds=(1, 2, 3)))
    alone = rows_of(epochs(tmp_path / "b", recipe, CPU, scored_corpus(), seeds=(2,)))
    assert alone
    for key, (loss, score) in alone.items():
        assert together[key] == (pytest.approx(loss, rel=1e-4), pytest.approx(score, abs=1e-4))


def test_parts_of_a_batch_have_the_loss_of_the_whole(tmp_path):
    recipe = tiny_recipe(model=NO_DROPOUT, dataset=SCORES, training={"loss": "mse", "batch_size": 24})
    parted = replace(CPU, parts=2, part_threads=1)
    plain, parts = (
        rows_of(epochs(tmp_path / w, recipe, p, scored_corpus(), seeds=(1,))) for w, p in (("a", CPU), ("b", parted))
    )
    for key, (loss, score) in plain.items():
        assert parts[key] == (pytest.approx(loss, rel=1e-4), pytest.approx(score, abs=1e-4))


@pytest.mark.parametrize("architecture", ["mat", "mnt", "linear"])
def test_members_that_are_opened_predict_in_the_units_of_the_scores(tmp_path, architecture):
    """The last layer undoes the standardisation of each member's own fold."""
    recipe = tiny_recipe(model={**NO_DROPOUT, "architecture": architecture}, dataset=SCORES, splits=FOLDED)
    experiment, tables, members, model = opened(tmp_path, recipe, scored_corpus())
    inputs = fit_inputs(experiment)
    own = [
        TrainedMember(member.name, member.fold, 0.0, {n: p.detach()[place] for n, p in model.named_parameters()})
        for place, member in enumerate(members)
    ]
    trained = Trained("t", recipe, experiment.task, tuple(inputs), tuple(own), 5, None, "TINY", True)
    rows, folds = [member.valid for member in members], [member.fold for member in members]
    found = logits_of(stack_of(trained, trained.members), tables, rows, folds, CPU)
    standard = logits_of(model, tables, rows, folds, CPU)
    for values, outputs, fold in zip(found, standard, folds, strict=True):
        mean, std = (torch.tensor(part) for part in (inputs[fold].scores.mean, inputs[fold].scores.std))
        torch.testing.assert_close(values, outputs * std + mean, rtol=1e-4, atol=1e-4)


def test_statistics_are_those_of_the_training_scores_that_are_known(tmp_path):
    recipe = tiny_recipe(dataset=SCORES)
    experiment, *_ = opened(tmp_path, recipe, scored_corpus(missing=0.4))
    train_rows = experiment.folds[0].sets["train"]
    known = [experiment.corpus.utterances[row].labels for row in train_rows]
    arousal = [labels["arousal"] for labels in known if "arousal" in labels]
    assert 0 < len(arousal) < len(train_rows)
    found = fit_inputs(experiment)[0].scores
    assert isinstance(found, Standardization)
    assert found.mean[0] == pytest.approx(np.mean(arousal))
    assert found.std[0] == pytest.approx(np.std(arousal))


@pytest.mark.parametrize("select", ["ccc", "mae", "pearson"])
def test_the_validation_score_is_the_figure_in_units_and_more_is_better(tmp_path, select):
    recipe = tiny_recipe(dataset=SCORES, training={"select": select})
    experiment, tables, members, model = opened(tmp_path, recipe, scored_corpus())
    state = start(model, members, recipe.training)
    found = validate(state, tables, recipe.training, CPU)
    for place, member in enumerate(members):
        outputs = logits_of(member_view(model, place), tables, [member.valid], [0], CPU)[0]
        statistics = fit_inputs(experiment)[0].scores
        values = outputs.numpy() * np.array(statistics.std) + np.array(statistics.mean)
        figure = score_figures(np.array([experiment.targets[row] for row in member.valid.tolist()]), values)[select]
        assert found[place] == pytest.approx(-figure if select == "mae" else figure, abs=1e-5)


def test_soft_targets_are_the_shares_of_the_raters(tmp_path):
    recipe = tiny_recipe(dataset={"labels": "soft"}, training={"label_smoothing": 0.1})
    _, tables, members, _ = opened(tmp_path, recipe, rated_corpus())
    assert tables.kind == "soft"
    rows = members[0].train
    logits = torch.randn(1, len(rows), 3, generator=torch.Generator().manual_seed(0))
    found = losses(logits, tables.targets[rows][None], torch.tensor([0]), recipe.training, None, soft=True)
    wanted = F.cross_entropy(logits[0], tables.targets[rows], reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(found[0], wanted)
    assert all(share in (0.0, 0.25, 0.5, 0.75, 1.0) for share in tables.targets.flatten().tolist())


def test_ties_train_under_soft_and_are_never_judged(tmp_path):
    corpus = rated_corpus()
    tied = {row for row, one in enumerate(corpus.utterances) if "emotion" not in one.labels}
    assert tied
    soft, majority = (
        opened(tmp_path / labels, tiny_recipe(dataset={"labels": labels}), corpus)[0] for labels in ("soft", "majority")
    )
    assert soft.ties == majority.ties == len(tied)
    trained = {row for row in tied if corpus.utterances[row].split == "train"}
    assert trained <= set(soft.folds[0].sets["train"])
    assert trained.isdisjoint(majority.folds[0].sets["train"])
    for name in ("valid", "test"):
        assert soft.folds[0].sets[name] == majority.folds[0].sets[name]
        assert tied.isdisjoint(soft.folds[0].sets[name])


def test_any_class_that_a_rater_chose_is_present(tmp_path):
    corpus = rated_corpus()
    experiment, tables, *_ = opened(tmp_path, tiny_recipe(dataset={"labels": "any"}), corpus)
    assert experiment.task.kind == tables.kind == "multi"
    for utterance, target in zip(experiment.corpus.utterances, experiment.targets, strict=True):
        if utterance.split == "train":
            said = set(utterance.ratings["emotion"].values())
            assert target == tuple(int(name in said) for name in corpus.classes["emotion"])


def test_ratings_of_test_are_sealed_with_the_labels(tmp_path):
    experiment, *_ = opened(tmp_path, tiny_recipe(dataset={"labels": "soft"}), rated_corpus())
    tested = experiment.folds[0].sets["test"]
    assert all(experiment.corpus.utterances[row].ratings is None for row in tested)
    opened_again = experiment.unsealed("a test", "checks it", "decisions")
    assert all(opened_again.corpus.utterances[row].ratings["emotion"] for row in tested)


def test_stack_and_fixed_shapes_train_soft_targets_alike(tmp_path):
    recipe = tiny_recipe(model=NO_DROPOUT, dataset={"labels": "soft"}, training={**SHORT, "class_weights": "balanced"})
    plain, static = (rows_of(epochs(tmp_path / w, recipe, p, rated_corpus())) for w, p in (("a", CPU), ("b", STATIC)))
    for key, (loss, _) in plain.items():
        assert static[key][0] == pytest.approx(loss, rel=1e-4)


def relabelled(corpus, split, name, value):
    """Return the corpus with one score the same for all utterances of a split; None removes it."""
    changed = []
    for one in corpus.utterances:
        labels = {key: raw for key, raw in one.labels.items() if key != name or value is not None}
        changed.append(replace(one, labels={**labels, name: value} if value is not None else labels))
    kept = [new if new.split == split else old for new, old in zip(changed, corpus.utterances, strict=True)]
    return replace(corpus, utterances=tuple(kept))


@pytest.mark.parametrize(
    ("split", "value", "select", "message"),
    [
        ("train", 3.0, "mae", "arousal is always 3 in training: nothing can be learnt from it"),
        ("train", None, "ccc", "arousal is missing for all utterances in training: nothing can be learnt from it"),
        ("valid", 3.0, "ccc", "arousal is always 3 in validation: no correlation can choose the best epoch by it"),
        ("valid", None, "mae", "arousal is missing for all utterances in validation"),
    ],
)
def test_a_score_that_never_varies_is_refused(tmp_path, split, value, select, message):
    recipe = tiny_recipe(dataset=SCORES, training={"select": select})
    with pytest.raises(DataError, match=message):
        opened(tmp_path, recipe, relabelled(scored_corpus(), split, "arousal", value))


def test_a_constant_validation_score_is_fine_where_the_error_selects(tmp_path):
    recipe = tiny_recipe(dataset=SCORES, training={"select": "mae"})
    corpus = relabelled(scored_corpus(), "valid", "arousal", 3.0)
    _, tables, members, model = opened(tmp_path, recipe, corpus)
    state = start(model, members, recipe.training)
    train_epoch(state, tables, recipe.training, None, CPU)
    assert all(np.isfinite(validate(state, tables, recipe.training, CPU)))
