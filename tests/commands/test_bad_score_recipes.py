"""Recipes, votes and earlier runs that do not fit a corpus of scores or of raters: one message each."""

from dataclasses import replace

import pytest
from builders import make_corpus, write_tiny
from commands_run import files, refusal, run, tiny
from scored_corpora import scored_corpus, voted_corpus, write_scored, write_voted

TRAIN = ("train", "--recipe", "tiny.yaml", "--runs", "1")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            ("dataset.task=valance",),
            "dataset.task: TINY has no score 'valance', did you mean 'valence'?\n  try: its scores: valence, arousal",
        ),
        (
            ("dataset.task=valence, mood",),
            "dataset.task: TINY has no score 'mood'\n  try: its scores: valence, arousal",
        ),
        (
            ("dataset.target=classes", "training.loss=null", "training.select=uar", "dataset.task=valence"),
            "dataset.task: TINY's valence is a score from 1 to 5, the recipe predicts classes\n"
            "  try: a recipe for scores, such as custom-scores, predicts it; tasks of classes: none",
        ),
        (
            ("dataset.target=classes", "training.loss=null", "training.select=uar", "dataset.task=emotion"),
            "dataset.task: TINY has no task 'emotion'\n"
            "  try: its tasks: none; a recipe for scores, such as custom-scores, predicts valence, arousal",
        ),
        (
            ("dataset.target=classes", "training.class_weights=balanced"),
            "tiny.yaml: 2 problems\n"
            "  training.select: target: classes is selected by accuracy, uar, f1_weighted (got 'ccc')\n"
            "  training.loss: only with dataset.target: scores; classes have the cross-entropy",
        ),
        (
            ("training.class_weights=balanced", "training.label_smoothing=0.1", "training.select=uar"),
            "tiny.yaml: 3 problems\n"
            "  training.select: target: scores is selected by ccc, mae, pearson (got 'uar')\n"
            "  training.class_weights: only with dataset.target: classes\n"
            "  training.label_smoothing: only with dataset.target: classes",
        ),
        (
            ("dataset.labels=soft",),
            "tiny.yaml: 1 problem\n"
            "  dataset.labels: only with target: classes; the mean of several raters is the target of a score",
        ),
    ],
)
def test_a_recipe_that_asks_a_corpus_of_scores_for_something_else(here, settings, told):
    write_scored(here)
    before = files(here)
    options = [part for setting in settings for part in ("--set", setting)]
    assert refusal(*TRAIN, *options, code=2) == f"error: {told}\n"
    assert files(here) == before


def test_a_recipe_that_asks_a_corpus_of_classes_for_scores(here):
    write_scored(here, make_corpus())
    assert refusal(*TRAIN, code=2) == (
        "error: dataset.target: TINY has no scores\n"
        "  try: a recipe for classes, such as custom, fits; its tasks: emotion\n"
    )
    assert refusal(*TRAIN, "--set", "dataset.task=emotion", code=2) == (
        "error: dataset.task: TINY's emotion is a task of classes, and the recipe predicts scores\n"
        "  try: a recipe for classes, such as custom, predicts it; its scores: none\n"
    )


@pytest.mark.parametrize("labels", ["soft", "any"])
def test_votes_that_say_nothing_about_the_task_are_refused(here, labels):
    none = (
        "error: dataset.labels: TINY holds no votes of raters for emotion\n"
        "  try: --set dataset.labels=majority; `sertool prepare` reads votes from the columns rater_1, rater_2, ... or "
        "votes\n"
    )
    foreign = (
        "error: dataset.labels: the raters of TINY chose none of the classes of emotion: angry, happy, sad\n"
        "  try: --set dataset.labels=majority trains on the labels\n"
    )
    for said, told, code in ((None, none, 2), ("bored", foreign, 1), (3.5, foreign, 1)):
        ratings = None if said is None else {"emotion": {"ann": said}}
        utterances = tuple(replace(one, ratings=ratings) for one in voted_corpus().utterances)
        write_voted(here, replace(voted_corpus(), utterances=utterances), labels=labels)
        assert refusal(*TRAIN, code=code) == told
    assert not (here / "ckpt").exists()


def test_no_run_starts_from_one_of_another_kind(here):
    short = {"runs": 1, "max_epochs": 1}
    write_scored(here, training=short)
    assert run(*TRAIN, "--name", "scores").exit_code == 0
    (here / "tiny.yaml").rename("scores.yaml")
    (here / "data/TINY").rename(here / "data/SCORES")
    tiny(here, training=short)
    assert run(*TRAIN, "--name", "classes").exit_code == 0
    before = files(here)
    told = refusal(*TRAIN, "--name", "new", "--from", "scores", code=2)
    assert told.endswith(
        "error: --from scores: it predicts scores (valence, arousal), the recipe predicts classes (angry, happy, sad)\n"
        "  try: start from a run for classes\n"
    )
    arguments = ("train", "--recipe", "scores.yaml", "--set", "dataset.path=SCORES", "--name", "new")
    told = refusal(*arguments, "--from", "classes", code=2)
    assert told.endswith(
        "error: --from classes: it predicts classes (angry, happy, sad), the recipe predicts scores (valence, "
        "arousal)\n  try: start from a run for scores\n"
    )
    # What stays of a training that could not start is an empty folder at most.
    assert files(here) - before <= {"ckpt/new/.lock"}


def test_a_folder_of_scores_takes_no_other_recipe(here):
    write_scored(here, training={"runs": 1, "max_epochs": 1})
    assert run(*TRAIN).exit_code == 0
    before = {name: (here / name).read_bytes() for name in files(here)}
    for setting, told in (
        ("training.loss=ccc", "training.loss mse -> ccc"),
        ("dataset.clip=true", "dataset.clip False -> True"),
        ("dataset.task=valence", "dataset.task all -> valence"),
    ):
        assert f"error: ckpt/tiny: holds a run of another recipe: {told}\n" in refusal(*TRAIN, "--set", setting, code=2)
    # Another range is other data, even where every score is the same.
    write_tiny(here / "data", replace(scored_corpus(), ranges={"valence": (1.0, 6.0), "arousal": (0.0, 10.0)}))
    assert "error: ckpt/tiny: holds a run on other data than TINY as it is now\n" in refusal(*TRAIN, code=2)
    after = {name: (here / name).read_bytes() for name in files(here)}
    assert {name for name in before if after[name] != before[name]} == {"data/TINY/corpus.json"}
