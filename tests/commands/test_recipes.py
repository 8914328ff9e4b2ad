"""`sertool recipes`, and every shipped recipe: it loads, explains itself, says what is known of it."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sertool.commands.recipes import app
from sertool.core.errors import UsageError
from sertool.core.files.yaml_file import read_yaml
from sertool.core.recipe import load as recipes

PAPER = [
    "iemocap",
    "iemocap-mnt",
    "mosi",
    "mosi-7",
    "mosei-2",
    "mosei-7",
    "mosei-emotion",
    "meld",
    "meld-sentiment",
    "vgaf",
]
TUNED = ["iemocap-tuned", "mosi-tuned", "mosei-tuned", "meld-tuned"]
OTHERS = ["iemocap-folds", "emodb", "custom", "custom-votes"]
ENCODERS = ["emodb-whisper", "meld-text", "custom-modern"]
MODERN = ["iemocap-modern", "iemocap-modern-folds", "mosi-modern", "mosei-modern", "meld-modern"]
HONEST = [f"{name}-honest" for name in PAPER]
SCORES = ["mosi-score", "mosei-score", "iemocap-dimensions", "msp-podcast", "custom-scores"]
BASELINES = ["emodb-egemaps", "emodb-compare", "custom-egemaps"]
CONTEXT = ["iemocap-context", "meld-context", "meld-text-context"]
NAMES = sorted([*PAPER, *HONEST, *TUNED, *OTHERS, *ENCODERS, *MODERN, *SCORES, *CONTEXT, *BASELINES])


def load(name: str) -> recipes.Recipe:
    return recipes.load(name, users_path=recipes.USERS_PATH)


def header(name: str) -> str:
    """The comment at the top of a recipe's file."""
    lines = (recipes.folder() / f"{name}.yaml").read_text().split("\n")
    return "\n".join(line for line in lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))])


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


# The shipped recipes


def test_these_recipes_are_shipped():
    # demo is the packaged corpus's, tested with it.
    assert [name for name in recipes.names() if name != "demo"] == NAMES
    assert len(NAMES) == 47


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_explains_itself(name):
    text = header(name)
    assert f"sertool train --recipe {name}" in text
    assert re.search(rf"sertool ensemble --name {'calls' if name.startswith('custom') else name} --split ", text)
    for title in ("# Needs: ", "# Run:   ", "# Other: ", "# Score: "):
        assert title in text
    assert "--set " in text
    assert max(map(len, text.split("\n"))) <= 110


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_says_what_was_chosen_and_what_is_known(name):
    recipe = load(name)
    assert recipe.choices
    assert recipe.published or "published" in header(name) or recipe.dataset.reader == "corpus"
    if name in PAPER and not recipe.published:
        assert any("No figure was published" in choice for choice in recipe.choices)
    if name in PAPER and not name.startswith("iemocap"):
        assert any("No settings were published" in choice for choice in recipe.choices)
    if name in TUNED or name in MODERN:
        assert any(choice.startswith("Untested on the real data") for choice in recipe.choices)


@pytest.mark.parametrize("name", NAMES)
def test_protocol(name):
    recipe = load(name)
    assert recipe.protocol == ("paper" if name in PAPER else "honest")
    on_test = recipe.splits.scheme == "corpus" and recipe.splits.valid == recipe.splits.test
    assert on_test == (name in ("iemocap", "iemocap-mnt", "mosi", "mosi-7", "vgaf"))


@pytest.mark.parametrize("name", PAPER)
def test_the_honest_variant_differs_only_in_what_selects(name):
    paper, honest = load(name), load(f"{name}-honest")
    same = ("dataset", "frontend", "model", "training", "published", "expected")
    assert [getattr(paper, key) for key in same] == [getattr(honest, key) for key in same]


@pytest.mark.parametrize("name", PAPER)
def test_the_paper_settings(name):
    """From the published command for IEMOCAP, the reference code's defaults elsewhere."""
    recipe = load(name)
    model, training = recipe.model, recipe.training
    sizes = (model.hidden_size, model.ffn_size, model.num_heads, model.num_layers)
    iemocap = name.startswith("iemocap")
    assert sizes == ((512, 1024, 4, 2) if iemocap else (512, 2048, 8, 4))
    assert (training.batch_size, training.learning_rate) == ((32, 1e-4) if iemocap else (64, 5e-5))
    assert (training.optimizer, training.schedule, training.patience) == ("adam", "rollback", 3)
    assert (training.lr_decay, training.max_decays, training.max_epochs) == (0.2, 2, 99)
    assert (training.clip_norm, training.label_smoothing, training.select) == (None, 0.0, "accuracy")
    assert (recipe.dataset.standardize, recipe.dataset.vectors) == ("none", "en_vectors_web_lg")
    lengths = {"iemocap": (15, 40), "mosi": (30, 60), "mosei": (30, 50), "meld": (30, 50), "vgaf": (30, 26)}
    assert (recipe.dataset.max_text_length, recipe.dataset.max_audio_length) == lengths[recipe.dataset.reader]


def test_meld_weights_are_the_reference_s():
    counts = (1205, 268, 683, 1743, 271, 1109)
    assert load("meld").training.class_weights == [1.0, *(4709 / count for count in counts)]
    assert load("meld-sentiment").training.class_weights == [1.0, 2.0, 1.6]


@pytest.mark.parametrize("name", NAMES)
def test_expected_counts_add_up(name):
    recipe = load(name)
    for expected in recipe.expected.values():
        if expected.classes is not None:
            assert len(expected.classes) == recipe.dataset.known_classes()
            assert sum(expected.classes) == expected.utterances


