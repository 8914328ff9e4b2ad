"""The matrix of stored predictions: its figures are scikit-learn's, its drops are those of ``sertool compare``."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from crossed import decided, opened, opened_all, setting
from scored_sets import make_score_set
from sklearn.metrics import balanced_accuracy_score
from stored_sets import changed

from sertool.core.cross.contents import FALLS, NO_INTERVAL, NOT_SHOWN, Matrix
from sertool.core.cross.data_files import HEADER, matrix_rows, to_json
from sertool.core.cross.latex import latex_table
from sertool.core.cross.matrix import build_matrix, restricted
from sertool.core.cross.page import render, shade
from sertool.core.cross.terminal import show
from sertool.core.errors import DataError
from sertool.core.files.csv_text import csv_text
from sertool.core.metrics import holm
from sertool.core.reports.compare.pairs import compare_judged

TARGETS = {"A": [0, 1, 2, 1] * 20, "B": [0, 0, 1, 2, 2] * 16}
FEW, MANY = range(0, 80, 11), [row for row in range(80) if row % 3]


def two(folder, *, speakers: int = 8, **changes) -> Matrix:
    """Two corpora; each model is wrong on few utterances of its own and on many of the other's."""
    sets = {f"{name}{name}": decided(own, FEW, speakers=speakers) for name, own in TARGETS.items()}
    sets |= {"AB": decided(TARGETS["B"], MANY, speakers=speakers), "BA": decided(TARGETS["A"], MANY, speakers=speakers)}
    found = opened_all(folder, sets)
    elsewhere = {("A", "B"): found["AB"], ("B", "A"): found["BA"]}
    return build_matrix(setting(**changes), {"A": found["AA"], "B": found["BB"]}, elsewhere, {})


def cell(matrix: Matrix, trained: str, judged: str):
    return next(one for row in matrix.rows for one in row.cells if (row.trained_on, one.judged_on) == (trained, judged))


def predicted(targets, wrong) -> np.ndarray:
    decisions = np.array(targets)
    decisions[list(wrong)] = (decisions[list(wrong)] + 1) % 3
    return decisions


def test_figures_are_those_of_scikit_learn(tmp_path):
    matrix = two(tmp_path)
    for trained, judged, wrong in [("A", "A", FEW), ("A", "B", MANY), ("B", "A", MANY), ("B", "B", FEW)]:
        expected = balanced_accuracy_score(TARGETS[judged], predicted(TARGETS[judged], wrong))
        own = cell(matrix, trained, judged)
        assert own.figure.value == pytest.approx(expected)
        assert own.figure.low < own.figure.value < own.figure.high
        assert (own.utterances, own.unit, own.clusters) == (80, "speaker", 8)
    assert matrix.rows[0].elsewhere == cell(matrix, "A", "B").figure.value
    assert matrix.constant == pytest.approx((1 / 3, 1 / 3))


def test_a_drop_is_the_paired_difference_of_compare(tmp_path):
    matrix = two(tmp_path)
    a, b = (opened(tmp_path / name, decided(TARGETS["B"], wrong)) for name, wrong in (("one", MANY), ("two", FEW)))
    [pair] = compare_judged([a, b], ["uar"]).pairs
    drop = cell(matrix, "A", "B").drop
    assert drop.difference == pair.metrics[0].difference
    assert drop.diagonal == cell(matrix, "B", "B").figure.value == pair.metrics[0].b
    assert drop.verdict == FALLS
    assert cell(matrix, "B", "B").drop is None


def test_p_values_are_corrected_over_all_cells(tmp_path):
    matrix = two(tmp_path)
    drops = [cell(matrix, "A", "B").drop, cell(matrix, "B", "A").drop]
    assert [one.holm for one in drops] == holm([one.difference.p for one in drops])
    assert matrix.tests == 2


