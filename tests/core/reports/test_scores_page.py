"""Predicted scores and raters' votes on the HTML page: complete, valid, closed against what a corpus holds."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from report_pages import HOSTILE, SPACE, SVG, data_of, not_isolated, of, parsed, text_of, text_outside_figures
from score_example import hostile_scores, scores_report
from scored_sets import make_score_set
from stored_sets import report, write_run

from sertool.core.reports.html import figures
from sertool.core.reports.html.figures.scores import MOST, drawn_of
from sertool.core.reports.html.page import render


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return scores_report(tmp_path_factory.mktemp("scores"))


@pytest.fixture(scope="module")
def page(made):
    return render(made)


@pytest.fixture(scope="module")
def tree(page):
    return parsed(page)


def section(tree, place):
    """The text of a section of a run, from its heading to the next."""
    text = []
    parent = next(node for node in tree.iter() if any(child.get("id") == place for child in node))
    inside = False
    for child in parent:
        if child.tag in (SPACE + "h3", SPACE + "h4"):
            inside = child.get("id") == place
        if inside:
            text.append(text_of(child))
    return " ".join(text).replace("\u00a0", " ")


def place_of(made, name, rest):
    number = next(number for number, run in enumerate(made.runs, start=1) if run.name == name)
    return f"run-{number}-{rest}"


def test_it_names_no_address_and_its_links_lead_somewhere(page, tree):
    assert not re.search(r"https?:|//[a-z]|url\(|@import", page)
    ids = Counter(node.get("id") for node in tree.iter() if node.get("id"))
    assert max(ids.values()) == 1
    assert {node.get("href")[1:] for node in of(tree, "a")} <= set(ids)
    for table in of(tree, "table"):
        assert text_of(table.find(SPACE + "caption"))
        assert all(head.get("scope") in ("row", "col", "rowgroup") for head in of(table, "th"))
    for figure in tree.iter(SVG + "svg"):
        if figure.get("aria-hidden") != "true":
            assert [child.tag for child in figure][:2] == [SVG + "title", SVG + "desc"]
            assert all(text_of(child) for child in list(figure)[:2])


def test_each_score_has_its_figures_baseline_and_raters(made, tree):
    run = next(run for run in made.runs if run.name == "scores")
    text = section(tree, place_of(made, "scores", "test-scores"))
    for one in run.sets["test"].dimensions:
        for name, own in one.metrics.items():
            assert f"{own.value:.3f}".replace("-", "−") in text, name
        assert f"{one.true.mean:.2f} ± {one.true.sd:.2f}" in text
        assert f"baseline {one.baseline['mae']:.3f}" in text
    assert text.count("one rater 0.") == 5  # valence alone has raters
    assert "one rater 0.900" in text


def test_coverage_stands_beside_what_it_should_be(made, tree):
    test = next(run for run in made.runs if run.name == "scores").sets["test"]
    text = section(tree, place_of(made, "scores", "test-intervals"))
    for one in test.dimensions:
        assert f"±{one.intervals.half:.3f}" in text
        assert f"{100 * one.intervals.covered.value:.1f}" in text
    assert "90.0 % should" in text
    assert "fitted on these utterances" in section(tree, place_of(made, "scores", "valid-intervals"))


def test_a_score_has_a_scatter_and_residuals_by_range_and_speaker(made, tree):
    titles = [text_of(node) for node in tree.iter(SVG + "title")]
    for name in ("valence", "arousal"):
        assert titles.count(f"Predicted against true {name}") == 4  # two runs, two sets
        assert titles.count(f"Residuals by range of true {name}") == 4
        assert titles.count(f"Residuals of {name} by speaker") == 4
    narrow = section(tree, place_of(made, "narrow", "test-score-0"))
    assert "Red: significantly, and by more than a tenth of the range, off." in narrow
    told = [text_of(node) for node in tree.iter(SVG + "desc")]
    assert any(re.match(r"test-3: mean \+\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\), median \+", text) for text in told)


def test_figures_of_scores_are_not_called_percent(made, tree):
    text = section(tree, place_of(made, "scores", "test"))
    assert "Means over 2 scores, errors in the units of the scores" in text
    assert "In percent" not in text
    members = section(tree, place_of(made, "scores", "test-members"))
    assert "%" not in members.replace("95 %", "")
    assert "CCC beside it" in section(tree, place_of(made, "scores", "test-slices"))
    results = text_of(next(node for node in of(tree, "section") if node.get("id") == "results"))
    assert "lower is better" in results
    assert "shares in percent, errors and correlations of predicted scores as they are" in results


def test_an_error_is_drawn_with_the_warning_that_less_is_better(made, tree):
    drawn = next(node for node in of(tree, "section") if node.get("id") == "intervals")
    captions = [text_of(node).replace("\u00a0", " ") for node in of(drawn, "figcaption")]
    assert [one for one in captions if one.startswith("MAE")] == [
        "MAE on test; a line is the 95 % interval. Lower is better."
    ]
    assert any(one.startswith("CCC on test; ") for one in captions)
    assert any(one.startswith("Accuracy on test, %; ") for one in captions)
    assert "MAE, lower is better" in [text_of(node) for node in drawn.iter(SVG + "text")]


def test_probes_of_scores_tell_the_fall_in_ccc_of_each(made, tree):
    text = section(tree, place_of(made, "scores", "test-probes"))
    assert "CCC and MAE by input; the fall in CCC" in text
    assert "Each score: the fall in CCC by input" in text
    fall = next(run for run in made.runs if run.name == "scores").sets["test"].dimensions[1].falls["audio shuffled"]
    assert f"+{fall.value:.3f}" in text


def test_the_list_holds_every_utterance_with_both_scores(made, tree):
    pool, browsers = data_of(tree)
    data = next(one for one in browsers if "scores" in one)
    test = next(run for run in made.runs if run.name == "narrow").sets["test"]
    assert (data["scores"], data["widths"]) == (["valence", "arousal"], [4, 10])
    assert len(data["rows"]) == 130
    worst = min(test.scored, key=lambda row: row.order)
    row = data["rows"][0]
    assert pool["utterances"][row[0]][0] == worst.id
    assert row[2:6] == [round(one, 3) for one in (*worst.true, *worst.predicted)]
    assert len(row) == 2 + 3 * 2


def test_a_missing_score_is_null_in_the_list(made, tree):
    _, browsers = data_of(tree)
    lists = [one for one in browsers if "scores" in one]
    assert sum(row[3] is None for one in lists for row in one["rows"]) == 2 * 15  # every ninth of both sets


def test_at_most_two_thousand_points_are_drawn_evenly_and_the_page_says_so(tmp_path):
    write_run(tmp_path / "big", make_score_set("test", 2500), make_score_set("valid", 200))
    made = report(tmp_path)
    page = render(made)
    assert page.count('class="points') == 4
    drawn = [len(re.findall(r"M[\d.]+ [\d.]+h0", path)) for path in re.findall(r'd="([^"]*)" class="points', page)]
    assert drawn == [MOST, MOST, 200, 200]
    text = text_of(parsed(page)).replace("\u00a0", " ")
    assert "2,000 of 2,500 utterances are drawn, spread evenly over the true scores." in text
    pairs = [(float(place), 0.0) for place in range(5000)]
    drawn = drawn_of(pairs)
    assert (drawn[0], drawn[-1], len(set(drawn))) == (pairs[0], pairs[-1], MOST)
    assert len(page) < 3_000_000


def test_many_speakers_are_drawn_at_both_ends(made):
    one = next(run for run in made.runs if run.name == "scores").sets["test"].dimensions[0]
    many = tuple(
        replace(one.speakers[0], name=f"s{place}", mean=replace(one.speakers[0].mean, value=place / 100))
        for place in range(100)
    )
    texts = str(figures.speaker_residuals(replace(one, speakers=many)))
    assert "… 60 more speakers …" in texts
    assert (">s0<" in texts, ">s19<" in texts, ">s20<" in texts, ">s79<" in texts, ">s80<" in texts) == (
        *(True, True, False, False),
        True,
    )


@pytest.mark.parametrize("bad", HOSTILE)
def test_hostile_names_are_shown_as_text(tmp_path, bad):
    plain = parsed(render(hostile_scores(tmp_path / "plain", "harmless")))
    tree = parsed(render(hostile_scores(tmp_path / "bad", bad)))
    assert [node.tag for node in tree.iter()] == [node.tag for node in plain.iter()]
    assert not of(tree, "img")
    body, harmless = ("".join(text_outside_figures(of(one, "main")[0])) for one in (tree, plain))
    assert body.count(bad) == harmless.count("harmless") > 50


def test_names_from_right_to_left_stand_in_elements_of_their_own(tmp_path):
    tree = parsed(render(hostile_scores(tmp_path, "غضب 1")))
    assert list(not_isolated(tree)) == []