@pytest.mark.parametrize(("name", "right"), [("iemocap", 787), ("mosi", 520), ("mosei-2", 3830)])
def test_published_accuracies_are_whole_numbers_of_utterances(name, right):
    recipe = load(name)
    figure = recipe.published[0]
    assert figure.metric == "accuracy"
    assert figure.utterances == recipe.expected["test"].utterances
    assert figure.value * figure.utterances == pytest.approx(right, abs=1e-9)


def test_cross_validation_leaves_out_every_session_and_speaker_once():
    assert load("iemocap-folds").splits.folds == [[f"Ses0{number}"] for number in range(1, 6)]
    folds = load("emodb").splits.folds
    assert folds == [["03", "08"], ["09", "10"], ["11", "12"], ["13", "15"], ["14", "16"]]


def test_emodb_says_that_the_text_says_nothing():
    assert "TEXT HOLDS NO INFORMATION" in header("emodb")
    assert "text says nothing" in load("emodb").about


# The command


def test_list_fits_eighty_columns_and_tells_all(monkeypatch):
    result = run("list")
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.stdout.rstrip("\n").split("\n")]
    assert lines[0].split() == ["name", "data", "set", "protocol", "model", "about"]
    assert [line.split()[0] for line in lines[1:-1]] == recipes.names()
    assert lines[-1] == "next: sertool recipes show custom"
    assert all(len(line) <= 80 for line in lines if not line.startswith("demo"))
    assert "iemocap-mnt           IEMOCAP  paper    mnt    4 emotions, with MAT's settings" in lines


def test_list_writes_json(tmp_path):
    assert run("list", "--json", str(tmp_path / "list.json")).exit_code == 0
    rows = {row["name"]: row for row in json.loads((tmp_path / "list.json").read_text())["recipes"]}
    assert rows["iemocap-folds"] == {
        "name": "iemocap-folds",
        "dataset": "IEMOCAP",
        "task": "emotion",
        "protocol": "honest",
        "architecture": "mat",
        "encoders": {},
        "runs": 5,
        "folds": 5,
        "path": "IEMOCAP",
        "about": "4 emotions, leave one session out",
    }
    assert (rows["custom"]["dataset"], rows["custom"]["path"]) == ("yours", None)


def test_show_prints_what_loads_to_the_same(tmp_path):
    result = run("show", "mosi-tuned", "--set", "training.runs=3", "--set", "model.num_layers=1")
    assert result.exit_code == 0
    (tmp_path / "shown.yaml").write_text(result.stdout)
    shown = recipes.load(str(tmp_path / "shown.yaml"))
    assert shown == recipes.load("mosi-tuned", ["training.runs=3", "model.num_layers=1"])


def test_copy_keeps_comments_and_takes_the_new_name(tmp_path):
    mine = tmp_path / "mine.yaml"
    result = run("copy", "iemocap-honest", str(mine))
    assert result.stdout == f"{mine}: a copy of iemocap-honest, to be edited\nnext: sertool recipes check {mine}\n"
    assert mine.read_bytes() == (recipes.folder() / "iemocap-honest.yaml").read_bytes()
    expected = load("iemocap-honest").model_copy(update={"name": "mine"})
    assert recipes.load(str(mine)) == expected


def test_copy_does_not_replace_unless_forced(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("about: precious\n")
    result = run("copy", "custom", str(mine))
    assert isinstance(result.exception, UsageError)
    assert (str(result.exception), result.exception.hint) == (
        f"{mine}: already exists",
        "--force replaces it",
    )
    assert mine.read_text() == "about: precious\n"
    assert run("copy", "custom", str(mine), "--force").exit_code == 0
    assert "reader: corpus" in mine.read_text()


@pytest.mark.parametrize(
    ("destination", "problem"),
    [
        ("mine.txt", "mine.txt: a recipe's file ends in .yaml"),
        ("my own.yaml", "name: expected letters, digits, dots, dashes, underscores; a letter or digit first"),
    ],
)
def test_copy_refuses_a_name_that_would_not_load(tmp_path, destination, problem):
    result = run("copy", "iemocap", str(tmp_path / destination))
    assert isinstance(result.exception, UsageError)
    assert problem in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_copy_refuses_to_part_a_recipe_from_what_it_extends(tmp_path):
    (tmp_path / "base.yaml").write_text("about: b\ndataset: {path: P}\n")
    (tmp_path / "top.yaml").write_text("extends: base.yaml\n")
    (tmp_path / "inner").mkdir()
    result = run("copy", str(tmp_path / "top.yaml"), str(tmp_path / "inner" / "new.yaml"))
    assert isinstance(result.exception, UsageError)
    assert "extends base.yaml, which lies beside it" in str(result.exception)
    assert run("copy", str(tmp_path / "top.yaml"), str(tmp_path / "new.yaml")).exit_code == 0


def test_check_tells_the_problems_of_all(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("extends: iemocap\ntraining: {runz: 3}\nmodel: {num_heads: 3}\n")
    result = run("check", "mosi", str(bad), "iemocp")
    assert result.stdout == "mosi: good\n"
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == (
        f"{bad}: 2 problems\n"
        "  model.hidden_size 512 is not a multiple of num_heads 3\n"
        "  training.runz: unknown key, did you mean 'runs'?\n"
        "no recipe 'iemocp', did you mean 'iemocap'?"
    )


def test_check_without_names_checks_all_shipped():
    result = run("check")
    assert result.exit_code == 0
    assert result.stdout == "".join(f"{name}: good\n" for name in recipes.names())


def test_shipped_files_leave_their_name_to_the_file():
    for name in NAMES:
        assert "name" not in read_yaml(Path(recipes.folder()) / f"{name}.yaml")
