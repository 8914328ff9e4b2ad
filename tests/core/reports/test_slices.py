"""Slices of a set: which there are, which are tested, and how seldom a clean one is called weak."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import CLASSES
from stored_sets import changed, make_set, only, write_run
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.metrics import Jackknife, clusters_of
from sertool.core.metrics.classification import METRICS
from sertool.core.metrics.intervals import uar_interval
from sertool.core.reports.slices import slice_rows


def test_parts_are_named_and_tested_together(clean):
    rows = only(clean).sets["test"].slices
    assert [row.name for row in rows if row.kind == "speaker"] == [f"test-{number}" for number in range(10)]
    assert [row.name for row in rows if row.kind == "gender"] == ["f", "m"]
    assert [row.name for row in rows if row.kind == "words"] == [
        "1 to 4 words",
        "5 to 8 words",
        "9 to 12 words",
    ]
    assert [row.name for row in rows if row.kind == "seconds"] == [
        "0.4 to 1.6 s",
        "2.0 to 3.2 s",
        "3.6 to 4.8 s",
    ]
    assert [row.name for row in rows if row.kind == "class"] == list(CLASSES)
    assert not [row for row in rows if row.kind == "modality"]
    assert not any(row.weak for row in rows)
    assert all(row.accuracy.low <= row.accuracy.value <= row.accuracy.high for row in rows)


def test_each_corpus_that_was_joined_is_a_part(tmp_path):
    test = make_set("test")
    spoken = [replace(one, corpus="A" if int(one.speaker.partition("-")[2]) < 5 else "B") for one in test.spoken]
    write_run(tmp_path / "tiny", replace(test, spoken=tuple(spoken)))
    own = only(tmp_path).sets["test"]
    rows = [row for row in own.slices if row.kind == "corpus"]
    right = test.predictions.logits.mean(0).argmax(-1) == test.predictions.targets
    inside = {name: np.array([one.corpus == name for one in spoken]) for name in "AB"}
    assert [row.name for row in rows] == ["A", "B"]
    assert [row.size for row in rows] == [int(mask.sum()) for mask in inside.values()]
    assert [row.clusters for row in rows] == [5, 5]
    np.testing.assert_allclose([row.accuracy.value for row in rows], [right[mask].mean() for mask in inside.values()])
    assert all(row.p is not None for row in rows)
    for row in rows:  # the UAR is that of a set of this corpus alone
        mask = inside[row.name]
        part = [test.predictions.targets[mask], test.predictions.logits.mean(0).argmax(-1)[mask]]
        speakers = [one.speaker for one in np.array(spoken, object)[mask]]
        alone = uar_interval(*part, 3, speakers)
        assert row.uar.value == pytest.approx(METRICS["uar"](*part, 3))
        assert (row.uar.low, row.uar.high) == pytest.approx((alone.low, alone.high))
    assert all(row.uar is None for row in own.slices if row.kind != "corpus")


def test_corpora_are_shown_on_a_terminal_in_html_and_in_csv(tmp_path, monkeypatch):
    test = make_set("test")
    names = ["A", "<b>B</b>"]
    spoken = [replace(one, corpus=names[int(one.speaker.partition("-")[2]) % 2]) for one in test.spoken]
    write_run(tmp_path / "ckpt/tiny", replace(test, spoken=tuple(spoken)))
    monkeypatch.chdir(tmp_path)
    arguments = ["report", "--name", "tiny", "--html", "r.html", "--csv", "r.csv"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    table = result.stdout[result.stdout.index("by corpus") :].splitlines()
    assert table[1].split() == ["corpus", "utterances", "speakers", "accuracy", "95", "%", "UAR", "95", "%"]
    assert table[2].split()[:3] == ["<b>B</b>", "200", "5"]
    page = Path("r.html").read_text()
    line = page[page.index("UAR by corpus, %:") :].partition("</p>")[0]
    assert "&lt;b&gt;B&lt;/b&gt;" in line
    assert "<b>B</b>" not in page
    assert "slice,corpus: A" in Path("r.csv").read_text()


def test_parts_of_clean_sets_are_seldom_weak_however_much_speakers_differ():
    weak = 0
    for seed in range(100):
        stored, random = make_set("test", seed=seed), np.random.default_rng(seed)
        skill = random.normal(0.8, 1, 10)[np.arange(400) % 10]
        right = (random.random(400) < 1 / (1 + np.exp(-skill))).astype(float)
        jackknife = Jackknife(clusters_of(stored.spoken))
        weak += any(row.weak for row in slice_rows(stored, right, jackknife) if row.kind != "speaker")
    assert weak <= 8


def test_a_gender_of_few_speakers_is_not_tested(tmp_path):
    test = make_set("test", speakers=6)
    women = np.array([one.gender == "f" for one in test.spoken])
    wrong = (test.predictions.logits.mean(0).argmax(-1) + 1) % 3
    write_run(tmp_path / "tiny", changed(test, targets=np.where(women, wrong, test.predictions.targets)))
    rows = {row.name: row for row in only(tmp_path).sets["test"].slices}
    assert rows["f"].difference < -0.5
    assert (rows["f"].p, rows["f"].weak) == (None, False)
    assert rows["test-0"].weak


def test_missing_modalities_are_parts_and_small_parts_are_not_tested(tmp_path):
    test = make_set("test", 60)
    spoken = [replace(one, words=0, text="") if row < 12 else one for row, one in enumerate(test.spoken)]
    spoken = [replace(one, frames=0) if 12 <= row < 15 else one for row, one in enumerate(spoken)]
    write_run(tmp_path / "tiny", replace(test, spoken=tuple(spoken)))
    rows = {(row.kind, row.name): row for row in only(tmp_path).sets["test"].slices}
    assert rows["modality", "no text"].size == rows["words", "no words"].size == 12
    assert rows["modality", "no audio"].size == 3
    assert rows["modality", "no audio"].p is None
    assert rows["modality", "no text"].p is not None
    assert rows["modality", "text and audio"].size == 45
