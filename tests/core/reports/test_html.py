"""The HTML report: valid, closed against what a corpus holds, small, complete."""

import base64
import hashlib
import json
import math
import re
from collections import Counter
from dataclasses import replace

import pytest
import report_example
from hypothesis import given
from hypothesis import strategies as st
from report_pages import (
    HOSTILE,
    SPACE,
    SVG,
    data_of,
    hostile_report,
    not_isolated,
    of,
    parsed,
    text_of,
    text_outside_figures,
)

from sertool.core.files.page_text import as_json, sentence, visible
from sertool.core.formatting import escaped
from sertool.core.metrics import Estimate
from sertool.core.reports.contents import Report
from sertool.core.reports.html.page import render


def of_svg(figure, name):
    return list(figure.iter(SVG + name))


@pytest.fixture(scope="module")
def page():
    return render(report_example.example(60))


@pytest.fixture(scope="module")
def tree(page):
    return parsed(page)


# the page


def test_it_names_no_address_and_loads_nothing(page, tree):
    assert not re.search(r"https?:|//[a-z]|url\(|@import", page)
    for node in tree.iter():
        for name, value in node.attrib.items():
            assert not name.startswith("on"), "no handler in an attribute"
            assert name != "style", "the policy forbids styles in attributes"
            if name in ("src", "href"):
                assert value.startswith(("#", "data:"))


def test_the_policy_allows_the_style_and_the_script_of_the_page_and_nothing_else(tree):
    policy = next(node.get("content") for node in of(tree, "meta") if node.get("http-equiv"))
    script = next(node.text for node in of(tree, "script") if node.get("type") is None)
    style = of(tree, "style")[0].text

    def hashed(text):
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; style-src {hashed(style)}; script-src {hashed(script)}; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def test_links_lead_somewhere_and_names_are_given_once(tree):
    ids = Counter(node.get("id") for node in tree.iter() if node.get("id"))
    assert max(ids.values()) == 1
    assert {node.get("href")[1:] for node in of(tree, "a")} <= set(ids)
    cells = {node.get("href")[1:] for node in of_svg(tree, "a")}
    assert "run-1-test-utterances" in cells <= set(ids)
    assert {node.get("aria-labelledby") for node in tree.iter() if node.get("aria-labelledby")} <= set(ids)


def test_tables_and_figures_can_be_read_without_seeing_them(tree):
    assert tree.get("lang") == "en"
    for table in of(tree, "table"):
        assert text_of(table.find(SPACE + "caption"))
        assert all(head.get("scope") in ("row", "col", "rowgroup") for head in of(table, "th"))
    drawn = list(tree.iter(SVG + "svg"))
    assert len(drawn) > 50
    for figure in drawn:
        if figure.get("aria-hidden") != "true":
            assert figure.get("role") == ("group" if of_svg(figure, "a") else "img")
            assert [child.tag for child in figure][:2] == [SVG + "title", SVG + "desc"]
            assert all(text_of(child) for child in list(figure)[:2])


def test_findings_come_first_and_the_most_severe_of_them_first(tree):
    box = next(node for node in of(tree, "section") if node.get("id") == "findings")
    lines = [text_of(item) for item in of(box, "li")]
    assert lines[0] == "■ error iemocap selected-on-test epochs, order and k were selected on the test split"
    assert [line.split()[1] for line in lines] == ["error", *["warning"] * 3, "note", "warning"]
    # A finding of two runs stands once.
    few = "other-clusters only 2 speakers: the intervals say nothing about other speakers"
    assert lines[4] == f"● note iemocap, iemocap-honest {few}"
    assert "No findings for mosei-emotions." in text_of(box)
    assert lines[-1].endswith("vgaf: no stored predictions: sertool ensemble --name vgaf --split valid,test")
    assert of(tree, "main")[0].findall(f".//{SPACE}section")[0] is box


def test_the_table_of_a_data_set_has_the_published_ours_and_the_difference(tree):
    rows = [[text_of(cell) for cell in row] for row in of(of(tree, "table")[0], "tr")]
    assert rows == [
        ["Run", "accuracy", "UAR", "macro F1", "weighted F1"],
        ["Published"],
        ["the paper's repository5 members · 1,085 utterances", "72.53", "–", "–", "–"],
        ["the paper, table 2", "–", "–", "–", "74.00"],
        ["Our runs, paper’s protocol"],
        [
            "iemocap selected on test: epochs, order and kk = 4, 5 members, trained on 4,446 utterances",
            "73.2068.2–77.769.00 ± 0.95",
            "74.4069.4–78.969.00 ± 0.95",
            "72.8067.8–77.369.00 ± 0.95",
            "73.4068.4–77.969.00 ± 0.95",
        ],
        ["Our runs, honest protocol"],
        [
            "iemocap-honest k = 4, 5 members, trained on 4,446 utterances",
            "69.4064.4–73.965.20 ± 0.95",
            "70.6065.6–75.165.20 ± 0.95",
            "69.0064.0–73.565.20 ± 0.95",
            "69.6064.6–74.165.20 ± 0.95",
        ],
        ["Baseline: one answer for all"],
        ["always neutral", *["30.00"] * 4],
        ["Difference in points: how optimistic the paper’s protocol is"],
        [
            "iemocap minus iemocap-honesttrained on 4,446 against 3,557 utterances",
            *["+3.80.6 to 7.1p 0.021"] * 4,
        ],
    ]
    assert "meld: needs data/MELD: sertool fetch-data data" in text_of(of(tree, "main")[0])


def test_a_figure_under_the_paper_s_protocol_is_never_without_its_stamp(tree):
    headings = [text_of(node) for node in of(tree, "h2") + of(tree, "h3")]
    assert "iemocap selected on test: epochs, order and k" in headings
    assert "iemocap" not in headings
    assert "iemocap-honest" in headings


def test_a_run_says_what_its_intervals_are_over_and_how_k_was_chosen(tree):
    said = [text_of(node) for node in of(tree, "p")]
    start = "In percent, with 95 % intervals over 28 dialogues; 60 utterances. "
    assert any(line.startswith(f"{start}k = 4 of 5 members averaged, selected on test by accuracy.") for line in said)
    assert any(line.startswith(f"{start}k = 4 of 5 members averaged, chosen on validation by") for line in said)
    assert any("k = 1 of 1 member averaged, all that were trained." in line for line in said)
    assert "over utterances: nothing is known about speakers" in said


def test_a_score_that_is_not_defined_says_so(tree):
    table = next(node for node in of(tree, "table") if text_of(node[0]) == "Scores from −3 to 3")
    rows = [[text_of(cell) for cell in row] for row in of(table, "tr")]
    assert rows[4:] == [
        ["MAE", "0.912", "0.840–0.990", "–"],
        ["Pearson", "0.684", "0.610–0.740", "–"],
        ["CCC", "not defined", "–", "–"],
    ]


def test_what_differs_or_is_weak_says_so_in_words(tree):
    rows = [text_of(row) for row in of(tree, "tr")]
    assert any(row.startswith("15 words and more") and row.endswith("▼ weak") for row in rows)
    assert any(row.startswith("happy") and row.endswith("differs") for row in rows)
    sets = [own for run in report_example.example(60).runs for own in run.sets.values()]
    too_few = sum(row.p is None for own in sets for row in own.slices)
    assert sum(row.endswith("not tested") for row in rows) == too_few > 3


def test_provenance_reads_and_commands_stand_at_the_end(tree):
    last = of(tree, "section")[-5]
    assert last.get("id") == "provenance"
    said = text_of(last)
    for part in (
        "sertool report --all --html report.html",
        "NVIDIA A100, bf16",
        "2026-11-21T08:30:02Z",
        "validated on test, 14 epochs",
        "sertool ensemble --name iemocap --split valid,test --probe",
    ):
        assert part in said


