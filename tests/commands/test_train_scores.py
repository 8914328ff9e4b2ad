"""``sertool train`` of scores and of raters' votes: figures in their units, and notes on batches and ties."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from builders import CPU
from commands_run import refusal, run
from rich.console import Console
from scored_corpora import scored_corpus, voted_corpus, write_scored, write_voted

from sertool.commands._training import _Rows
from sertool.core.recipe.load import load
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.training.history import MemberEpoch
from sertool.core.training.loop import Epoch

TRAIN = ("train", "--recipe", "tiny.yaml", "--json", "train.json")


def stored_scores() -> list[float]:
    return [json.loads(path.read_text())["score"] for path in sorted(Path("ckpt/tiny").glob("run-*/run.json"))]


@pytest.mark.parametrize(("select", "sign", "best"), [("ccc", 1, max), ("mae", -1, min), ("pearson", 1, max)])
def test_figures_of_validation_are_no_percentages_and_errors_have_no_minus(here, select, sign, best):
    write_scored(here, training={"select": select})
    done = run(*TRAIN)
    assert done.exit_code == 0, done.output
    figures = [sign * score for score in stored_scores()]
    assert min(figures) > 0
    name = {"ccc": "CCC", "mae": "MAE", "pearson": "Pearson"}[select]
    assert done.stdout.splitlines()[0] == (
        f"tiny · 2 members · valid {name} {np.mean(figures):.3f} (sd {np.std(figures, ddof=1):.3f}), "
        f"best {best(figures):.3f}"
    )
    summary = json.loads((here / "train.json").read_text())
    assert {member["seed"]: member["score"] for member in summary["members"]} == pytest.approx(
        dict(zip((1, 2), figures, strict=True))
    )
    assert (summary["mean"], summary["select"], summary["kind"]) == (pytest.approx(np.mean(figures)), select, "scores")
    assert summary["text"] == done.stdout.splitlines()[0].partition(f"{name} ")[2]
    assert "TINY · valence 1 to 5, arousal 0 to 10 · train 60 · valid 30 · test 30 · 18 speakers" in done.stderr
    epochs = re.findall(
        rf"epoch \d/6 · 2 members · loss \d\.\d+ · valid {name} (\d\.\d\d\d) - (\d\.\d\d\d) · ", done.stderr
    )
    assert len(epochs) == 6
    for lowest, highest in epochs:
        assert float(lowest) <= float(highest)
    for seed, figure in zip((1, 2), figures, strict=True):
        assert f"  seed {seed} stopped after epoch 6, best {name} {figure:.3f}\n" in done.stderr


def test_the_live_table_shows_the_lowest_error_as_the_best(here):
    write_scored(here, training={"select": "mae", "runs": 1})
    experiment = open_experiment(load("tiny.yaml"), here / "data")
    plan = plan_training(experiment, here / "ckpt/tiny", [1], None, CPU)
    console = Console(width=100, color_system=None)
    view = _Rows(plan, "", console)
    for number, score in enumerate([-0.8, -0.5, -0.6], start=1):
        view.take(Epoch(number, [(plan.members[0], MemberEpoch(number, 1.2, score, 1e-3, ""))], []))
    with console.capture() as captured:
        console.print(view._table())
    header, row = [line.split() for line in captured.get().splitlines()]
    assert header == ["seed", "epoch", "loss", "MAE", "best", "lr", "left"]
    assert row[:2] + row[3:6] == ["1", "3/6", "1.200", "0.600", "0.500"]


def test_a_last_batch_of_one_utterance_is_explained_where_the_loss_is_a_correlation(here):
    note = (
        "the last batch of an epoch holds 1 utterance: too few for a correlation, so its squared error counts instead"
    )
    for train, loss, told in ((49, "ccc", True), (49, "mse", False), (50, "ccc", False)):
        write_scored(here, scored_corpus({"train": train, "valid": 20, "test": 20}), training={"loss": loss})
        done = run(*TRAIN, "--runs", "1", "--name", f"{train}{loss}", "--set", "training.max_epochs=1")
        assert done.exit_code == 0, done.output
        assert (note in done.stderr) == told
    folds = ("--set", "splits.scheme=folds", "--set", "splits.folds=3", "--set", "training.loss=ccc")
    done = run(*TRAIN, "--runs", "1", "--name", "folds", *folds, "--set", "training.max_epochs=1")
    sizes = [
        len(fold.sets["train"]) for fold in open_experiment(load("tiny.yaml", list(folds[1::2])), here / "data").folds
    ]
    short = sum(size % 8 == 1 for size in sizes)
    assert (f"holds 1 utterance in {short} of 3 folds: " in done.stderr) == (short > 0)


def test_batches_of_one_utterance_have_no_correlation(here):
    write_scored(here)
    told = "batch_size: loss ccc needs batches of at least 2; one utterance has no correlation"
    batches = ("--set", "training.batch_size=1")
    for loss in ("ccc", "{ccc: 1, mse: 1}"):
        assert told in refusal(*TRAIN, *batches, "--set", f"training.loss={loss}", code=2)
    assert run(*TRAIN, *batches, "--set", "training.max_epochs=1").exit_code == 0


@pytest.mark.parametrize(
    ("labels", "fate"),
    [
        ("soft", "they train, and are in neither validation nor test"),
        ("majority", "left out"),
        ("any", None),
    ],
)
def test_it_says_what_becomes_of_utterances_whose_raters_tie(here, labels, fate):
    corpus = voted_corpus()
    write_voted(here, corpus, labels=labels, training={"runs": 1, "max_epochs": 1})
    done = run(*TRAIN)
    assert done.exit_code == 0, done.output
    ties = sum(not one.labels for one in corpus.utterances)
    assert ties > 10
    assert (f"raters tie on {ties} utterances: {fate}\n" in done.stderr) == (fate is not None)
    assert ("raters tie" in done.stderr) == (fate is not None)
