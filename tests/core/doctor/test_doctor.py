"""`sertool doctor`: every defect planted once is found, a clean corpus gives nothing, and the command's texts."""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import copy_case, make_corpus, tiny_recipe, write_tiny
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import ROOT
from planting import FORMATS, SIZES, clean_tables, recipe_for, write
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus import LeftOut, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.load import load_corpus
from sertool.core.doctor.findings import KINDS, SHOWN
from sertool.core.doctor.frame_statistics import FLOOR
from sertool.core.doctor.inspect import inspect, inspect_opened, summary_line
from sertool.core.errors import DataError
from sertool.core.features.log_mel import FEATURE_FLOOR
from sertool.core.files import artifacts
from sertool.core.recipe import load as recipes
from sertool.core.recipe.load import resolved
from sertool.core.runs.experiment import open_experiment

A, B = "train0[0]", "train0[1]"  # negative, positive


def examined(tables, folder, form, *overrides, **changes):
    """The findings of planted tables, by kind."""
    path = write(tables, folder, form, **changes)
    inspection = inspect(recipe_for(form, *overrides), path, data_dir=folder)
    assert len({finding.kind for finding in inspection.findings}) == len(inspection.findings)
    return {finding.kind: finding for finding in inspection.findings}


@pytest.mark.parametrize("form", FORMATS)
def test_a_clean_corpus_gives_nothing(form, tmp_path):
    inspection = inspect(recipe_for(form), write(clean_tables(), tmp_path, form), data_dir=tmp_path)
    assert inspection.findings == ()
    assert inspection.as_published
    assert summary_line(inspection) == ""
    assert [(split.split, split.utterances, split.classes) for split in inspection.counts] == [
        (split, size, (size // 2, size // 2)) for split, size in SIZES.items()
    ]


def sound(tables, value, key=A):
    tables["train"]["mels"][key] = np.full((3, 80), value, np.float32)


def nan_frame(tables, value=np.nan):
    tables["train"]["mels"][A][1, 2] = value


def copy_to(tables, key, split, *files):
    """Give the utterance ``key`` of a split what train's A holds of some files."""
    for file in files:
        tables[split][file][key] = tables["train"][file][A]


def drop(tables, file):
    del tables["train"][file][A]


def grow(tables):
    for file in tables["train"].values():
        file["train9[0]"] = file[A]
    tables["train"]["sentences"]["train9[0]"] = ["other"]
    tables["train"]["mels"]["train9[0]"] = np.full((3, 80), 0.5, np.float32)


def same_video(tables):
    for file in tables["test"].values():
        file["train0[7]"] = file.pop("test0[0]")


def valid_repeats_test(tables):
    tables["valid"] = {
        name: {key.replace("test", "copy"): value for key, value in file.items()}
        for name, file in tables["test"].items()
    }


def sentence(tables, words):
    tables["train"]["sentences"][A] = words


def score(tables, value):
    tables["train"]["sentiment"][A] = value


# What is planted, by which edit, with which changes of the recipe; and all findings it leads to, by kind: number
# and first example.
PLANTED = {
    "too many": (grow, [], {"counts": (1, "train: 13, published 12")}),
    "words that clean to nothing": (
        lambda t: sentence(t, ["?", "..."]),
        [],
        {"no-text": (1, f"{A} (train)")},
    ),
    "zero frames": (
        lambda t: t["train"]["mels"].update({A: np.zeros((0, 80), np.float32)}),
        [],
        {"no-audio": (1, f"{A} (train)")},
    ),
    "no label": (
        lambda t: drop(t, "sentiment"),
        [],
        {"no-label": (1, f"{A} (train)"), "counts": (1, "train: 11, published 12")},
    ),
    "frames at the floor": (lambda t: sound(t, FEATURE_FLOOR), [], {"silent": (1, f"{A} (train)")}),
    "frames of zeros": (lambda t: sound(t, 0), [], {"silent": (1, f"{A} (train)")}),
    "NaN": (nan_frame, [], {"non-finite": (1, f"{A} (train)")}),
    "infinite": (lambda t: nan_frame(t, np.inf), [], {"non-finite": (1, f"{A} (train)"), "range": (1, None)}),
    "clipped": (lambda t: sound(t, 1), [], {"clipped": (1, f"{A} (train): 100%")}),
    "above 1": (lambda t: sound(t, 1.5), [], {"range": (1, f"{A} (train): 1.5 to 1.5")}),
    "below 0": (lambda t: sound(t, -0.5), [], {"range": (1, f"{A} (train): -0.5 to -0.5")}),
    "long text": (
        lambda t: sentence(t, ["many"] * 5),
        ["dataset.max_text_length=4"],
        {"cut-text": (1, f"{A} (train): 5")},
    ),
    "long recording": (
        lambda t: t["train"]["mels"].update({A: np.full((9, 80), 0.5, np.float32)}),
        ["dataset.max_audio_length=8"],
        {"cut-audio": (1, f"{A} (train): 9")},
    ),
    "twice in a split": (
        lambda t: copy_to(t, "train1[0]", "train", "sentences", "mels"),
        [],
        {"duplicates-within": (1, f"{A} (train) = train1[0] (train)")},
    ),
    "in two splits": (
        lambda t: copy_to(t, "test0[0]", "test", "sentences", "mels"),
        [],
        {"duplicates-across": (1, f"{A} (train) = test0[0] (test)")},
    ),
    "two labels": (
        lambda t: copy_to(t, B, "train", "mels"),
        [],
        {"contradicting": (1, f"{A} (train) = {B} (train)")},
    ),
    "a video in two splits": (same_video, [], {"shared-videos": (1, "train0 (train, test)")}),
    "valid repeats test": (
        valid_repeats_test,
        [],
        {"valid-is-test": (6, "copy0[0] (valid), test0[0] (test)")},
    ),
    "selected on test": (
        lambda t: None,
        ["protocol=paper", "splits.valid=test"],
        {"selected-on-test": (6, None)},
    ),
    "no valid": (lambda t: t.pop("valid"), [], {"empty-split": (1, None)}),
    "word vectors that are not there": (
        lambda t: None,
        ["dataset.vectors=nowhere_md"],
        {"no-vectors": (1, None)},
    ),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found_and_nothing_else(name, form, tmp_path):
    plant, overrides, expected = PLANTED[name]
    tables = clean_tables()
    plant(tables)
    found = examined(tables, tmp_path, form, *overrides)
    assert {kind: finding.number for kind, finding in found.items()} == {
        kind: number for kind, (number, _) in expected.items()
    }
    for kind, (_, example) in expected.items():
        assert found[kind].severity == KINDS[kind].severity
        if example is not None:
            assert found[kind].examples[0] == example


REFERENCE_ONLY = {
    "no words at all": (
        lambda t: drop(t, "sentences"),
        {"no-text": (1, f"{A} (train)"), "counts": (1, "train: 11, published 12")},
    ),
    "no frames at all": (
        lambda t: drop(t, "mels"),
        {"no-audio": (1, f"{A} (train)"), "counts": (1, "train: 11, published 12")},
    ),
    "another width": (
        lambda t: t["train"]["mels"].update({A: np.ones((3, 40), np.float32)}),
        {"width": (1, f"{A} (train)")},
    ),
    "no texts": (lambda t: sentence(t, ["a", 2]), {"words": (1, f"{A} (train)")}),
    "out of range": (
        lambda t: score(t, 9.0),
        {"label": (1, f"{A} (train)"), "counts": (1, "train: 11, published 12")},
    ),
}


@pytest.mark.parametrize("name", REFERENCE_ONLY)
def test_a_defect_of_the_references_files(name, tmp_path):
    plant, expected = REFERENCE_ONLY[name]
    tables = clean_tables()
    plant(tables)
    found = examined(tables, tmp_path, "reference")
    assert {kind: (f.number, f.examples[0]) for kind, f in found.items()} == expected
    assert not (tmp_path / "MOSEI/sertool").exists() or found.keys() <= {"no-text", "no-audio", "counts"}


OWN_ONLY = {
    "a label that is no class": (
        lambda t: score(t, "bored"),
        [],
        {},
        {"label": (1, f"{A} (train)"), "counts": (1, "train: 11, published 12")},
    ),
    "left out": (
        lambda t: None,
        [],
        {"left_out": (LeftOut("x", "test", "x.wav: truncated"),)},
        {"left-out": (1, "x (test): x.wav: truncated")},
    ),
    "another frontend": (
        lambda t: None,
        [],
        {"frontend": {"frame_step": 4}},
        {"frontend": (1, "frame_step 4 (recipe: 16)")},
    ),
    "a width that is not the frontend's": (
        lambda t: None,
        ["frontend.mel_bands=40"],
        {"frontend": {"mel_bands": 40}},
        {"width": (24, f"{A} (train)")},
    ),
    "one speaker": (
        lambda t: None,
        [],
        {"groups": {"speaker": "ann"}},
        {"shared-speakers": (1, "ann (train, valid, test)")},
    ),
    "one session": (
        lambda t: None,
        [],
        {"groups": {"session": "s1"}},
        {"shared-sessions": (1, "s1 (train, valid, test)")},
    ),
    "one dialogue": (
        lambda t: None,
        [],
        {"groups": {"dialogue": "d1"}},
        {"shared-dialogues": (1, "d1 (train, valid, test)")},
    ),
}


@pytest.mark.parametrize("name", OWN_ONLY)
def test_a_defect_of_a_corpus_of_ones_own(name, tmp_path):
    plant, overrides, changes, expected = OWN_ONLY[name]
    tables = clean_tables()
    plant(tables)
    found = examined(tables, tmp_path, "own", *overrides, **changes)
    assert {kind: (f.number, f.examples[0]) for kind, f in found.items()} == expected


def test_a_corpus_that_cannot_be_divided(tmp_path):
    """No utterance names its speaker, and the recipe divides by speaker."""
    found = examined(clean_tables(), tmp_path, "own", "splits.scheme=holdout")
    assert list(found) == ["division"]
    assert "has no speaker, and splits.group is speaker" in found["division"].text
    assert found["division"].advice.startswith("name another group")


def test_words_without_a_vector(tmp_path):
    lines = [f"number{n} 0.5 0.25" for n in range(12)] + ["so 1 2"]
    (tmp_path / "glove.txt").write_text("\n".join(lines))
    overrides = [f"dataset.vectors={tmp_path / 'glove.txt'}"]
    found = examined(clean_tables(), tmp_path, "reference", *overrides)
    assert {kind: (f.number, f.examples) for kind, f in found.items()} == {"no-vector": (1, ("train word",))}
    assert found["no-vector"].text.startswith("1 training word (7 % of 14) not in ")


def test_words_without_a_vector_in_the_cache(tmp_path):
    folder = write(clean_tables(), tmp_path, "reference")
    words = ["so", "train word", *(f"number{n}" for n in range(11))]
    index = {"UNK": 1} | {word: row for row, word in enumerate(words, start=1)}
    vectors = np.ones((len(words) + 1, 300))
    vectors[2] = 0
    (folder / "token_to_ix.pkl").write_bytes(pickle.dumps(index))
    np.save(folder / "train_glove.npy", vectors)
    (finding,) = inspect(recipe_for("reference"), folder, data_dir=tmp_path).findings
    assert (finding.kind, finding.number, finding.examples) == ("no-vector", 2, ("train word", "number11"))
    assert inspect(recipe_for("reference"), folder, data_dir=tmp_path, vectors=False).findings == ()


def test_every_kind_is_planted():
    planted = {kind for _, _, expected in PLANTED.values() for kind in expected}
    planted |= {kind for _, expected in REFERENCE_ONLY.values() for kind in expected}
    planted |= {kind for *_, expected in OWN_ONLY.values() for kind in expected}
    assert planted | {"division", "no-vector", "unreadable"} == set(KINDS)


def test_one_splits_damage_does_not_hide_the_others(tmp_path):
    tables = clean_tables()
    nan_frame(tables)
    sound(tables, 0, B)
    folder = write(tables, tmp_path, "reference")
    (folder / "test_mels.p").write_bytes((folder / "test_mels.p").read_bytes()[:500])
    (folder / "valid_sentences.p").write_bytes(b"cos\nsystem\n.")
    (folder / "valid_mels.p").write_bytes(b"")
    inspection = inspect(recipe_for("reference"), folder, data_dir=tmp_path)
    found = {finding.kind: finding for finding in inspection.findings}
    assert set(found) == {"unreadable", "empty-split", "non-finite", "silent"}
    assert found["unreadable"].number == 3
    assert [example.partition(" ")[0] for example in found["unreadable"].examples] == [
        f"{folder / name}.p:" for name in ("valid_sentences", "valid_mels", "test_mels")
    ]
    assert "names os.system, which is not allowed" in found["unreadable"].examples[0]
    assert found["empty-split"].number == 2
    assert [split.split for split in inspection.counts] == ["train"]
    assert not (folder / "sertool").exists()


def test_bad_lines_and_a_lost_file_of_ones_own_corpus(tmp_path):
    tables = clean_tables()
    nan_frame(tables)
    folder = write(tables, tmp_path, "own")
    lines = (folder / "utterances.jsonl").read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "split": "dev"})
    lines[2] = json.dumps({**json.loads(lines[2]), "words": 1})
    (folder / "utterances.jsonl").write_text("\n".join(lines))
    inspection = inspect(recipe_for("own"), folder, data_dir=tmp_path)
    found = {finding.kind: finding for finding in inspection.findings}
    assert {kind: finding.number for kind, finding in found.items()} == {
        "unreadable": 2,
        "counts": 1,
        "non-finite": 1,
    }
    assert (
        found["unreadable"]
        .examples[0]
        .endswith("line 2: split 'dev', expected one of train, valid, test, private")
    )
    (folder / "audio.safetensors").write_bytes(b"")
    found = {f.kind: f for f in inspect(recipe_for("own"), folder, data_dir=tmp_path).findings}
    assert {kind: finding.number for kind, finding in found.items()} == {"unreadable": 3, "counts": 1}


def test_a_corpus_of_which_nothing_can_be_read(tmp_path):
    folder = write(clean_tables(), tmp_path, "own")
    (folder / "corpus.json").write_text("{")
    inspection = inspect(recipe_for("own"), folder, data_dir=tmp_path)
    (finding,) = inspection.findings
    assert (finding.kind, inspection.name, inspection.counts) == ("unreadable", "MOSEI", ())


def test_all_bad_utterances_are_counted_and_the_strict_reader_stops_at_the_first(tmp_path):
    tables = clean_tables()
    for key in tables["train"]["mels"]:
        tables["train"]["mels"][key] = np.ones((3, 80), int)
    folder = write(tables, tmp_path, "reference")
    (finding,) = inspect(recipe_for("reference"), folder, data_dir=tmp_path).findings
    assert (finding.kind, finding.number, len(finding.examples)) == ("width", 12, SHOWN)
    with pytest.raises(DataError) as caught:
        load_corpus("mosei", folder)
    assert str(caught.value) == (
        f"{folder / 'train_mels.p'}: utterance '{A}' holds int64, expected floating-point numbers"
    )


@pytest.mark.parametrize(
    ("file", "shared", "message"),
    [
        ("sentences", ["a" * 99] * 100_000, "many of them share one list of words"),
        ("sentences", np.array(["a" * 99] * 100_000, object), "many of them share one list of words"),
        ("mels", np.ones((100_000, 80), np.float32), "many of them share one array"),
    ],
)
def test_one_value_that_thousands_of_keys_share_is_refused(file, shared, message, tmp_path):
    folder = write(clean_tables(), tmp_path, "reference")
    (folder / f"train_{file}.p").write_bytes(pickle.dumps({f"v[{n}]": shared for n in range(3000)}))
    with pytest.raises(DataError, match=message):
        load_corpus("mosei", folder)


def test_a_huge_label_that_keys_share_is_told_briefly(tmp_path):
    folder = write(clean_tables(), tmp_path, "reference")
    (folder / "train_sentiment.p").write_bytes(pickle.dumps(dict.fromkeys([A, B], np.ones(10**6))))
    faults = []
    load_corpus("mosei", folder, faults.append)
    assert [str(fault).partition("p: ")[2] for fault in faults] == [
        f"utterance '{key}': a label of 1,000,000 values or characters is none" for key in (A, B)
    ]


def test_counts_of_a_multi_label_task_are_those_present(tmp_path):
    folder = copy_case("mosei6-mat", tmp_path) / "data/MOSEI"
    inspection = inspect(recipes.load("mosei-emotion"), folder, data_dir=tmp_path)
    labels = pickle.loads((folder / "train_emotion.p").read_bytes())
    assert inspection.counts[0].classes == tuple((np.array(list(labels.values())) > 0).sum(axis=0).tolist())
    assert sum(inspection.counts[0].classes) > inspection.counts[0].utterances
    assert (inspection.counts[3].split, inspection.counts[3].classes) == ("private", ())


# The awkward utterances of the reference cases: real files, random content.
CASES = {
    "iemocap-mat": {
        "counts": 2,
        "selected-on-test": 23,
        "shared-speakers": 10,
        "shared-sessions": 5,
        "no-text": 2,
        "no-audio": 2,
        "silent": 2,
        "range": 60,
        "cut-text": 11,
        "cut-audio": 7,
    },
    "meld7-mat": {"counts": 3, "no-text": 3, "silent": 3, "range": 88, "cut-text": 11, "cut-audio": 12},
    "mosi-mnt": {
        "counts": 2,
        "selected-on-test": 22,
        "no-text": 2,
        "no-audio": 2,
        "silent": 2,
        "range": 64,
        "cut-text": 8,
        "cut-audio": 14,
    },
}


@pytest.mark.parametrize("case", CASES)
def test_the_reference_cases(case, tmp_path):
    name = re.split(r"\d|-", case)[0]
    folder = copy_case(case, tmp_path) / "data" / name.upper()
    for _ in range(2):  # from the pickles, and from the copy that came of them
        inspection = inspect(recipes.load(name), folder, data_dir=tmp_path)
        assert {f.kind: f.number for f in inspection.findings} == CASES[case]
    by_kind = {finding.kind: finding for finding in inspection.findings}
    if case == "iemocap-mat":
        assert by_kind["silent"].examples == ("Ses04F_traindev_003 (train)", "Ses04F_test_003 (test)")
        assert by_kind["no-audio"].examples == ("Ses02F_traindev_011 (train)", "Ses02F_test_011 (test)")
        assert by_kind["no-audio"].text == (
            "2 utterances without audio; 2 left out by the reader: no audio in test_mels.p, "
            "no audio in traindev_mels.p"
        )


def test_folds_keep_apart_what_they_divide_by(tmp_path):
    """Sessions are folds, so neither they nor their speakers are shared; over speakers, sessions are."""
    folder = copy_case("iemocap-mat", tmp_path) / "data/IEMOCAP"
    kinds = {f.kind for f in inspect(recipes.load("iemocap-folds"), folder, data_dir=tmp_path).findings}
    assert not [kind for kind in kinds if kind.startswith("shared") and kind != "shared-dialogues"]
    by_speaker = recipes.load("iemocap-folds", ["splits.group=speaker", "splits.folds=5"])
    found = {f.kind: f for f in inspect(by_speaker, folder, data_dir=tmp_path).findings}
    assert "shared-speakers" not in found
    assert found["shared-sessions"].number > 0


def test_the_floor_is_the_frontends():
    assert FLOOR == FEATURE_FLOOR


# The command


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder of a command, and a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, ["doctor", *arguments])


