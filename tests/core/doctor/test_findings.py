"""Every defect, planted once, is found, and a clean corpus gives nothing."""

import pickle

import numpy as np
import pytest
from places import ROOT
from planting import FORMATS, SIZES, A, B, clean_tables, nan_frame, recipe_for, sound, write

from sertool.core.corpora.corpus import LeftOut
from sertool.core.doctor.findings import KINDS
from sertool.core.doctor.inspect import inspect, summary_line
from sertool.core.features.log_mel import FEATURE_FLOOR


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
    "one text for all labels": (
        lambda t: [file["sentences"].update({key: ["hello"] for key in file["sentences"]}) for file in t.values()],
        [],
        {"text-cannot-tell": (1, "'hello': 2 labels")},
    ),
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
    "a session that is none": (
        lambda t: None,
        [],
        {"groups": {"session": "nan"}},
        {
            "names": (1, "session 'nan' stands for a missing value"),
            "shared-sessions": (1, "nan (train, valid, test)"),
        },
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
    elsewhere = {"division", "few-speakers", "joined-labels", "no-vector", "other-task", "published"}
    elsewhere |= {"raters-disagree", "raters-tie", "shares-distorted"}
    elsewhere |= {"also-there", "contaminated", "copies-across", "not-by-sound", "same-speakers", "same-transcripts"}
    elsewhere |= {"training-unknown"}
    elsewhere |= {"shared-folds", "speakers-unknown", "spellings", "splitting"}
    assert planted | elsewhere | {"unreadable", "unsplit"} == set(KINDS)


def test_the_table_of_findings_is_current():
    page = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {kind.severity} | {kind.number} | {kind.advice} |" for name, kind in KINDS.items()]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows
