"""Recipes: YAML, what `extends` and `--set` do, and that whatever a file holds is loaded or refused."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.errors import UsageError
from sertool.core.files.yaml_file import MAX_DEPTH, dump_yaml, parse_yaml
from sertool.core.recipe import load as recipe
from sertool.core.recipe.frontends import Frontend, SpeechEncoder
from sertool.core.recipe.schema import Dataset, Expected, Published, Recipe, Splits, Training

QUICK = settings(deadline=None, max_examples=60)
MINIMAL = {"name": "x", "about": "y", "dataset": {"path": "P"}}


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


# YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("5E3", 5e3),
        ("-1.5e+2", -150.0),
        (".5", 0.5),
        ("3.", 3.0),
        ("1_000", 1000),
        ("07", "07"),
        ("0x10", "0x10"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("~", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("<<", "<<"),
        ("=", "="),
        ("[03, 10]", ["03", 10]),
        (".inf", float("inf")),
    ],
)
def test_plain_words_are_read_as_meant(text, value):
    parsed = parse_yaml(text, "x")
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "x, line 3, column 1: key 'a' is given twice"),
        ("a: &n 1\nb: *n", "x, line 2, column 4: aliases (*name) are not supported"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "x, line 1, column 4: tags (tag:yaml.org,2002:python/object/apply:os.system) are not supported",
        ),
        ("a: !!str 1", "x, line 1, column 4: tags (tag:yaml.org,2002:str) are not supported"),
        ("1: 2", "x, line 1, column 1: key 1 is not text"),
        ("[a]: 2", "x, line 1, column 1: key ['a'] is not text"),
        ("[" * 2000, f"x, line 1, column {MAX_DEPTH + 1}: nested more than {MAX_DEPTH} deep"),
        ('"\\ud800"', "x, line 1, column 1: half a character (a lone surrogate) is not text"),
        ("a: [1", "x, line 1, column 6: expected ',' or ']', but got '<stream end>'"),
        ("9" * 5000, "x: not valid YAML (Exceeds the limit (4300 digits) for integer string conversion"),
        ("--- 1\n--- 2", "x, line 2, column 1: but found another document"),
    ],
)
def test_yaml_that_is_refused(text, problem):
    with pytest.raises(UsageError) as caught:
        parse_yaml(text, "x")
    assert str(caught.value).startswith(problem)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORDS = st.sampled_from(
    ["1e-4", "no", "03", "1:30", "null", "~", "", "=", "<<", "0x1", "1_0", ".inf", "-", "? a", "a: b"]
)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | WORDS
CONTENT = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | WORDS, inner, max_size=3),
    max_leaves=12,
)


@QUICK
@given(st.dictionaries(TEXT | WORDS, CONTENT, max_size=4))
def test_what_is_dumped_is_read_back(content):
    assert parse_yaml(dump_yaml(content), "x") == content


@QUICK
@given(st.text(max_size=80) | st.text("[]{}:,-&*!|>'\"%@`#? \n\tab01.e~<=", max_size=60))
def test_any_text_is_yaml_or_refused(text):
    with suppress(UsageError):
        parse_yaml(text, "x")


# Files, extends and --set


def test_extends_changes_only_what_is_given(tmp_path):
    path = write(tmp_path, "mine.yaml", "extends: iemocap\ntraining: {runs: 3}\n")
    made, base = recipe.load(path), recipe.load("iemocap")
    assert made.name == "mine"
    assert made.training == base.training.model_copy(update={"runs": 3})
    assert (made.dataset, made.model, made.published) == (base.dataset, base.model, base.published)


def test_a_relative_path_is_meant_from_the_file_that_names_it(tmp_path):
    write(tmp_path, "base.yaml", "about: b\ndataset: {path: P}\n")
    (tmp_path / "inner").mkdir()
    assert recipe.load(write(tmp_path / "inner", "top.yaml", "extends: ../base.yaml\n")).about == "b"


def test_a_circle_of_extends_is_refused(tmp_path):
    write(tmp_path, "a.yaml", "extends: b.yaml\n")
    path = write(tmp_path, "b.yaml", f"extends: ../{tmp_path.name}/a.yaml\n")
    with pytest.raises(UsageError, match=r"b\.yaml: extends itself through b -> a -> b$"):
        recipe.load(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "mine.yaml: a recipe is a table of keys, this is empty"),
        ("- 1\n", "mine.yaml: a recipe is a table of keys, this is a list"),
        ("extends: [a]\n", "mine.yaml: extends: expected the name of a recipe, got ['a']"),
        ("extends: iemocp\n", "mine.yaml: extends: no recipe 'iemocp', did you mean 'iemocap'?"),
        ("extends: none.yaml\n", "none.yaml: no such recipe file"),
        ("\xff", "mine.yaml: a recipe is a table of keys, this is text"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path, text, problem):
    with pytest.raises(UsageError) as caught:
        recipe.load(write(tmp_path, "mine.yaml", text))
    assert str(caught.value).endswith(problem)


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "mine.yaml").write_bytes(b"about: \xff")
    with pytest.raises(UsageError, match=r"mine\.yaml: not UTF-8 text \(byte 7\)$"):
        recipe.load(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("iemcap", "no recipe 'iemcap', did you mean 'iemocap'?"),
        ("zzzzzz", "no recipe 'zzzzzz'"),
        ("../recipes/iemocap", "no recipe '../recipes/iemocap', did you mean 'iemocap'?"),
        ("mosii.yaml", "mosii.yaml: no such recipe file, did you mean 'mosi'?"),
        ("a" * 5000 + ".yaml", "a" * 5000 + ".yaml: no such recipe file"),
        ("\0.yaml", "\0.yaml: no such recipe file"),
    ],
)
def test_a_recipe_that_is_not_there(name, problem):
    with pytest.raises(UsageError) as caught:
        recipe.load(name)
    assert str(caught.value) == problem


def test_set_changes_a_key_and_the_last_one_wins():
    made = recipe.load("iemocap", ["training.batch_size=64", "training.learning_rate=1e-3", "training.batch_size=8"])
    assert (made.training.batch_size, made.training.learning_rate) == (8, 1e-3)
    assert recipe.load("iemocap").training.batch_size == 32


def test_set_takes_lists_and_null():
    made = recipe.load("iemocap-folds", ["splits.folds=[[Ses01], [Ses02], [Ses03, Ses04]]", "training.patience=null"])
    assert made.splits.folds == [["Ses01"], ["Ses02"], ["Ses03", "Ses04"]]
    assert made.training.patience is None


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "training.batch_size",
            "--set training.batch_size: expected section.key=value, for example training.batch_size=64",
        ),
        ("=3", "--set =3: expected section.key=value, for example training.batch_size=64"),
        (
            "training..x=3",
            "--set training..x=3: expected section.key=value, for example training.batch_size=64",
        ),
        ("about.x=3", "--set about.x=3: about holds no keys"),
        (
            "training.runs=[1",
            "--set training.runs=[1, line 1, column 3: expected ',' or ']', but got '<stream end>'",
        ),
        (
            "extends=mosi",
            "--set extends=mosi: a recipe file names what it extends; copy it with `sertool recipes copy`",
        ),
    ],
)
def test_a_set_that_is_refused(override, problem):
    with pytest.raises(UsageError) as caught:
        recipe.load("iemocap", [override])
    assert str(caught.value) == problem


def test_a_set_with_an_unknown_key_names_the_nearest():
    with pytest.raises(UsageError) as caught:
        recipe.load("iemocap", ["training.batchsize=3"])
    assert str(caught.value).endswith("1 problem\n  training.batchsize: unknown key, did you mean 'batch_size'?")


@QUICK
@given(st.lists(st.sampled_from(["a", "training", "runs", "dataset", ""]), max_size=4), st.text(max_size=20))
def test_any_set_loads_or_is_refused(parts, value):
    with suppress(UsageError):
        recipe.load("iemocap", [".".join(parts) + "=" + value])


def test_custom_asks_for_the_data():
    with pytest.raises(UsageError, match=r"dataset\.path: is missing; give it with --set dataset\.path=data/MYSET$"):
        recipe.load("custom")
    assert recipe.load("custom", ["dataset.path=data/CALLS"]).dataset.path == "data/CALLS"


# Whatever a file holds, it loads or it is refused

KEYS = st.sampled_from(
    sorted(
        {
            *Recipe.model_fields,
            *Dataset.model_fields,
            *Splits.model_fields,
            *Training.model_fields,
            "extends",
        }
    )
)
WORTHWHILE = ["holdout", "folds", "adamw", 0.5, 3, "scores", "all", "a, b", "soft", True, "ccc", {"ccc": 1, "mse": 0.2}]
SECTION = st.dictionaries(KEYS | TEXT, CONTENT | st.sampled_from(WORTHWHILE), max_size=5)


@QUICK
@given(st.dictionaries(KEYS | TEXT, SECTION | CONTENT, max_size=5))
def test_any_content_is_a_recipe_or_refused(content):
    with suppress(UsageError):
        made = recipe.validate({**MINIMAL, **content}, "x.yaml")
        assert recipe.validate(parse_yaml(recipe.resolved(made), "again"), "again") == made


FACTOR = st.floats(1e-6, 1e6)
NAME = TEXT.filter(bool) | WORDS.filter(bool)
SCORE = NAME.map(lambda text: text.replace(",", ";").strip()).filter(bool)
MIXTURE = st.dictionaries(st.sampled_from(["mse", "mae", "ccc"]), FACTOR, min_size=1)


@st.composite
def whole_targets(draw):
    """What a recipe predicts: keyword arguments of the sections dataset and training, and a published metric."""
    if draw(st.booleans()):
        names = st.lists(SCORE, min_size=1, max_size=4, unique=True).map(", ".join) | st.just("all")
        dataset = {"target": "scores", "task": draw(names), "clip": draw(st.booleans())}
        loss = draw(st.sampled_from(["mse", "mae", "ccc"]) | MIXTURE)
        return dataset, {"loss": loss, "select": draw(st.sampled_from(["ccc", "mae", "pearson"]))}, "mae"
    labels = draw(st.sampled_from(["majority", "soft", "any"]))
    weights = st.just("balanced") | st.lists(FACTOR, min_size=2, max_size=3)
    training = {"class_weights": draw(weights if labels != "any" else st.just("none"))}
    return {"task": draw(NAME), "labels": labels}, training, "uar"


@st.composite
def whole_recipes(draw):
    """Recipes that are valid by construction, with awkward texts and numbers."""
    fraction, name = st.floats(0, 1, exclude_max=True), NAME
    dataset, training, metric = draw(whole_targets())
    group = st.lists(name, min_size=1, max_size=2)
    return Recipe(
        name="x",
        about=draw(name),
        dataset=Dataset(path=draw(name), vectors=draw(name), max_text_length=draw(st.integers(1, 100_000)), **dataset),
        frontend=Frontend(trim_db=draw(st.none() | st.floats(0.01, 1000)), preemphasis=draw(fraction)),
        splits=Splits(
            scheme="folds",
            folds=draw(
                st.lists(group, min_size=3, max_size=4).filter(
                    lambda all_: len({g for f in all_ for g in f}) == sum(map(len, all_))
                )
            ),
        )
        if draw(st.booleans())
        else Splits(scheme="holdout", valid_fraction=draw(st.floats(1e-9, 0.4)), valid_groups=None),
        training=Training(
            learning_rate=draw(st.floats(1e-12, 1e30)),
            patience=draw(st.none() | st.integers(1, 9)),
            **training,
        ),
        choices=draw(st.lists(TEXT, max_size=2)),
        published=[Published(metric=metric, value=draw(st.floats(0, 1)), source=draw(name))],
        expected={"test": Expected(utterances=3, classes=[1, 2])},
    )


@QUICK
@given(whole_recipes())
def test_a_resolved_recipe_is_the_same_recipe(made):
    text = recipe.resolved(made)
    assert recipe.validate(parse_yaml(text, "again"), "again") == made
    assert recipe.resolved(made) == text


def test_a_resolved_recipe_holds_every_key_in_order():
    content = yaml.safe_load(
        recipe.resolved(recipe.load("iemocap", ["text_frontend.model=a-model", "context.previous=8"]))
    )
    assert list(content) == list(Recipe.model_fields)
    assert list(content["training"]) == [key for key in Training.model_fields if key not in ("balance", "loss")]


def test_a_resolved_recipe_without_keys_of_later_versions_has_the_bytes_of_earlier_ones():
    earlier = yaml.safe_load(recipe.resolved(recipe.load("iemocap")))
    later = {"words", "target", "labels", "clip"}
    assert not later & set(earlier["dataset"])
    scored = recipe.load("demo", ["dataset.target=scores", "training.select=mae", "training.label_smoothing=0.0"])
    content = yaml.safe_load(recipe.resolved(scored))
    assert content["training"]["loss"] == "mse"
    assert (content["dataset"]["target"], content["dataset"]["task"]) == ("scores", "emotion")


def test_a_recipe_without_a_text_encoder_is_resolved_as_before_there_were_any():
    assert "text_frontend" not in yaml.safe_load(recipe.resolved(recipe.load("iemocap")))


def test_a_model_makes_the_frontend_an_encoder_whatever_the_base_says():
    made = recipe.load("emodb", ["frontend.model=a-model", "frontend.layer=[1, 2]"]).frontend
    assert made == SpeechEncoder(model="a-model", layer=[1, 2])


def test_a_recipe_may_take_back_the_log_mels(tmp_path):
    (tmp_path / "one.yaml").write_text("extends: emodb\nfrontend: {model: a-model}\n")
    (tmp_path / "two.yaml").write_text("extends: one.yaml\nfrontend: {pool: 4}\n")
    (tmp_path / "three.yaml").write_text("extends: two.yaml\nfrontend: {frame_step: 4}\n")
    assert recipe.load(str(tmp_path / "two.yaml")).frontend == SpeechEncoder(model="a-model", pool=4)
    assert recipe.load(str(tmp_path / "three.yaml")).frontend == Frontend(frame_step=4)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["frontend.model=x", "frontend.layr=3"], "frontend.layr: unknown key, did you mean 'layer'?"),
        (["frontend.model=x", "frontend.frame_step=3"], "frontend.frame_step: unknown key, expected one of model, "),
        (["frontend.model=x", "frontend.layer=top"], "frontend.layer: expected the number of a layer, last, or a list"),
        (["frontend.model=x", "frontend.layer=[1, 1]"], "frontend.layer: a layer is given twice"),
        (["frontend.model=x", "frontend.pool=max"], "frontend.pool: expected a number of states, mean, or mean+std"),
        (["frontend=3"], "frontend: expected a table of keys (got 3)"),
        (["text_frontend=letters"], 'text_frontend: expected words (got "letters")'),
        (["text_frontend.model=x", "text_frontend.pol=x"], "text_frontend.pol: unknown key, did you mean 'pool'?"),
    ],
)
def test_a_wrong_key_of_an_encoder_is_named(overrides, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        recipe.load("emodb", overrides)