def test_classes_that_a_model_lacks_leave_both_models(tmp_path):
    """A model without ``sad`` is judged on the other classes, and so is the diagonal beside it."""
    labels = [0, 1, 2, 1] * 20
    diagonal = opened(tmp_path / "AA", decided(labels, FEW))
    others = [row for row, label in enumerate(labels) if label < 2]
    base = decided(labels, ())
    kept = [labels[row] for row in others]
    lacking = decided(kept, range(0, 60, 3), classes=("angry", "happy"))
    lacking = changed(lacking, ids=tuple(base.predictions.ids[row] for row in others))
    lacking = replace(lacking, spoken=tuple(base.spoken[row] for row in others))
    own = opened(tmp_path / "BA", lacking)
    matrix = build_matrix(setting(), {"A": diagonal, "B": diagonal}, {("B", "A"): own, ("A", "B"): diagonal}, {})
    found = cell(matrix, "B", "A")
    assert (found.classes, found.utterances) == (("angry", "happy"), 60)
    fewer = diagonal.stored.predictions.logits[0][others][:, :2].argmax(1)
    assert found.drop.diagonal == pytest.approx(balanced_accuracy_score(kept, fewer))
    assert any(note.startswith("B on A: 2 classes, without sad") for note in matrix.notes)
    assert restricted(diagonal, ("angry", "happy", "sad")) is diagonal


def test_cells_are_about_the_utterances_that_the_diagonal_tests(tmp_path):
    """Where the recipe divides a corpus itself, other models are judged on all of it, and compared on its tests."""
    diagonal = opened(tmp_path / "AA", decided(TARGETS["A"][:40], ()))
    more = opened(tmp_path / "BA", decided(TARGETS["A"], range(40, 80)))
    matrix = build_matrix(setting(), {"A": diagonal, "B": diagonal}, dict.fromkeys([("A", "B"), ("B", "A")], more), {})
    assert cell(matrix, "B", "A").utterances == 40
    assert cell(matrix, "B", "A").figure.value == 1


def test_few_speakers_have_no_interval(tmp_path):
    matrix = two(tmp_path, speakers=3)
    drop = cell(matrix, "A", "B").drop
    assert (drop.difference.low, drop.holm, drop.verdict, matrix.tests) == (None, None, NO_INTERVAL, 0)
    assert any("3 speakers: too few for an interval" in note for note in matrix.notes)
    assert "no drop can be tested: too few speakers" in show(matrix, None)


def test_models_of_all_others_stand_beside_the_diagonal(tmp_path):
    names = ("A", "B", "C")
    found = opened(tmp_path / "any", decided(TARGETS["A"], FEW))
    worse = opened(tmp_path / "worse", decided(TARGETS["A"], MANY))
    elsewhere = {(one, two): found for one in names for two in names if one != two}
    diagonal = dict.fromkeys(names, found)
    matrix = build_matrix(setting(names, leave_one_out=True), diagonal, elsewhere, dict.fromkeys(names, worse))
    assert [one.trained_on for one in matrix.left_out] == [("B", "C"), ("A", "C"), ("A", "B")]
    assert matrix.left_out[0].run == "cross/B+C/on/A"
    assert all(one.drop.verdict == FALLS for one in matrix.left_out)
    assert all(one.drop.verdict == NOT_SHOWN for row in matrix.rows for one in row.cells if one.drop)
    assert matrix.tests == 9
    assert [row[2] for row in matrix_rows(matrix)][1:] == ["no"] * 9 + ["yes"] * 3


def test_scores_are_judged_by_the_mean_ccc(tmp_path):
    near, far = (make_score_set(noise=noise, members=1) for noise in (0.1, 0.6))
    found = opened_all(tmp_path, {"near": near, "far": far})
    diagonal = {"A": found["near"], "B": found["near"]}
    matrix = build_matrix(setting(), diagonal, dict.fromkeys([("A", "B"), ("B", "A")], found["far"]), {})
    [pair] = compare_judged([found["far"], found["near"]], ["ccc"]).pairs
    own = cell(matrix, "A", "B")
    assert own.figure.value == pytest.approx(far.predictions.figures(1)["ccc"])
    assert own.drop.difference == pair.metrics[0].difference
    assert (matrix.metric, own.drop.verdict) == ("ccc", FALLS)
    assert "mean CCC of 2 scores" in "\n".join(show(matrix, None))


