"""Tests of tables of answers: what is read, and the one message for each mistake."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import CLASSES, make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.corpora.corpus import Corpus, Frames, LeftOut, Utterance
from sertool.core.corpora.label_maps import parse_label_map
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.inference.answers.read import ToolAnswers, read_answers
from sertool.core.inference.answers.table import parse_columns, read_answer_table
from sertool.core.inference.subject import JudgedCorpus
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.classification import decide

TINY = make_corpus()
IDS = [one.id for one in TINY.utterances if one.split == "test"]
LABELS = [one.labels["emotion"] for one in TINY.utterances if one.split == "test"]
SHARES = np.random.default_rng(3).dirichlet(np.ones(3), len(IDS))


def scored(low: float = 1.0, high: float = 5.0) -> Corpus:
    """A corpus with the scores arousal and valence of a range."""
    values = np.random.default_rng(1).uniform(low, high, (len(TINY.utterances), 2))
    utterances = tuple(
        replace(one, labels={"arousal": float(a), "valence": float(v)})
        for one, (a, v) in zip(TINY.utterances, values, strict=True)
    )
    return replace(TINY, utterances=utterances, classes={}, ranges={"arousal": (low, high), "valence": (low, high)})


def table(header: list[str], rows: list[list[object]], sign: str = ",") -> str:
    return "\n".join(sign.join(map(str, row)) for row in [header, *rows]) + "\n"


def labelled(labels: list[str] | None = None, ids: list[str] | None = None, name: str = "label") -> str:
    return table(["id", name], [list(row) for row in zip(ids or IDS, labels or LABELS, strict=True)])


def of_shares(values: np.ndarray = SHARES, names: tuple[str, ...] = CLASSES, prefix: str = "") -> str:
    rows = [[one, *row] for one, row in zip(IDS, values.tolist(), strict=True)]
    return table(["id", *(prefix + name for name in names)], rows)


def read(folder: Path, text: str, corpus: Corpus = TINY, name: str = "t.csv", **options: object) -> list[ToolAnswers]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    columns = parse_columns(str(options.pop("columns"))) if "columns" in options else None
    return read_answers(read_answer_table(path, columns), JudgedCorpus(folder, "corpus", corpus), **options)


def one(folder: Path, text: str, *rest: object, **options: object) -> ToolAnswers:
    [found] = read(folder, text, *rest, **options)
    return found


def decided(answers: ToolAnswers) -> list[str]:
    return [answers.subject.task.classes[number] for number in decide(answers.logits, "single").tolist()]


def refused(folder: Path, text: str, *rest: object, **options: object) -> str:
    with pytest.raises(SertoolError) as told:
        read(folder, text, *rest, **options)
    return f"{told.value} | {told.value.hint}"


@pytest.mark.parametrize("name", ["label", "predicted", "Prediction", "class", "emotion"])
def test_labels_are_read_in_any_case(tmp_path, name):
    found = one(tmp_path, labelled([label.upper() for label in LABELS], name=name))
    assert (found.kind, decided(found)) == ("labels", LABELS)


@pytest.mark.parametrize("prefix", ["", "prob_", "probability_", "Prob_"])
def test_probabilities_are_read(tmp_path, prefix):
    found = one(tmp_path, of_shares(prefix=prefix))
    assert found.kind == "probabilities"
    assert np.allclose(probabilities(found.logits, "single"), SHARES, atol=1e-6)


def test_logits_are_read_as_they_are(tmp_path):
    logits = np.random.default_rng(0).normal(0, 5, (12, 3))
    assert np.allclose(one(tmp_path, of_shares(logits, prefix="logit_")).logits, logits, atol=1e-5)


def test_columns_may_stand_in_any_order_and_rows_too(tmp_path):
    order = [2, 0, 1]
    text = of_shares(SHARES[:, order], tuple(CLASSES[place] for place in order)).splitlines()
    found = one(tmp_path, "\n".join([text[0], *reversed(text[1:])]))
    assert np.allclose(probabilities(found.logits, "single"), SHARES, atol=1e-6)


@pytest.mark.parametrize("digits", [2, 3])
def test_rounded_probabilities_add_up_again(tmp_path, digits):
    found = one(tmp_path, of_shares(SHARES.round(digits)))
    assert np.allclose(probabilities(found.logits, "single").sum(1), 1)


@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_json_is_read(tmp_path, name):
    rows = [{"id": id_, **dict(zip(CLASSES, row, strict=True))} for id_, row in zip(IDS, SHARES.tolist(), strict=True)]
    text = json.dumps(rows) if name == "t.json" else "\n".join(map(json.dumps, rows))
    assert np.allclose(probabilities(one(tmp_path, text, name=name).logits, "single"), SHARES, atol=1e-6)


def test_semicolons_and_decimal_commas_are_read(tmp_path):
    rows = [[id_, *(f"{value:.4f}".replace(".", ",") for value in row)] for id_, row in zip(IDS, SHARES, strict=True)]
    found = one(tmp_path, table(["id", *CLASSES], rows, ";"))
    assert np.allclose(probabilities(found.logits, "single"), SHARES, atol=1e-3)


def test_ids_may_be_names_of_recordings(tmp_path):
    found = one(tmp_path, labelled(ids=[f"wavs/{id_}.wav" for id_ in IDS]))
    assert decided(found) == LABELS
    assert "12 ids read as the name of a recording" in found.notes[0]


def test_several_tools_are_columns(tmp_path):
    rows = [[id_, label, *row, "sad"] for id_, label, row in zip(IDS, LABELS, SHARES.tolist(), strict=True)]
    header = ["utterance", "A:label", *(f"B:prob_{name}" for name in CLASSES), "C: emotion"]
    first, second, third = read(tmp_path, table(header, rows))
    assert [own.tool for own in (first, second, third)] == ["A", "B", "C"]
    assert [own.kind for own in (first, second, third)] == ["labels", "probabilities", "labels"]
    assert decided(first) == LABELS
    assert decided(second) == [CLASSES[place] for place in SHARES.argmax(1)]
    assert set(decided(third)) == {"sad"}


def test_columns_can_be_named(tmp_path):
    text = labelled(name="guess").replace("id,", "file,")
    assert decided(one(tmp_path, text, columns="id=file,label=guess")) == LABELS
    assert "--columns id=fil" in refused(tmp_path, text, columns="id=fil")
    assert "did you mean 'file'?" in refused(tmp_path, text, columns="id=fil")


def test_the_decision_is_read_where_a_true_label_stands_beside_it(tmp_path):
    rows = [[id_, "sad", label] for id_, label in zip(IDS, LABELS, strict=True)]
    assert decided(one(tmp_path, table(["id", "label", "predicted"], rows))) == LABELS


def test_what_predict_wrote_is_read(tmp_path):
    header = ["id", "start", "end", "class", "probability", "calibrated", *(f"probability_{name}" for name in CLASSES)]
    rows = [[f"wavs/{id_}.wav", "", "", "unsure", row.max(), "yes", *row] for id_, row in zip(IDS, SHARES, strict=True)]
    found = one(tmp_path, table(header, rows))
    assert np.allclose(probabilities(found.logits, "single"), SHARES, atol=1e-6)
    header = ["id", "start", "end", "calibrated", "arousal", "arousal_low", "arousal_high"]
    rows = [[id_, "", "", "no", 2.5, "", ""] for id_ in IDS]
    assert one(tmp_path, table(header, rows), scored()).subject.task.classes == ("arousal",)


def test_several_labels_are_read(tmp_path):
    labels = {one.id: [int(place != row % 3) for place in range(3)] for row, one in enumerate(TINY.utterances)}
    utterances = tuple(replace(one, labels={"emotion": labels[one.id]}) for one in TINY.utterances)
    corpus = replace(TINY, utterances=utterances)
    wanted = [labels[id_] for id_ in IDS]
    bits = ["|".join(map(str, row)) for row in wanted]
    names = ["|".join(name for name, there in zip(CLASSES, row, strict=True) if there) for row in wanted]
    for answers in (bits, names):
        assert decide(one(tmp_path, labelled(answers), corpus).logits, "multi").tolist() == wanted
    found = one(tmp_path, of_shares(np.array(wanted) * 0.8 + 0.1), corpus)
    assert np.allclose(probabilities(found.logits, "multi"), np.array(wanted) * 0.8 + 0.1, atol=1e-6)


def test_a_label_that_contradicts_its_probabilities_is_told(tmp_path):
    rows = [[id_, *row, "sad"] for id_, row in zip(IDS, SHARES.tolist(), strict=True)]
    [note] = one(tmp_path, table(["id", *CLASSES, "class"], rows)).notes
    assert f"in {(SHARES.argmax(1) != 2).sum()} of 12 rows" in note


def test_rows_of_other_splits_are_left_out_and_told(tmp_path):
    ids = [own.id for own in TINY.utterances]
    found = one(tmp_path, labelled([own.labels["emotion"] for own in TINY.utterances], ids))
    assert decided(found) == LABELS
    assert "36 utterances of the file are not judged" in found.notes[0]


def test_utterances_that_the_corpus_left_out_may_have_rows(tmp_path):
    corpus = replace(TINY, left_out=(LeftOut("silent", "test", "no sound"),))
    found = one(tmp_path, labelled([*LABELS, "sad"], [*IDS, "silent"]), corpus)
    assert "1 row about utterances that TINY had to leave out" in found.notes[0]


def test_ids_that_repeat_are_told_apart_by_their_split(tmp_path):
    frames = Frames.join([np.zeros((1, 2), np.float32)] * 4, 2)
    utterances = tuple(
        Utterance(id_, split, "", (), {"emotion": label})
        for split, id_, label in (
            ("train", "1", "sad"),
            ("train", "2", "happy"),
            ("test", "1", "angry"),
            ("test", "2", "sad"),
        )
    )
    corpus = Corpus("TWICE", utterances, frames, {"emotion": CLASSES})
    rows = [["1", "dev", "sad"], ["1", "test", "happy"], ["2", "test", "sad"]]
    told = refused(tmp_path, table(["id", "label"], [[row[0], row[2]] for row in rows[1:]]), corpus)
    assert "2 rows with the id of several utterances of TWICE: '1' (row 2), '2' (row 3) | a column `split`" in told
    found = one(tmp_path, table(["id", "split", "label"], rows[1:]), corpus)
    assert decided(found) == ["happy", "sad"]


def test_equal_rows_count_once_and_unequal_ones_are_refused(tmp_path):
    assert "1 row repeats another one" in one(tmp_path, labelled([*LABELS, LABELS[0]], [*IDS, IDS[0]])).notes
    other = next(name for name in CLASSES if name != LABELS[0])
    told = refused(tmp_path, labelled([*LABELS, other], [*IDS, IDS[0]]))
    assert "1 utterance with two answers that differ: rows 2 and 14" in told


def test_scores_are_read(tmp_path):
    corpus = scored()
    rows = [[id_, 0.0, 2.5, 4] for id_ in IDS]
    found = one(tmp_path, table(["id", "arousal", "predicted_arousal", "predicted_valence"], rows), corpus)
    assert found.kind == "scores"
    assert found.logits.tolist() == [[2.5, 4.0]] * 12
    alone = one(tmp_path, table(["id", "valence"], [[id_, 3] for id_ in IDS]), corpus)
    assert alone.subject.task.classes == ("valence",)


def test_scores_a_little_out_of_range_are_told_and_others_refused(tmp_path):
    corpus = scored()
    rows = [[id_, 3.0] for id_ in IDS]
    rows[0][1] = 5.2
    assert "1 of 12 values lie outside 1 to 5" in one(tmp_path, table(["id", "valence"], rows), corpus).notes[0]
    told = refused(tmp_path, table(["id", "valence"], [[id_, -0.2] for id_ in IDS]), corpus)
    assert "valence: 12 of 12 values are out of range, expected 1 to 5: -0.2" in told
    assert "another scale" in told
    rows[0][1] = 50
    assert "1 of 12 values are out of range" in refused(tmp_path, table(["id", "valence"], rows), corpus)


MAP = parse_label_map(
    {"classes": {"negative": ["angry", "sad", "anger", "sadness"], "positive": ["happy", "joy"]}, "drop": ["calm"]}, "m"
)


def test_a_map_adds_up_probabilities_and_leaves_others_out(tmp_path):
    names = ("anger", "sadness", "joy", "calm")
    shares = np.random.default_rng(2).dirichlet(np.ones(4), 12)
    found = one(tmp_path, of_shares(shares, names, "prob_"), label_map=MAP)
    assert found.subject.task.classes == ("negative", "positive")
    assert found.subject.map_note.left_out == ("calm",)
    wanted = shares[:, 0] + shares[:, 1]
    assert np.allclose(probabilities(found.logits, "single")[:, 0], wanted / (wanted + shares[:, 2]), atol=1e-6)


def test_a_map_keeps_classes_that_labels_alone_never_name(tmp_path):
    found = one(tmp_path, labelled(["joy"] * 12), label_map=MAP)
    assert found.subject.task.classes == ("negative", "positive")
    assert "the label is none of negative, positive: 'calm'" in refused(
        tmp_path, labelled(["calm"] * 12), label_map=MAP
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("id,label\n", "holds no rows"),
        ("name,label\na,sad\n", "no column 'id' or 'utterance' (columns: name, label) | --columns id=COLUMN"),
        ("id,mood\ntest0,sad\n", "no column holds answers, expected a label"),
        (labelled(LABELS[2:], IDS[2:]), "no answer for 2 of 12 judged utterances of TINY (test): test0, test1"),
        (
            labelled([*LABELS, "sad"], [*IDS, "tests3"]),
            "1 of 13 rows has the id of no utterance of TINY: 'tests3' (row 14), did",
        ),
        (labelled([*LABELS, "sad"], [*IDS, "x" * 300]), f"'{'x' * 39}…' (row 14)"),
        (labelled(ids=[f"x{id_}" for id_ in IDS]), "none of its 12 ids is that of an utterance of TINY"),
        (labelled(["sad", *LABELS[1:]], ["", *IDS[1:]]), "1 row without an id: 2"),
        (
            labelled(["sadd", *LABELS[1:]]),
            "row 2: the label is none of angry, happy, sad: 'sadd', did you mean 'sad'? | --map",
        ),
        (labelled(["", *LABELS[1:]]), "row 2: label is empty"),
        (of_shares(SHARES * 0.8), "the probabilities do not add up to 1"),
        (of_shares(SHARES * 100), "are they percent? divide them by 100"),
        (of_shares(np.log(SHARES)), "are they logits? name their columns logit_CLASS"),
        (of_shares(SHARES).replace(f"{SHARES[0, 1]}", "nan"), "row 2: happy is not a finite number: 'nan'"),
        (of_shares(SHARES).replace(f"{SHARES[0, 1]}", ""), "row 2: happy is empty"),
        (of_shares(SHARES).replace(f"{SHARES[0, 1]}", "1e999"), "row 2: happy is not a finite number"),
        (
            of_shares(SHARES, ("angry", "happy", "surprised"), "prob_"),
            "surprised: no such class in TINY, which has angry",
        ),
        (of_shares(SHARES[:, :2], ("angry", "happy")), "no column for the class sad (it has angry, happy)"),
        ("id,label,label\ntest0,sad,sad\n", "columns appear twice: label"),
    ],
)
def test_a_mistake_is_one_message(tmp_path, text, message):
    assert message in refused(tmp_path, text)


def test_other_files_are_refused_by_their_kind(tmp_path):
    for name, content in (("a.xlsx", b"PK\3\4"), ("b.csv", b"\x93NUMPY\1\0"), ("c.csv", b'[{"id": 1}]')):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises((DataError, UsageError)):
            read_answer_table(path)


HEADER = ("id", "split", "label", "angry", "happy", "sad", "prob_sad", "A:sad", "A:label", "", "x")
CELLS = (*IDS[:3], "sad", "0.5", "nan", "-1", "1", "", '"', "ü/..", "\\", "..")


@settings(max_examples=150, deadline=None)
@given(
    header=st.lists(st.sampled_from(HEADER), max_size=6),
    rows=st.lists(st.lists(st.sampled_from(CELLS), max_size=6), max_size=14),
    sign=st.sampled_from(",;\t"),
)
def test_any_table_is_read_or_refused_by_one_message(tmp_path_factory, header, rows, sign):
    with suppress(SertoolError):
        read(tmp_path_factory.getbasetemp(), table(header, rows, sign))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["t.csv", "t.jsonl", "t.json"]))
def test_any_text_is_read_or_refused_by_one_message(tmp_path_factory, text, name):
    with suppress(SertoolError):
        read(tmp_path_factory.getbasetemp(), "id,label\n" * name.endswith("csv") + text, name=name)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any), min_size=12, max_size=12))
def test_probabilities_of_any_rounding_come_back(tmp_path_factory, counts):
    shares = np.array(counts, float) / np.array(counts).sum(1, keepdims=True)
    found = one(tmp_path_factory.getbasetemp(), of_shares(shares.round(4)))
    assert np.allclose(probabilities(found.logits, "single"), shares, atol=1e-3)