def tiny(folder: Path, corpus=None) -> None:
    write_tiny(folder / "data", corpus)
    artifacts.write_text(folder / "tiny.yaml", resolved(tiny_recipe()))


def test_the_packaged_corpus_is_clean(here):
    result = run("--recipe", "demo", "--json", "out.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "demo (synthetic speech) · emotion, 4 classes · train 384 · valid 96 · test 192 ·\n"
        "  14 speakers\n"
        "\n"
        "       train  valid  test\n"
        "angry     96     24    48\n"
        "calm      96     24    48\n"
        "happy     96     24    48\n"
        "sad       96     24    48\n"
        "all      384     96   192\n"
        "supports as published\n"
        "\n"
        "nothing found\n"
        "\n"
        "next: sertool train --recipe demo\n"
    )
    written = json.loads((here / "out.json").read_text())
    assert (written["as_published"], written["errors"], written["findings"]) == (True, 0, [])
    assert written["command"] == "sertool doctor --recipe demo"


def test_what_it_says_of_a_planted_corpus(here):
    tables = clean_tables()
    sound(tables, 0)
    nan_frame(tables)
    tables["train"]["mels"][B][0, 0] = np.nan
    tables["test"]["mels"]["test0[0]"][:] = 1e-8
    write(tables, here / "data", "reference")
    result = run(
        *["--data", "data/MOSEI", "--recipe", "mosei-2", "--set", "dataset.vectors=none"],
        *["--set", "expected={train: {utterances: 12, classes: [6, 5]}}", "--json", "out.json"],
    )
    assert result.exit_code == 1, result.stderr
    assert result.stdout == (
        "MOSEI · sentiment, 2 classes · train 12 · valid 6 · test 6\n"
        "\n"
        "          train  valid  test\n"
        "negative      6      3     3\n"
        "positive  6 ≠ 5      3     3\n"
        "all          12      6     6\n"
        "≠ the published number\n"
        "\n"
        "error: 1 count of train not the published one [counts]\n"
        "  train positive: 6, published 5\n"
        "  try: get the published files again; figures on other data do not compare with\n"
        "    the paper's\n"
        "\n"
        "error: 2 utterances with NaN or infinite values; the first:\n"
        "  data/MOSEI/train_mels.p: utterance 'train0[0]' holds NaN or infinite values in\n"
        "  frame 1 [non-finite]\n"
        "  train0[0] (train) · train0[1] (train)\n"
        "  try: extract their features anew, or leave them out: one such value spoils a\n"
        "    whole training\n"
        "\n"
        "warning: 1 utterance silent from beginning to end [silent]\n"
        "  test0[0] (test)\n"
        "  try: listen to the recordings; a file may be damaged or its channel empty\n"
        "\n"
        "next: correct the errors, then sertool doctor --data data/MOSEI --recipe mosei-2"
        " --set dataset.vectors=none --set 'expected={train: {utterances: 12, classes: [6, 5]}}'\n"
    )
    written = json.loads((here / "out.json").read_text())
    assert (written["errors"], written["warnings"], written["notes"]) == (2, 1, 0)
    assert written["findings"][2] == {
        "kind": "silent",
        "severity": "warning",
        "number": 1,
        "text": "1 utterance silent from beginning to end",
        "examples": ["test0[0] (test)"],
        "advice": "listen to the recordings; a file may be damaged or its channel empty",
    }
    assert written["counts"][0] == {
        "split": "train",
        "utterances": 12,
        "classes": [6, 6],
        "published": 12,
        "published_classes": [6, 5],
    }