def test_the_validation_set_is_folded_away_below_the_test_set(tree):
    folded = [node for node in of(tree, "details") if node.get("class") == "set"]
    assert [text_of(node[0]) for node in folded] == [
        "Figures on valid: 60 utterances, accuracy 74.20, UAR 75.40",
        "Figures on valid: 60 utterances, accuracy 70.40, UAR 71.60",
    ]
    assert all("Confusion" in text_of(node) and node.get("open") is None for node in folded)


def test_a_multi_label_run_has_no_confusion_matrix_and_shows_empty_labels(tree):
    section = next(node for node in of(tree, "section") if node.get("id") == "run-4")
    assert not any("Confusion" in text_of(head) for head in of(section, "h4"))
    assert any(text_of(cell) == "none" for cell in of(section, "td"))


def test_without_a_script_the_first_rows_are_there(tree):
    rows = of(next(node for node in of(tree, "table") if node.get("class") == "utterances"), "tr")[1:]
    assert len(rows) == 50
    marks = [text_of(row[3])[0] for row in rows]
    assert marks == sorted(marks, reverse=True)
    assert marks[0] == "✗"
    assert "filters, sorting and players are missing" in text_of(of(tree, "noscript")[0])


def test_an_empty_report_and_a_run_without_sets_are_pages_too():
    empty = Report("nothing", "now", (), (), ("calls: no stored predictions",), "sertool report --all")
    assert "There are no results." in text_of(parsed(render(empty)))
    run = replace(report_example.run_report(), sets={}, histories={}, reads=(), commands=(), provenance={})
    assert "No predictions of a labelled set are stored for this run." in text_of(
        parsed(render(replace(empty, runs=(run,))))
    )


def test_a_run_of_one_utterance_and_one_class_is_a_page():
    rows = report_example.utterances(1, ("neutral", "happy"), members=1, accuracy=1.0)
    rows = tuple(replace(row, target="neutral", decision="neutral", probabilities=(1.0,)) for row in rows)
    one = replace(
        report_example.set_report("test", 8, members=1, k=1),
        classes=report_example.set_report().classes[:1],
        confusion=((1,),),
        rows=rows,
        slices=(),
        metrics={"accuracy": Estimate(1.0), "uar": Estimate(math.nan)},
    )
    run = replace(report_example.run_report(), class_names=("neutral",), sets={"test": one}, histories={"run-1": ()})
    parsed(render(Report("one", "now", (), (run,), (), "")))


# the data of the error browser


def test_the_error_browser_holds_every_utterance():
    report = report_example.example(60)
    pool, browsers = data_of(parsed(render(report)))
    rows = report.runs[0].sets["test"].rows
    data = browsers[0]
    assert len(data["rows"]) == 60
    assert data["classes"] == list(report_example.EMOTIONS)
    assert data["members"] == 5
    by_id = {row.id: row for row in rows}
    order = []
    for place, target, decision, right, confidence, members, recording, *probabilities in data["rows"]:
        id_, text, speaker, dialogue, seconds, words = pool["utterances"][place]
        row = by_id.pop(id_)
        order.append((row.right, -row.confidence))
        assert (text, pool["speakers"][speaker], pool["dialogues"][dialogue]) == (
            row.text,
            row.speaker,
            row.dialogue,
        )
        assert (seconds, words, members, bool(right)) == (row.seconds, row.words, row.members, row.right)
        assert (data["labels"][target], data["labels"][decision]) == (row.target, row.decision)
        assert [confidence, *probabilities] == [round(1000 * value) for value in (row.confidence, *row.probabilities)]
        assert recording == -1
    assert not by_id
    assert order == sorted(order)


def test_an_utterance_of_several_runs_is_stored_once():
    rows = report_example.utterances(20)
    test = replace(report_example.set_report("test", 20), rows=rows)
    runs = tuple(replace(report_example.run_report(name), sets={"test": test}) for name in ("a", "b"))
    pool, browsers = data_of(parsed(render(Report("", "", (), runs, (), ""))))
    assert len(browsers) == 2
    assert len(pool["utterances"]) == 20


def test_five_thousand_utterances_stay_under_three_megabytes():
    """Without players; the validation set is as large as the test set."""
    run = report_example.run_report(count=5000)
    assert len(render(Report("large", "now", (), (run,), (), "")).encode()) < 3_000_000


# what a corpus holds


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_names_are_shown_as_text(bad):
    plain, tree = parsed(render(hostile_report("harmless"))), parsed(render(hostile_report(bad)))
    # The same elements in the same order: nothing in a text became a part of the page.
    assert [node.tag for node in tree.iter()] == [node.tag for node in plain.iter()]
    assert not of(tree, "img")
    assert text_of(of(tree, "h1")[0]) == bad
    # Figures show the beginning of long names.
    body, harmless = ("".join(text_outside_figures(of(one, "main")[0])) for one in (tree, plain))
    assert body.count(bad) == harmless.count("harmless") > 50
    pool, _ = data_of(tree)
    assert pool["utterances"][0][1] == bad


@pytest.mark.parametrize(
    "bad", ["\0", "a\x0bb\x0c", "\x85", "\ud800", "\ufdd0\uffff", "\r\n\t", "]]> <!-- & &amp;", "\u202ex"]
)
def test_what_html_cannot_hold_does_no_harm(bad):
    page = render(hostile_report(f"a{bad}b"))
    pool, _ = data_of(parsed(page))
    assert pool["utterances"][0][1] == visible(f"a{bad}b")
    assert escaped(page) == page
    assert page.encode()


def test_direction_signs_are_spelled_out_wherever_a_name_stands():
    bad = "sad\u202e\u2066\u200f\x1b[31m"
    shown = r"sad\u202e\u2066\u200f\x1b[31m"
    page = render(hostile_report(bad))
    assert escaped(page) == page
    tree = parsed(page)
    assert text_of(of(tree, "h1")[0]) == text_of(of(tree, "title")[0]) == shown
    pool, (data,) = data_of(tree)
    assert (pool["speakers"], pool["dialogues"], data["classes"]) == ([shown], [shown], [shown] * 4)
    assert data["labels"] == [shown, f"{shown} 2"]
    assert sorted(one[0] for one in pool["utterances"]) == [f"{shown}{place}" for place in range(6)]


@pytest.mark.parametrize("name", ["غضب 1", "שמח", "کتاب\u200cخانه"])
def test_names_from_right_to_left_stand_in_elements_of_their_own(name):
    tree = parsed(render(hostile_report(name)))
    assert list(not_isolated(tree)) == []
    isolated = [text_of(node) for node in of(tree, "bdi")]
    assert isolated.count(name) > 50
    # The example knows no such name, so only the hostile ones are found.
    assert list(not_isolated(parsed(render(hostile_report("harmless"))))) == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("class غضب 12, حزن 30", "class <bdi>غضب</bdi> 12, <bdi>حزن</bdi> 30"),
        ("غضب شديد - غضب: 3", "<bdi>غضب شديد</bdi> - <bdi>غضب</bdi>: 3"),
        ("a<b & שמח", "a&lt;b &amp; <bdi>שמח</bdi>"),
        ("sad\u202e: 3", r"sad\u202e: 3"),
    ],
)
def test_each_name_in_a_sentence_is_isolated_without_the_figures_beside_it(text, wanted):
    assert sentence(text) == wanted


@given(st.text(st.characters()))
def test_json_in_a_page_holds_the_text_as_shown_and_closes_no_script(text):
    written = as_json({"texts": [text]})
    assert json.loads(written) == {"texts": [visible(text)]}
    assert escaped(written) == written
    assert "<" not in written
    parsed(f"<!doctype html><title>x</title><script type=application/json>{written}</script>")
