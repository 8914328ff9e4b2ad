"""Problems of a recipe: what is refused, and in which words."""

from typing import get_args

import pytest

from sertool.core.corpora.readers.layouts import LAYOUTS
from sertool.core.errors import UsageError
from sertool.core.recipe import load as recipe
from sertool.core.recipe.frontends import Frontend
from sertool.core.recipe.schema import TASKS, Dataset, Model, Splits, Training

MINIMAL = {"name": "x", "about": "y", "dataset": {"path": "P"}}


def refused(**changes) -> list[str]:
    """The problems of a minimal recipe with some changes, one a line."""
    with pytest.raises(UsageError) as caught:
        recipe.validate({**MINIMAL, **changes}, "x.yaml")
    first, *lines = str(caught.value).split("\n")
    assert first == f"x.yaml: {len(lines)} problem{'s' * (len(lines) > 1)}"
    return [line.removeprefix("  ") for line in lines]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"dataset": {}}, "dataset.path: is missing; give it with --set dataset.path=data/MYSET"),
        ({"trainig": {}}, "trainig: unknown key, did you mean 'training'?"),
        ({"training": {"batch": 3}}, "training.batch: unknown key, did you mean 'batch_size'?"),
        (
            {"expected": {"test": {"utterances": 2, "zzz": 1}}},
            "expected.test.zzz: unknown key, expected one of utterances, classes",
        ),
        ({"model": 5}, "model: expected a table of keys (got 5)"),
        ({"model": None}, "model: expected a table of keys (got null)"),
        ({"about": ""}, 'about: must not be empty (got "")'),
        ({"about": 5}, 'about: expected text; quote it: "5" (got 5)'),
        ({"about": True}, "about: expected text (got true)"),
        (
            {"name": "../x"},
            'name: expected letters, digits, dots, dashes, underscores; a letter or digit first (got "../x")',
        ),
        (
            {"training": {"select": "uarr"}},
            "training.select: expected accuracy, uar, f1_weighted, ccc, mae or pearson, "
            "did you mean 'uar'? (got \"uarr\")",
        ),
        ({"training": {"runs": 0}}, "training.runs: must be at least 1 (got 0)"),
        ({"training": {"runs": 1.5}}, "training.runs: expected a whole number (got 1.5)"),
        ({"training": {"learning_rate": "fast"}}, 'training.learning_rate: expected a number (got "fast")'),
        (
            {"training": {"learning_rate": float("nan")}},
            "training.learning_rate: expected a finite number (got NaN)",
        ),
        (
            {"training": {"clip_norm": float("inf")}},
            "training.clip_norm: expected a finite number (got Infinity)",
        ),
        ({"training": {"learning_rate": 0}}, "training.learning_rate: must be at least 1e-12 (got 0)"),
        ({"training": {"warmup": 1}}, "training.warmup: must be below 1 (got 1)"),
        (
            {"training": {"class_weights": "equal"}},
            "training.class_weights: expected none, balanced, or a list with one number above 0 for each class",
        ),
        ({"training": {"weight_decay": 0.1}}, "training.weight_decay: only with optimizer: adamw"),
        (
            {"training": {"seed": 2**31 - 2}},
            "training.seed: the last run's would be above 2147483647",
        ),
        ({"training": {"seed": 10**70}}, f"training.seed: must be at most 2147483647 (got 1{'0' * 58}…)"),
        ({"model": {"hidden_size": 511}}, "model.hidden_size 511 is not a multiple of num_heads 8"),
        (
            {"frontend": {"window_length": 4096}},
            "frontend.window_length 4096 is longer than fft_size 2048",
        ),
        ({"published": [{"metric": "uar", "value": 0.5}]}, "published[0].source: is missing"),
        (
            {"expected": {"dev": {"utterances": 3}}},
            'expected.dev: expected train, valid, test or private (got "dev")',
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_key(changes, problem):
    assert refused(**changes) == [problem]


@pytest.mark.parametrize(
    ("dataset", "problem"),
    [
        ({"reader": "mosi"}, "dataset.task: reader mosi knows sentiment (got 'emotion')"),
        ({"reader": "mosi", "task": "sentiment"}, "dataset.num_classes: mosi sentiment needs 2 or 7"),
        (
            {"reader": "mosei", "num_classes": 7},
            "dataset.num_classes: mosei emotion always has 6 classes; leave it out",
        ),
        (
            {"reader": "meld", "task": "mood"},
            "dataset.task: reader meld knows emotion and sentiment (got 'mood')",
        ),
        ({"reader": "mosi", "task": "sentiment", "num_classes": 3}, "dataset.num_classes: expected 2 or 7"),
        (
            {"reader": "meld", "words": "zh"},
            "dataset.words: only with reader: corpus; the data of meld hold words, not texts",
        ),
        ({"modalities": ["text", "text"]}, "dataset.modalities: text is given twice"),
        ({"modalities": []}, "dataset.modalities: expected at least 1 entry (got [])"),
    ],
)
def test_a_data_set_must_fit_its_reader(dataset, problem):
    assert refused(dataset={"path": "P", **dataset}) == [problem]


@pytest.mark.parametrize(
    ("splits", "problem"),
    [
        (
            {"valid": "test"},
            "splits: valid and test are both 'test', so the best epoch would be picked on test;"
            " only protocol: paper does that",
        ),
        (
            {"scheme": "folds", "folds": 2},
            "splits.folds: at least 3 are needed (one tests, the next one validates, the rest train)",
        ),
        (
            {"scheme": "folds", "folds": []},
            "splits.folds: at least 3 are needed (one tests, the next one validates, the rest train)",
        ),
        ({"folds": 5}, "splits.folds: only with scheme: folds"),
        ({"scheme": "folds", "folds": [["a"], ["b"], ["a"]]}, "splits.folds: 'a' is given twice"),
        (
            {"scheme": "folds", "folds": [["a"], ["b"], []]},
            "splits.folds: expected a number of folds, or a list of lists of group names",
        ),
        ({"valid_groups": ["a"]}, "splits.valid_groups: only with scheme: holdout"),
        ({"scheme": "holdout", "valid_groups": [3, "3"]}, "splits.valid_groups: '3' is given twice"),
        (
            {"scheme": "holdout", "valid_fraction": 0},
            "splits.valid_fraction: 0 leaves nothing to validate on; give valid_groups or a share above 0",
        ),
        ({"test_fraction": 0.1}, "splits.test_fraction: only with scheme: holdout"),
        (
            {"scheme": "holdout", "valid_fraction": 0.5, "test_fraction": 0.5},
            "splits.valid_fraction and test_fraction leave nothing to train on",
        ),
    ],
)
def test_splits_must_make_sense(splits, problem):
    assert refused(splits=splits) == [problem]


def test_all_problems_are_told_at_once():
    found = refused(trainig={}, model={"hiden_size": 3}, training={"runs": 0, "select": "best"})
    assert found == [
        "model.hiden_size: unknown key, did you mean 'hidden_size'?",
        "training.runs: must be at least 1 (got 0)",
        'training.select: expected accuracy, uar, f1_weighted, ccc, mae or pearson (got "best")',
        "trainig: unknown key, did you mean 'training'?",
    ]


def test_class_weights_must_be_one_a_class_where_the_classes_are_known():
    changes = {"dataset": {"path": "P", "reader": "meld"}, "training": {"class_weights": [1, 2]}}
    assert refused(**changes) == ["training.class_weights: 2 given, the task has 7 classes"]


def test_the_paper_protocol_may_validate_on_test():
    made = recipe.validate({**MINIMAL, "protocol": "paper", "splits": {"valid": "test"}}, "x")
    assert made.splits.valid == made.splits.test == "test"


def test_numbered_groups_are_names():
    splits = {"scheme": "folds", "folds": [[3, "08"], [9], [10]]}
    assert recipe.validate({**MINIMAL, "splits": splits}, "x").splits.folds == [["3", "08"], ["9"], ["10"]]


def test_the_schema_knows_the_readers_and_their_tasks():
    """The schema may not import the readers, so it repeats their tasks and numbers of classes."""
    readers = get_args(Dataset.model_fields["reader"].annotation)
    assert set(readers) == {*LAYOUTS, "corpus"}
    found = {
        name: {
            task: None if number is not None else len(known.classes) for (task, number), known in layout.tasks.items()
        }
        for name, layout in LAYOUTS.items()
    }
    assert found == TASKS


def numbers_of(section) -> list[str]:
    """The keys of a section that take a number."""
    return [
        name
        for name, field in section.model_json_schema()["properties"].items()
        if {"integer", "number"} & {part.get("type") for part in [field, *field.get("anyOf", [])]}
    ]


SECTIONS = {"dataset": Dataset, "frontend": Frontend, "splits": Splits, "model": Model, "training": Training}
NUMBERS = [(section, key) for section, model in SECTIONS.items() for key in numbers_of(model)]


@pytest.mark.parametrize("value", [10**31, 10**400, -1, 1e308, float("inf"), float("nan")], ids=lambda v: f"{v!s:.9}")
@pytest.mark.parametrize(("section", "key"), NUMBERS)
def test_a_number_that_no_machine_can_hold_is_refused_by_its_key(section, key, value):
    (problem,) = refused(**{section: {**MINIMAL.get(section, {}), key: value}})
    assert problem.startswith(f"{section}.{key}: ")


@pytest.mark.parametrize(("section", "key"), NUMBERS)
def test_every_number_has_two_bounds(section, key):
    field = SECTIONS[section].model_json_schema()["properties"][key]
    for part in [field, *field.get("anyOf", [])]:
        if part.get("type") in ("integer", "number") and "enum" not in part:
            assert {"minimum", "exclusiveMinimum"} & set(part)
            assert {"maximum", "exclusiveMaximum"} & set(part)


def test_twenty_thousand_unknown_keys_are_told_in_twenty_lines():
    with pytest.raises(UsageError) as caught:
        recipe.validate({**MINIMAL, **{f"k{number}": number for number in range(20_000)}}, "x.yaml")
    lines = str(caught.value).split("\n  ")
    assert (len(lines), lines[0], lines[-1]) == (22, "x.yaml: 20,000 problems", "... and 19,980 more")
    assert len(str(caught.value)) < 4000


def test_a_recipe_of_megabytes_is_not_read(tmp_path):
    (tmp_path / "x.yaml").write_text("about: " + "x" * 2_000_000)
    with pytest.raises(UsageError, match=r"x\.yaml: larger than 1\.0 MB, which is the most that is read"):
        recipe.load(str(tmp_path / "x.yaml"))
