"""Speakers that are unknown, and too few of them: told by every command before its figure."""

import json
from dataclasses import replace

import pytest
from builders import make_corpus, tiny_recipe, write_tiny
from stored_sets import make_set, only, write_run
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.doctor.inspect import inspect, warning_lines
from sertool.core.recipe.load import resolved

UNKNOWN = "the speakers are unknown: the same voice may be in training and in test, so the figures may be too good"
SIZES = {"train": 36, "valid": 20, "test": 20}


def nameless(corpus, every=1, **known):
    """Return a corpus without the speaker of every n-th utterance, and with other groups instead."""
    utterances = [
        replace(one, speaker=None, **known) if row % every == 0 else one for row, one in enumerate(corpus.utterances)
    ]
    return replace(corpus, utterances=tuple(utterances))


def findings(tmp_path, corpus, **sections):
    folder = write_tiny(tmp_path, corpus) / "TINY"
    inspection = inspect(tiny_recipe(**sections), folder, data_dir=tmp_path)
    return {one.kind: one for one in inspection.findings}, warning_lines(inspection)


def test_no_speaker_is_known(tmp_path):
    found, lines = findings(tmp_path, nameless(make_corpus(SIZES)))
    own = found["speakers-unknown"]
    assert (own.severity, own.number, own.text, own.examples) == ("warning", 76, UNKNOWN, ())
    assert lines == [f"warning: {UNKNOWN}; {own.advice} [speakers-unknown]"]
    assert "--pattern" in own.advice
    assert "few-speakers" not in found  # nothing is known of them


def test_some_speakers_are_unknown(tmp_path):
    corpus = nameless(make_corpus(SIZES, speakers=30), every=4)
    found, _ = findings(tmp_path, corpus)
    own = found["speakers-unknown"]
    assert (own.number, own.examples[:2]) == (19, ("train0 (train)", "train4 (train)"))
    assert own.text.startswith("the speakers of 19 utterances of 76 are unknown: the same voice may be in training")
    assert corpus.caveats == " (some speakers unknown)"


@pytest.mark.parametrize("group", ["session", "dialogue", "video"])
def test_another_group_keeps_voices_apart(group, tmp_path):
    corpus = nameless(make_corpus(SIZES), **{group: "g1"})
    assert "speakers-unknown" not in findings(tmp_path, corpus)[0]
    assert (corpus.caveats, corpus.speakers_note) == ("", "")


def test_unlabelled_utterances_do_not_count(tmp_path):
    corpus = make_corpus({**SIZES, "private": 4}, speakers=40)
    corpus = replace(
        corpus,
        utterances=tuple(
            replace(one, speaker=None, labels={}) if one.split == "private" else one for one in corpus.utterances
        ),
    )
    found, lines = findings(tmp_path, corpus)
    assert "speakers-unknown" not in found
    assert (lines, corpus.caveats) == ([], "")


@pytest.mark.parametrize(
    ("speakers", "sections", "number", "text", "advice"),
    [
        (6, {}, 2, "2 test speakers", "cross-validate with --set splits.scheme=folds"),
        (6, {"splits": {"scheme": "corpus", "group": "session"}}, 2, "2 test speakers", None),
        (3, {}, 1, "1 test speaker", "record 5 speakers or more; until then, look at the figures speaker by speaker"),
    ],
)
def test_too_few_test_speakers(speakers, sections, number, text, advice, tmp_path):
    found, lines = findings(tmp_path, make_corpus(SIZES, speakers=speakers), **sections)
    own = found["few-speakers"]
    assert (own.severity, own.number) == ("warning", number)
    assert own.text == f"{text}: too few for an interval (5 are needed)"
    assert own.advice == (advice or "cross-validate with --set splits.scheme=folds --set splits.group=speaker")
    assert lines == [f"warning: {own.text}; {own.advice} [few-speakers]"]


def test_too_few_speakers_in_validation_alone(tmp_path):
    corpus = make_corpus({**SIZES, "test": 24}, speakers=24)
    utterances = [replace(one, speaker="v1") if one.split == "valid" else one for one in corpus.utterances]
    found, _ = findings(tmp_path, replace(corpus, utterances=tuple(utterances)))
    assert found["few-speakers"].text == "1 validation speaker: too few for an interval (5 are needed)"
    assert found["few-speakers"].examples == ("v1",)


def test_cross_validation_pools_the_speakers_of_all_folds(tmp_path):
    """The advice works as it is typed: five folds, of six speakers."""
    found, lines = findings(tmp_path, make_corpus(SIZES), splits={"scheme": "folds"})
    assert (lines, set(found) & {"few-speakers", "division"}) == ([], set())


def test_every_command_tells_of_unknown_speakers_before_its_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "data", nameless(make_corpus(SIZES)))
    (tmp_path / "tiny.yaml").write_text(resolved(tiny_recipe(training={"runs": 1, "max_epochs": 1})))

    def run(*arguments):
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == 0, result.output
        return result

    trained = run("train", "--recipe", "tiny.yaml", "--name", "tiny", "--json", "train.json")
    assert f"warning: {UNKNOWN}; name them" in trained.stderr.partition("epoch 1/1")[0]
    assert trained.stdout.startswith(f"warning: {UNKNOWN} [speakers-unknown]\ntiny · 1 member · valid ")
    assert json.loads((tmp_path / "train.json").read_text())["speakers_note"] == UNKNOWN
    lines = run("ensemble", "--name", "tiny").stdout.splitlines()
    assert lines[0] == "tiny · TINY (speakers unknown) · test · 20 utterances"
    assert lines[1] == f"warning: {UNKNOWN} [speakers-unknown]"
    run("report", "--name", "tiny", "--markdown", "report.md", "--json", "report.json", "--html", "report.html")
    page = (tmp_path / "report.md").read_text()
    assert page.index(UNKNOWN) < page.index("| tiny |")
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["runs"][0]["caveats"] == "speakers unknown"
    assert [one["kind"] for one in report["runs"][0]["findings"]].count("speakers-unknown") == 1
    assert "speakers-unknown" in (tmp_path / "report.html").read_text()


def test_a_run_that_was_evaluated_before_is_told_of_too(tmp_path):
    """Predictions of earlier versions hold no such finding, but they hold the speakers."""
    stored = make_set("test")
    spoken = tuple(replace(one, speaker=None) for one in stored.spoken)
    run = only(write_run(tmp_path / "tiny", replace(stored, spoken=spoken)).parent)
    assert run.caveats == "speakers unknown"
    assert [(one.severity, one.text) for one in run.findings if one.kind == "speakers-unknown"] == [
        ("warning", UNKNOWN)
    ]