def test_the_ways_to_name_a_corpus(here):
    copy_case("meld7-mat", here)
    outputs = [
        run(*arguments)
        for arguments in (
            ["--data", "data/MELD", "--recipe", "meld"],
            ["--data", "data", "--recipe", "meld"],
            ["--data", "data/MELD"],
            ["--recipe", "meld"],
        )
    ]
    assert {result.exit_code for result in outputs} == {1}
    assert len({result.stdout for result in outputs}) == 1
    assert outputs[0].stdout.startswith("MELD · emotion, 7 classes · train 42 · valid 21 · test 28\n")
    assert outputs[0].stdout.endswith(
        "next: correct the errors, then sertool doctor --data data/MELD --recipe meld\n"
    )


def test_a_corpus_of_ones_own_needs_no_recipe(here):
    corpus = make_corpus({"train": 24, "valid": 12, "test": 12})
    write_corpus(corpus, here / "data/CALLS")
    result = run("--data", "data/CALLS")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "TINY · emotion, 3 classes · train 24 · valid 12 · test 12 · 6 speakers\n"
    )
    assert result.stdout.endswith("next: sertool train --recipe custom --set dataset.path=data/CALLS\n")


def test_where_the_next_command_finds_the_corpus(here):
    write_tiny(here / "data")
    artifacts.write_text(here / "tiny.yaml", resolved(tiny_recipe()))
    elsewhere = write_tiny(here / "else where")
    last = [
        run(*arguments, "--recipe", "tiny.yaml").stdout.splitlines()[-1]
        for arguments in (["--data", "data"], ["--data", str(elsewhere)], ["--data", "else where/TINY"])
    ]
    assert last == [
        "next: sertool train --recipe tiny.yaml",
        f"next: sertool train --recipe tiny.yaml --data '{elsewhere}'",
        "next: sertool train --recipe tiny.yaml --data 'else where'",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--data", "data"],
            2,
            "error: data: give --recipe too, nothing there tells what it is for\n"
            "  try: sertool doctor --data data --recipe NAME; `sertool recipes list` shows them\n",
        ),
        (["--data", "none"], 1, "error: none: no such folder\n"),
        (["--recipe", "mled"], 2, "error: no recipe 'mled', did you mean 'meld'?\n"),
        (["--recipe", "meld"], 1, "error: data/MELD: no such corpus\n"),
        (
            ["--set", "a.b=1"],
            2,
            "error: --set changes a recipe, and no --recipe is given\n  try: sertool doctor --recipe NAME --set ...\n",
        ),
        (
            ["--data", "data/TINY", "--set", "dataset.task=mood"],
            2,
            "error: dataset.task: TINY has no task 'mood'\n  try: its tasks: emotion\n",
        ),
    ],
)
def test_mistakes(arguments, code, message, here):
    tiny(here)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(message)


