"""Raters' votes in a report: cross-entropy, divergence, and the accuracy beside the ceiling, in every output."""

import numpy as np
import pytest
from report_pages import of, parsed, rows_of, text_of
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy
from scored_sets import make_voted_set
from stored_sets import changed, make_origin, make_set, only, report, write_run

from sertool.core.files.csv_text import csv_text
from sertool.core.metrics import Estimate
from sertool.core.reports.data_files import figure_rows, to_json
from sertool.core.reports.html.page import render
from sertool.core.reports.latex import latex_files
from sertool.core.reports.text.markdown import to_markdown
from sertool.core.reports.text.terminal import show
from sertool.core.reports.wording import reached_of

CEILINGS = {"emotion": {"accuracy": Estimate(0.9, 0.85, 0.94), "uar": Estimate(0.88, 0.83, 0.92)}}


@pytest.fixture
def voted(tmp_path):
    """A folder with a run whose raters disagree, with ceilings and ties."""
    test, valid = (make_voted_set(name, number) for name, number in (("test", 400), ("valid", 200)))
    write_run(tmp_path / "tiny", changed(test, ceilings=CEILINGS, ties=37), valid)
    return tmp_path


def test_votes_have_the_figures_of_other_packages(voted):
    test = only(voted).sets["test"]
    own = make_voted_set("test").predictions
    logits = own.ensemble_logits(3).astype(np.float64) / (test.calibration.temperature or 1)
    shares = softmax(logits, axis=1)
    found = test.votes.metrics
    assert found["cross_entropy"].value == pytest.approx(-(own.votes * np.log(shares)).sum(1).mean())
    assert found["jsd"].value == pytest.approx((jensenshannon(own.votes, shares, axis=1, base=2) ** 2).mean())
    assert found["jsd"].low < found["jsd"].value < found["jsd"].high
    always = own.votes.mean(0)
    assert test.votes.baseline["cross_entropy"] == pytest.approx(entropy(always))
    assert test.votes.entropy == pytest.approx(entropy(own.votes, axis=1).mean())
    assert test.votes.entropy < found["cross_entropy"].value
    assert (test.votes.utterances, test.votes.ties) == (400, 37)


def test_utterances_without_votes_do_not_count(tmp_path):
    stored = make_voted_set("test")
    votes = stored.predictions.votes.copy()
    votes[::4] = np.nan
    write_run(tmp_path / "tiny", changed(stored, votes=votes), make_voted_set("valid", 200))
    row = only(tmp_path).sets["test"].votes
    assert row.utterances == 300
    assert row.entropy == pytest.approx(entropy(votes[~np.isnan(votes).any(1)], axis=1).mean())
    assert (row.ceilings, row.ties) == ({}, None)


def test_a_set_without_votes_has_none(tmp_path):
    write_run(tmp_path / "tiny", make_set("test"), make_set("valid", 200))
    assert only(tmp_path).sets["test"].votes is None


def test_every_output_has_the_accuracy_beside_the_ceiling(voted):
    made = report(voted)
    test = made.runs[0].sets["test"]
    accuracy, votes = test.metrics["accuracy"], test.votes
    said = reached_of("accuracy", accuracy, CEILINGS["emotion"]["accuracy"], "single")
    assert f"{100 * accuracy.value:.2f} %" in said
    assert "of a ceiling of 90.00 % (85.0 - 94.0)" in said
    terminal = " ".join(line.strip() for line in show(made, 100))
    ties = "37 utterances of these speakers in no set, because the raters tie"
    for text in (terminal, to_markdown(made)):
        assert said in text
        assert ties in text
        assert f"{votes.metrics['cross_entropy'].value:.3f}" in text
    page = text_of(parsed(render(made)))
    assert "of a ceiling of 90.00 % (85.0 - 94.0)" in page.replace("\u00a0", " ")
    assert "37 utterances of these speakers are in no set, because the raters tie" in page
    tables = dict(latex_files(made))
    assert f"{votes.metrics['jsd'].value:.3f}" in tables["tiny/test-beside-the-raters-votes.tex"]
    rows = {(row["what"], row["metric"]): row for row in rows_of(csv_text(figure_rows(made))) if row["set"] == "test"}
    assert float(rows["votes", "jsd"]["value"]) == votes.metrics["jsd"].value
    assert (rows["ceiling", "accuracy"]["value"], rows["votes", "ties"]["value"]) == ("0.9", "37")
    assert to_json(made)["runs"][0]["sets"]["test"]["votes"]["ceilings"]["accuracy"]["high"] == 0.94


def test_the_contents_lead_to_the_votes(voted):
    tree = parsed(render(report(voted)))
    places = {node.get("id") for node in tree.iter()}
    links = {node.get("href") for node in of(tree, "a")}
    assert "run-1-test-votes" in places
    assert "#run-1-test-votes" in links


def test_labels_of_any_rater_have_a_table_of_their_own(tmp_path):
    write_run(tmp_path / "majority", *(make_voted_set(name) for name in ("test", "valid")))
    several = make_origin(rule="any")
    write_run(tmp_path / "several", *(make_set(name, kind="multi", origin=several) for name in ("test", "valid")))
    made = report(tmp_path)
    tables = {(task.task, task.kind): [row.run for row in task.ours] for task in made.tasks}
    assert tables == {("emotion", "single"): ["majority"], ("emotion, any rater", "multi"): ["several"]}