def test_what_was_selected_on_test_is_said(tmp_path):
    chosen = opened(tmp_path / "chosen", decided(TARGETS["A"], FEW, selected_on_test=True))
    clean = opened(tmp_path / "clean", decided(TARGETS["A"], MANY))
    elsewhere = dict.fromkeys([("A", "B"), ("B", "A")], clean)
    matrix = build_matrix(setting(), {"A": chosen, "B": clean}, elsewhere, {})
    assert any(note.startswith("A: selected on test") for note in matrix.notes)


def test_models_that_share_one_class_are_refused(tmp_path):
    diagonal = opened(tmp_path / "AA", decided(TARGETS["A"], FEW))
    other = opened(tmp_path / "BA", decided([0, 1] * 40, FEW, classes=("angry", "calm")))
    with pytest.raises(DataError, match="share fewer than two classes"):
        build_matrix(setting(), {"A": diagonal, "B": diagonal}, dict.fromkeys([("A", "B"), ("B", "A")], other), {})


@pytest.mark.parametrize("width", [80, 200])
def test_lines_fit_the_terminal(tmp_path, width):
    names = tuple(f"CORPUS-{number}" for number in range(7))
    found = opened(tmp_path / "any", decided(TARGETS["A"], FEW))
    worse = opened(tmp_path / "worse", decided(TARGETS["A"], MANY))
    elsewhere = {(one, two): worse for one in names for two in names if one != two}
    lines = show(build_matrix(setting(names), dict.fromkeys(names, found), elsewhere, {}), width)
    assert max(map(len, lines)) <= width
    assert all(any(name in line for line in lines) for name in names)
    assert any("*" in line for line in lines)
    assert show(two(tmp_path), None)[0] == "cross · recipe tiny · honest protocol · emotion · no label map"


def test_csv_has_a_row_for_each_cell(tmp_path):
    matrix = two(tmp_path)
    rows = list(csv.DictReader(io.StringIO(csv_text(matrix_rows(matrix)))))
    assert tuple(rows[0]) == HEADER
    assert [(row["trained_on"], row["judged_on"]) for row in rows] == [("A", "A"), ("A", "B"), ("B", "A"), ("B", "B")]
    assert float(rows[1]["drop"]) == pytest.approx(float(rows[3]["value"]) - float(rows[1]["value"]))
    assert float(rows[1]["drop"]) == cell(matrix, "A", "B").drop.difference.value
    assert rows[0]["drop"] == ""


def test_json_has_all_cells_and_no_nan(tmp_path):
    table = json.loads(json.dumps(to_json(two(tmp_path)), allow_nan=False))
    assert [len(row["cells"]) for row in table["rows"]] == [2, 2]
    assert table["rows"][0]["cells"][1]["drop"]["verdict"] == FALLS
    assert (table["name"], table["metric"], table["tests"]) == ("cross", "uar", 2)


def test_the_latex_table_is_whole(tmp_path):
    matrix = replace(two(tmp_path, map="my_map.yaml"), command="sertool cross A B", made="2026-01-02")
    text = latex_table(matrix)
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0]
    lines = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(lines) == 2 * 4 + 2
    assert all(line.count("&") == 3 for line in lines)
    assert text.count(r"\textbf{") == 2
    assert r"my\_map.yaml" in text
    assert text.startswith("% sertool cross A B\n")


def test_the_page_is_whole_escaped_and_shaded(tmp_path):
    matrix = replace(two(tmp_path, name="<b>x"), command="sertool cross A B", notes=("A: <script>",))
    page = render(matrix)
    assert page.count("<td") == 2 * 3 + 2 * 3
    assert page.count('class="own"') == 2
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>x" not in page
    assert "default-src 'none'; style-src 'sha256-" in page.replace("&#39;", "'")
    assert shade(cell(matrix, "A", "A"), matrix) > shade(cell(matrix, "A", "B"), matrix) == 0