def test_an_empty_folder_is_told(here):
    (here / "data/MELD").mkdir(parents=True)
    result = run("--recipe", "meld")
    assert result.exit_code == 1
    assert result.stdout.startswith(
        "MELD · emotion · nothing could be read\n\nerror: 1 part of it could not be read [unreadable]\n"
        "  data/MELD: no MELD data there, expected the files of at least one split:"
    )


def test_lines_fit_the_terminal(here, monkeypatch):
    copy_case("iemocap-mat", here)
    for columns in (80, 60):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = run("--recipe", "iemocap").stdout.splitlines()
        assert max(len(line) for line in lines if not line.startswith("next: ")) <= columns


def test_ids_that_no_terminal_takes_are_spelled_out(here):
    odd = make_corpus({"train": 4, "valid": 2, "test": 2})
    first = Utterance("a\nb\x1b[31m", "train", "", (), {"emotion": "happy"})
    corpus = type(odd)(**{**odd.__dict__, "utterances": (first, *odd.utterances[1:])})
    tiny(here, corpus)
    result = run("--recipe", "tiny.yaml")
    assert "a\\nb\\x1b[31m (train)" in result.stdout
    assert "\x1b" not in result.stdout


# In a training


def test_the_summary_names_a_few(tmp_path):
    folder = copy_case("iemocap-mat", tmp_path) / "data/IEMOCAP"
    inspection = inspect(recipes.load("iemocap"), folder, data_dir=tmp_path, vectors=False)
    assert summary_line(inspection) == (
        "doctor: 1 error, 7 warnings (published counts differ, selected on test, speakers shared: 10, "
        f"sessions shared: 5, ...) · sertool doctor --data {folder} --recipe iemocap"
    )


