"""`sertool import`: predictions of any tool as a run that reports and comparisons judge."""

import csv
import json
import re
from pathlib import Path

import commands_run
import numpy as np
import pytest
from builders import CLASSES, make_corpus, write_tiny
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.metrics.calibration import negative_log_likelihood
from sertool.core.reports.build import build_report
from sertool.core.runs.prediction_files import read_set

ON_CPU = ("--device", "cpu")
# What only a training knows; none of it may be said of a run that was not trained here.
TRAINING = re.compile(r"\bepochs?\b|\bhonest|\bMAT\b|\bmembers?\b|\bseeds?\b|\bk = |best on validation|learning rate")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A working folder with a corpus of 18 speakers, a trained run on it, and the predictions of scikit-learn."""
    folder = tmp_path_factory.mktemp("import")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_tiny(folder / "data", make_corpus({"train": 60, "valid": 24, "test": 60}, speakers=18))
        commands_run.artifacts.write_text(
            folder / "tiny.yaml", commands_run.resolved(commands_run.tiny_recipe(training={"runs": 2}))
        )
        assert commands_run.run("train", "--recipe", "tiny.yaml", *ON_CPU).exit_code == 0
        done = commands_run.run("ensemble", "--name", "tiny", "--csv", "tiny.csv", *ON_CPU)
        assert done.exit_code == 0, done.output
        _scikit_learn(Path("sklearn.csv"))
        yield folder


@pytest.fixture(autouse=True)
def _inside(here, monkeypatch):
    monkeypatch.chdir(here)
    monkeypatch.setenv("COLUMNS", "100")


def _scikit_learn(path: Path) -> None:
    """Write the probabilities of a linear classifier of scikit-learn on the mean frames of the test utterances."""
    corpus = read_corpus(Path("data/TINY"))
    features = np.stack([corpus.audio[row].sum(0, np.float64) for row in range(len(corpus.utterances))])
    labels = np.array([one.labels["emotion"] for one in corpus.utterances])
    train, test = (
        [row for row, one in enumerate(corpus.utterances) if one.split == name] for name in ("train", "test")
    )
    model = LogisticRegression().fit(features[train], labels[train])
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *model.classes_])
        for row, shares in zip(test, model.predict_proba(features[test]), strict=True):
            writer.writerow([corpus.utterances[row].id, *shares])


def imported(path: str, name: str, *more: str) -> str:
    result = commands_run.run("import", path, "--corpus", "TINY", "--name", name, *more)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(path: str, name: str, *more: str, code: int = 2) -> str:
    return commands_run.refusal("import", path, "--corpus", "TINY", "--name", name, *more, code=code)


def reported(*names: str) -> dict:
    words = [word for name in names for word in ("--name", name)]
    result = commands_run.run("report", *words, "--json", "report.json")
    assert result.exit_code == 0, result.output
    return json.loads(Path("report.json").read_text())


def written(name: str, header: list[str], rows: list[list[object]]) -> str:
    Path(name).write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")
    return name


def truth() -> tuple[list[str], list[str]]:
    own = [one for one in read_corpus(Path("data/TINY")).utterances if one.split == "test"]
    return [one.id for one in own], [one.labels["emotion"] for one in own]


def test_the_figures_of_a_classifier_are_those_of_scikit_learn():
    shown = imported("sklearn.csv", "theirs")
    assert "theirs: probabilities for 60 utterances of TINY (test), emotion: angry, happy, sad" in shown
    assert 'imported: how it was trained is not known; --training "..." states it' in shown
    assert "next: sertool report --name theirs" in shown
    ids, labels = truth()
    with Path("sklearn.csv").open(newline="") as file:
        rows = {row["id"]: [float(row[name]) for name in CLASSES] for row in csv.DictReader(file)}
    shares = np.array([rows[id_] for id_ in ids])
    decided = [CLASSES[place] for place in shares.argmax(1)]
    [run] = reported("theirs")["runs"]
    own = run["sets"]["test"]
    figures = {name: one["value"] for name, one in own["metrics"].items()}
    assert figures["accuracy"] == pytest.approx(accuracy_score(labels, decided))
    assert figures["uar"] == pytest.approx(balanced_accuracy_score(labels, decided))
    assert figures["f1_macro"] == pytest.approx(f1_score(labels, decided, average="macro"))
    assert figures["f1_weighted"] == pytest.approx(f1_score(labels, decided, average="weighted"))
    assert own["calibration"]["nll"] == pytest.approx(log_loss(labels, shares, labels=list(CLASSES)), abs=1e-5)
    assert (own["unit"], own["clusters"]) == ("speaker", 6)
    assert own["metrics"]["uar"]["low"] < figures["uar"] < own["metrics"]["uar"]["high"]


def test_what_ensemble_wrote_gives_the_figures_of_its_run():
    imported("tiny.csv", "again")
    trained, again = (run["sets"]["test"] for run in reported("tiny", "again")["runs"])
    assert again["metrics"] == trained["metrics"]
    assert again["classes"] == [{**one, "train": None} for one in trained["classes"]]
    assert again["confusion"] == trained["confusion"]
    assert again["slices"] == trained["slices"]
    stored = [read_set(Path("ckpt", name), "test").predictions for name in ("tiny", "again")]
    k = trained["k"]
    nll = [
        negative_log_likelihood(one.ensemble_logits(size), one.targets, "single")
        for one, size in zip(stored, (k, 1), strict=True)
    ]
    assert nll[0] == pytest.approx(nll[1], abs=1e-6)


def test_an_imported_run_is_compared_with_a_trained_one():
    imported("tiny.csv", "again")
    imported("sklearn.csv", "theirs", "--training", "logistic regression on the train split")
    same = commands_run.run("compare", "tiny", "again")
    assert "tiny and again predict the same for every utterance" in same.stdout
    assert "different versions" not in same.stdout
    result = commands_run.run("compare", "tiny", "theirs", "--json", "compared.json")
    assert "B  theirs · imported, training as stated: logistic regression on the train split" in result.stdout
    pair = json.loads(Path("compared.json").read_text())["pairs"][0]
    assert (pair["utterances"], pair["unit"], pair["only_a"]) == (60, "speaker", 0)
    assert pair["metrics"][0]["difference"]["low"] is not None


def test_labels_alone_have_no_calibration():
    ids, labels = truth()
    guessed = ["sad", *labels[1:]]
    imported(written("labels.csv", ["id", "label"], [list(row) for row in zip(ids, guessed, strict=True)]), "labels")
    [run] = reported("labels")["runs"]
    own = run["sets"]["test"]
    assert own["calibration"] is None
    assert own["votes"] is None
    assert {row["confidence"] for row in own["rows"]} == {None}
    assert own["metrics"]["accuracy"]["value"] == pytest.approx(accuracy_score(labels, guessed))
    assert "no-probabilities" in {one["kind"] for one in run["findings"]}
    page = commands_run.run("report", "--name", "labels", "--html", "labels.html")
    assert "ECE" not in page.stdout
    assert "calibration error" not in Path("labels.html").read_text().partition("<script>")[0]


@pytest.mark.parametrize("statement", [None, "an SVM on the train split"])
def test_no_output_says_what_is_not_known(statement):
    imported("sklearn.csv", "theirs", *([] if statement is None else ["--training", statement]))
    stated = "how it was trained is not known" if statement is None else f"training as stated: {statement}"
    outputs = ("--html", "t.html", "--markdown", "t.md", "--csv", "t.csv", "--latex", "tex", "--json", "t.json")
    shown = commands_run.run("report", "--name", "theirs", *outputs)
    assert shown.exit_code == 0, shown.output
    page = Path("t.html").read_text()
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    texts = {
        "terminal": shown.stdout,
        "markdown": Path("t.md").read_text(),
        "html": body,
        "csv": Path("t.csv").read_text(),
        "latex": Path("tex/theirs/test-metrics.tex").read_text(),
    }
    for name, text in texts.items():
        assert not TRAINING.findall(re.sub("members agreeing", "", text)), name
        if name != "csv":
            assert stated in " ".join(text.split()), name
    [run] = json.loads(Path("t.json").read_text())["runs"]
    assert run["imported"]["training"] == statement
    assert [command.split()[1] for command in run["commands"]] == ["report"]
    assert [run[key] for key in ("architecture", "protocol", "select", "members")] == [None, None, None, 0]
    assert run["sets"]["test"]["members"] == run["sets"]["test"]["sizes"] == []
    kind = "training-unknown" if statement is None else "training-stated"
    assert kind in {one["kind"] for one in run["findings"]}
    assert not {"one-member", "few-members"} & {one["kind"] for one in run["findings"]}


def test_several_tools_become_a_run_each():
    ids, labels = truth()
    rows = [[id_, label, "sad"] for id_, label in zip(ids, labels, strict=True)]
    shown = imported(written("tools.csv", ["id", "right:label", "sad:label"], rows), "other")
    assert "next: sertool report --name other-right --name other-sad" in shown
    report = build_report(["other-right", "other-sad"], Path("ckpt"), Path("data"))
    accuracies = {run.name: run.sets["test"].metrics["accuracy"].value for run in report.runs}
    assert accuracies == {"other-right": 1.0, "other-sad": labels.count("sad") / len(labels)}


def test_a_tool_whose_name_is_no_folder_is_named():
    ids, labels = truth()
    written("bad.csv", ["id", "../x:label"], list(zip(ids, labels, strict=True)))
    assert "column of tool '../x': other-../x as the name of its run: expected" in refused("bad.csv", "other")


def test_reading_the_labels_is_logged_each_time():
    imported("sklearn.csv", "logged")
    imported("sklearn.csv", "logged")
    entries = [json.loads(line) for line in Path("ckpt/logged/log.jsonl").read_text().splitlines()]
    assert [(one["by"], one["use"], one["utterances"]) for one in entries] == [("sertool import", "decisions", 60)] * 2


def test_validation_may_lie_beside_test_for_a_temperature():
    corpus = read_corpus(Path("data/TINY"))
    rows = [
        [one.id, one.split, *(3.0 * (name == one.labels["emotion"]) for name in CLASSES)]
        for one in corpus.utterances
        if one.split != "train"
    ]
    header = ["id", "split", *(f"logit_{name}" for name in CLASSES)]
    path = written("both.csv", header, rows)
    for split in ("test", "valid"):
        imported(path, "both", "--split", split)
    run = next(iter(reported("both")["runs"]))
    assert set(run["sets"]) == {"test", "valid"}
    assert "24 validation utterances: too few" in run["provenance"]["calibration"]
    imported(path, "both")  # which may come from another model than those for validation
    [run] = reported("both")["runs"]
    assert set(run["sets"]) == {"test"}
    assert "no predictions on validation are stored" in run["provenance"]["calibration"]


def test_a_map_is_told_everywhere():
    shown = imported("sklearn.csv", "mapped", "--map", "polarity")
    assert "label map polarity: 2 classes: positive, negative" in shown
    report = reported("mapped")
    [run] = report["runs"]
    assert "label map polarity" in report["tasks"][0]["ours"][0]["note"]
    assert run["classes"] == ["positive", "negative"]
    assert "label map polarity" in run["provenance"]["label map"]
    assert run["imported"]["map"]["classes"] == ["positive", "negative"]


def test_a_trained_run_is_not_replaced():
    before = sorted(Path("ckpt/tiny").rglob("*"))
    told = refused("sklearn.csv", "tiny")
    assert "ckpt/tiny: holds a run that was trained, which is not replaced" in told
    assert sorted(Path("ckpt/tiny").rglob("*")) == before
    Path("ckpt/taken").write_text("")
    assert "ckpt/taken: is a file, which is not replaced" in refused("sklearn.csv", "taken")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--name", "a/b"), 2, "--name a/b: expected the name of a folder"),
        (("--name", "x", "--training", " "), 2, "--training: is empty"),
        (("--name", "x", "--split", "tests"), 2, "--split tests: expected one of train, valid, test, all"),
        (("--name", "x", "--task", "mood"), 2, "--task mood: TINY has no such task"),
        (("--name", "x", "--map", "foru"), 2, "did you mean 'four'?"),
        (("--name", "x", "--columns", "id"), 2, "--columns id: expected NAME=COLUMN pairs"),
        (("--name", "x", "--corpus", "TINI"), 1, "TINI: no such corpus"),
    ],
)
def test_a_wrong_option_is_one_message(arguments, code, message):
    corpus = [] if "--corpus" in arguments else ["--corpus", "TINY"]
    told = commands_run.refusal("import", "sklearn.csv", *corpus, *arguments, code=code)
    assert message in told
    assert not Path("ckpt/x").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("ensemble", "--name", "theirs"),
        ("predict", "--name", "theirs", "--text", "a"),
        ("export", "--name", "theirs", "--out", "bundle"),
        ("train", "--recipe", "tiny.yaml", "--name", "theirs", *ON_CPU),
        ("train", "--recipe", "tiny.yaml", "--name", "new", "--from", "theirs", *ON_CPU),
    ],
)
def test_other_commands_say_what_it_is(command):
    imported("sklearn.csv", "theirs")
    result = commands_run.run(*command)
    assert result.exit_code == 2
    assert "theirs: holds predictions imported from sklearn.csv, and no trained members" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_run_without_its_predictions_says_how_to_store_them():
    imported("sklearn.csv", "gone")
    Path("ckpt/gone/predictions/test.safetensors").unlink()
    told = commands_run.refusal("compare", "tiny", "gone", code=1)
    assert "store its predictions again: sertool import" in told


def test_predictions_may_come_from_standard_input():
    result = commands_run.CliRunner().invoke(
        commands_run.app, ["import", "-", "--corpus", "TINY", "--name", "piped"], input=Path("sklearn.csv").read_text()
    )
    assert result.exit_code == 0, result.output
    assert read_set(Path("ckpt/piped"), "test").origin.imported.source == "standard input"
