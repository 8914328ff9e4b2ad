"""Every file of a run altered in one place: its readers take it, or refuse it with one message."""

import math
import random
import shutil
import warnings
from itertools import islice
from pathlib import Path

import pytest
from altered_files import alter
from builders import CPU, tiny_recipe, write_tiny
from scored_corpora import scored_corpus, scored_recipe

from sertool.core.corpora.corpus import Corpus
from sertool.core.errors import SertoolError
from sertool.core.export.source import open_trained
from sertool.core.inference.ensemble import open_ensemble, run_members
from sertool.core.inference.evaluate import evaluate
from sertool.core.recipe.load import Recipe
from sertool.core.reports.build import build_report
from sertool.core.runs import train as training
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.group_files import sweep
from sertool.core.runs.plan import plan_training
from sertool.core.runs.score_intervals import read_intervals
from sertool.core.runs.temperature import read_calibration
from sertool.core.runs.train import train_recipe

SCORED = scored_recipe(training={"runs": 2, "max_epochs": 6})
RECIPE = tiny_recipe(training={"runs": 2, "max_epochs": 6}, dataset={"standardize": "corpus"}, protocol="paper")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run that started from another, with predictions and probes, and a member that is still in training."""
    return started(tmp_path_factory.mktemp("altered"), RECIPE, None)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A run of a task of scores with several raters."""
    return started(tmp_path_factory.mktemp("scored"), SCORED, scored_corpus(raters=2))


def started(here: Path, recipe: Recipe, corpus: Corpus | None) -> Path:
    data = write_tiny(here / "data", corpus)
    experiment = open_experiment(recipe, data)
    list(train_recipe(plan_training(experiment, here / "ckpt/old", [1], None, CPU), data, CPU))
    plan = plan_training(experiment, here / "ckpt/tiny", [1, 2], None, CPU, "old")
    list(train_recipe(plan, data, CPU))
    evaluate(open_ensemble("tiny", here / "ckpt", data), ["test"], 2, CPU, "a test", probed=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SAVING_SHARE", math.inf)
        events = train_recipe(plan_training(experiment, here / "ckpt/tiny", [3], None, CPU, "old"), data, CPU)
        list(islice(events, 5))
        events.close()
    assert (here / "ckpt/tiny/state/group-0.safetensors").is_file()
    return here


def readers(here: Path, recipe: Recipe):
    """Everything that reads a run: evaluation, export, then what takes longer, a report and a resumed training."""
    output, data = here / "ckpt", here / "data"

    def evaluation():
        ensemble = open_ensemble("tiny", output, data)
        run_members(ensemble, ensemble.experiment, ["valid"], CPU)

    yield evaluation
    yield lambda: open_trained("tiny", output, data, None)
    yield lambda: (read_calibration(output / "tiny"), read_intervals(output / "tiny"))
    yield lambda: build_report(["tiny"], output, data)

    def resume():
        plan = plan_training(open_experiment(recipe, data), output / "tiny", [3], None, CPU, "old")
        sweep(plan)
        list(islice(train_recipe(plan, data, CPU), 3))

    yield resume


def check(place: Path, folder: Path, number: int, *, all_readers: bool, recipe: Recipe = RECIPE) -> None:
    chance = random.Random(number)
    files = sorted(path for path in (place / "ckpt/tiny").rglob("*") if path.is_file() and path.stat().st_size)
    chosen = files[number % len(files)].relative_to(place)
    shutil.copytree(place, folder, symlinks=True)
    what = alter(folder / chosen, chance)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for read in readers(folder, recipe) if all_readers else islice(readers(folder, recipe), 3):
            try:
                read()
            except SertoolError as error:
                told = str(error)
                assert len(told) < 5000, f"{number}: {chosen} {what}: {told[:300]}"
            except Exception as error:
                raise AssertionError(f"{number}: {chosen} {what}: {type(error).__name__}: {error!s:.300}") from error
    shutil.rmtree(folder)


@pytest.mark.parametrize("block", range(2))
def test_an_altered_file_is_taken_or_refused(place, tmp_path, block):
    for number in range(block * 30, block * 30 + 30):
        check(place, tmp_path / str(number), number, all_readers=number % 5 == 0)


def test_an_altered_file_of_scores_is_taken_or_refused(scored, tmp_path):
    for number in range(20):
        check(scored, tmp_path / str(number), number, all_readers=False, recipe=SCORED)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5))
def test_five_hundred_altered_files_are_taken_or_refused(place, tmp_path, block):
    for number in range(1000 + block * 100, 1100 + block * 100):
        check(place, tmp_path / str(number), number, all_readers=True)