def test_an_experiment_gives_the_same_findings(tmp_path):
    copy_case("iemocap-mat", tmp_path)
    recipe = recipes.load("iemocap")
    experiment = open_experiment(recipe, tmp_path / "data")
    parts = (experiment.corpus, experiment.task, experiment.targets, experiment.folds)
    opened = inspect_opened(recipe, *parts, "x")
    direct = inspect(recipe, tmp_path / "data/IEMOCAP", vectors=False, data_dir=tmp_path)
    assert opened.findings == direct.findings


def test_training_says_it_in_a_line(here):
    tiny(here)
    result = CliRunner().invoke(app, ["train", "--recipe", "tiny.yaml", "--runs", "1"])
    assert result.exit_code == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("doctor: ")]
    assert lines == [
        "doctor: 2 warnings (4 without text, 7 without audio) · "
        "sertool doctor --data data/TINY --recipe tiny.yaml"
    ]
    shown = run("--data", "data/TINY", "--recipe", "tiny.yaml").stdout
    assert "warning: 4 utterances without words [no-text]" in shown


def test_training_on_a_clean_corpus_says_nothing(here):
    tables = clean_tables()
    write(tables, here / "data", "own")
    artifacts.write_text(here / "own.yaml", resolved(recipe_for("own", "training.max_epochs=1")))
    result = CliRunner().invoke(app, ["train", "--recipe", "own.yaml", "--runs", "1"])
    assert result.exit_code == 0, result.stderr
    assert "doctor" not in result.stderr


# The documentation


def test_the_table_of_findings_is_current():
    page = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {kind.severity} | {kind.number} | {kind.advice} |" for name, kind in KINDS.items()]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows


# Whatever the files hold


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMATS),
    file=st.integers(0, 8),
    places=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.booleans(),
)
def test_a_damaged_file_is_inspected_or_told(form, file, places, cut, tmp_path):
    shutil.rmtree(tmp_path / "d", ignore_errors=True)
    folder = write(clean_tables(), tmp_path / "d", form)
    files = sorted(folder.iterdir())
    path = files[file % len(files)]
    content = bytearray(path.read_bytes())
    for position, value in places:
        content[position % len(content)] = value
    if cut:
        del content[places[0][0] % len(content) :]
    path.write_bytes(content)
    artifacts.write_text(tmp_path / "r.yaml", resolved(recipe_for(form)))
    result = run(
        "--data", str(folder), "--recipe", str(tmp_path / "r.yaml"), "--json", str(tmp_path / "out.json")
    )
    assert isinstance(result.exception, SystemExit | None), result.exception
    if result.exit_code != 2:  # 2: the tasks could not be told
        assert json.loads((tmp_path / "out.json").read_text())["findings"] is not None


plain = (
    st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=3)
)
arrays = st.sampled_from(
    [
        np.ones((2, 80)),
        np.zeros((0, 80)),
        np.full((2, 80), np.nan),
        np.ones((2, 3)),
        np.ones(80),
        np.array("a"),
    ]
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    split=st.sampled_from(list(SIZES)),
    name=st.sampled_from(["sentences", "mels", "sentiment"]),
)
def test_whatever_the_pickles_hold_it_is_counted(data, split, name, tmp_path):
    tables = clean_tables()
    keys = data.draw(st.lists(st.sampled_from(list(tables[split][name])), unique=True))
    for key in keys:
        tables[split][name][key] = data.draw(plain | arrays)
    shutil.rmtree(tmp_path / "d", ignore_errors=True)
    folder = write(tables, tmp_path / "d", "reference")
    inspection = inspect(recipe_for("reference"), folder, data_dir=tmp_path)
    assert {split.split for split in inspection.counts} >= set(SIZES) - {split}
    bad = [f.number for f in inspection.findings if f.kind in ("words", "width", "non-finite", "label")]
    assert sum(bad) <= len(keys)
