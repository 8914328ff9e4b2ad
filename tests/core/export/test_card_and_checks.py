"""The model card, and graphs that are refused because they differ or lose accuracy."""

import json
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnx
import pytest
import soundfile
from builders import CPU, make_corpus, tiny_recipe, write_tiny
from export_runs import CLIPS, everyday, judge_of, make_trained, message, run, train_tiny
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from sertool.cli import app
from sertool.core.corpora.corpus import unknown_note
from sertool.core.corpora.tasks import Task
from sertool.core.errors import SertoolError
from sertool.core.export import check as bundle_check
from sertool.core.export import export as exporting
from sertool.core.export import figures as export_figures
from sertool.core.export import losses as lost
from sertool.core.export import source as export_source
from sertool.core.export.check import feeds_of, make_trial
from sertool.core.export.figures import Figure
from sertool.core.export.model_card import Facts, write_card
from sertool.core.export.source import open_trained
from sertool.core.formatting import escaped, in_markdown
from sertool.core.inference.certainty import Certainty
from sertool.core.inference.ensemble import open_ensemble, predict_sets
from sertool.core.metrics import Interval
from sertool.core.metrics.baselines import Baseline
from sertool.core.runs.ensemble_size import all_members
from sertool.core.runs.experiment import open_experiment
from sertool.core.runs.plan import plan_training
from sertool.core.runs.train import train_recipe


def test_the_card_tells_what_legal_asks(shop, tmp_path):
    run(shop, "--out", str(tmp_path / "b"))
    card = (tmp_path / "b/README.md").read_text()
    flat = " ".join(card.split())
    for sentence in (
        "| corpus | TINY: train 24, valid 12, test 12 utterances |",
        "| validated on | 12 utterances of the corpus's own valid split |",
        "| protocol | honest: nothing was selected on test |",
        "| output | one of angry, happy, sad |",
        "Article 5(1)(f) of Regulation (EU) 2024/1689",
        "workplace and education institutions, except for medical or safety reasons",
        "It reads at most 5 words and 8 frames of an utterance",
        "The corpus says of itself: random numbers.",
    ):
        assert sentence in flat, sentence
    assert re.search(
        r"On 12 test utterances: UAR \d+\.\d % \(2 test speakers: too few for an interval \(5 are needed\); "
        r"by speaker \d+\.\d, \d+\.\d %\), "
        r"accuracy \d+\.\d %\.",
        flat,
    )
    assert "{" not in card
    assert "synthetic" not in card


METRICS = {"uar": 0.5, "accuracy": 0.6}


@pytest.mark.parametrize("standardize", ["speaker", "corpus", "each-corpus"])
def test_the_card_of_a_linear_probe_says_that_a_bundle_knows_no_speakers(tmp_path, standardize):
    train_tiny(tmp_path, audio_width=5, dataset={"standardize": standardize}, model={"architecture": "linear"})
    result = run(tmp_path, "--out", str(tmp_path / "b"))
    assert result.exit_code == 0, message(result)
    card = " ".join((tmp_path / "b/README.md").read_text().split())
    assert "| model | 3 members averaged, linear probe |" in card
    sentence = "standardises by the training frames instead; the figures on test were measured in this way too"
    assert (sentence in card) == (standardize == "speaker")
    sentence = "standardises by the training frames of all of them instead; the figures on test were measured in this"
    assert (sentence in card) == (standardize == "each-corpus")


def test_figures_of_a_bundle_are_measured_without_speakers(tmp_path, monkeypatch):
    train_tiny(tmp_path, audio_width=5, dataset={"standardize": "speaker"})
    seen = []

    def predict(ensemble, *others):
        seen.append({own.speaker for own in ensemble.experiment.corpus.utterances})
        return predict_sets(ensemble, *others)

    monkeypatch.setattr(export_figures, "predict_sets", predict)
    figure = export_figures.measure(open_trained("tiny", tmp_path / "ckpt", tmp_path / "data", None))
    assert seen == [{None}]
    assert figure.interval.unit == "speaker"  # the intervals still are by speaker


def make_facts(trained, name: str, figure: Figure | None) -> Facts:
    """The facts of a bundle; ``name`` stands wherever a name from outside may."""
    compared = bundle_check.BundleComparison(name, 1e-6, 0, 64, 1.0, 1.0, np.zeros((64, 3), np.float32))
    return Facts(
        trained=trained, members=trained.members, size=all_members(trained.members, name),
        note={"counts": {name: 24}, "folds": [{"valid": 12}]}, source=name,
        selected_on_test=False, started_from=name, seen_in_test=0, figure=figure, certainty=Certainty(),
        compared=[compared], loss=None, with_frontend=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "note", "by_cluster", "said"),
    [
        (Interval(0.6, 0.8, "speaker", 12), "", (), "95 % interval 60.0 to 80.0 %, over 12 speakers"),
        (
            Interval(0.6, 0.8, "dialogue", 28),
            "only 2 speakers: it says nothing about others",
            (),
            "95 % interval 60.0 to 80.0 %, over 28 dialogues; only 2 speakers: it says nothing about others",
        ),
        (
            Interval(None, None, "speaker", 2),
            "2 speakers",
            (0.65, 0.79),
            "2 test speakers: too few for an interval (5 are needed); by speaker 65.0, 79.0 %",
        ),
        (Interval(None, None, "utterance", 3), "", (), "3 test utterances: too few for an interval (5 are needed)"),
        (Interval(None, None, "speaker", 9), "", (), "no interval can be given"),
    ],
)
def test_the_card_gives_an_interval_or_says_why_there_is_none(interval, note, by_cluster, said):
    figure = Figure(300, 0.75, 0.72, interval, note, by_cluster, Baseline("always low", METRICS))
    card = write_card(make_facts(make_trained(), "tiny", figure), ["README.md"]).replace("\\", "")
    assert f"On 300 test utterances: UAR 72.0 % ({said}), accuracy 75.0 %. Baseline, always low: " in card
    assert "Baseline, always low: UAR 50.0 %, accuracy 60.0 %." in card


def test_the_card_says_before_the_figure_that_speakers_are_unknown():
    own = Figure(300, 0.75, 0.72, Interval(None, None, "utterance", 300), "", (), Baseline("always low", METRICS))
    note = unknown_note(300, 300)
    card = write_card(make_facts(make_trained(), "tiny", replace(own, speakers_note=note)), ["README.md"])
    told = card.index(f"**Speakers unknown:** {in_markdown(note)}.")
    assert told < card.index("On 300 test utterances")
    assert "Speakers unknown" not in write_card(make_facts(make_trained(), "tiny", own), ["README.md"])


def test_no_name_breaks_the_card_or_stands_there_with_signs_of_direction():
    bad = "a|b\n| c | d |\n# x\u202e`<b>"
    shown = r"a|b\n| c | d |\n# x\u202e`<b>"
    trained = make_trained()
    trained = replace(trained, name=bad, corpus=bad, task=Task("emotion", (bad, "غضب", "sad"), "name"))
    card = write_card(make_facts(trained, bad, None), ["README.md"])
    assert escaped(card) == card
    tokens = MarkdownIt("commonmark").enable("table").parse(card)
    said = ["".join(child.content for child in one.children) for one in tokens if one.type == "inline"]
    heads = [text for one, text in pairwise(tokens) if one.type == "heading_open"]
    headings = ["Figures", "Intended use, and forbidden use", "Limits", "Licence", "Files"]
    assert ["".join(child.content for child in one.children) for one in heads] == [shown, *headings]
    assert sum(one.type == "td_open" for one in tokens) == 2 * 8
    assert f"one of {shown}, غضب, sad" in said
    assert f"{shown}: {shown} 24 utterances" in said
    assert f"honest: nothing was selected on test; members started from the weights of {shown}" in said
    assert f"On test: not measured; sertool ensemble --name {shown} --split test measures it." in said
    assert not any(child.type == "html_inline" for one in tokens for child in one.children or ())


def test_the_card_tells_of_machine_made_transcripts(tmp_path):
    corpus = make_corpus(width=80)
    first = replace(corpus.utterances[0], transcriber="whisper tiny")
    write_tiny(tmp_path / "data", replace(corpus, utterances=(first, *corpus.utterances[1:])))
    recipe = tiny_recipe(training={"runs": 1, "max_epochs": 1})
    experiment = open_experiment(recipe, tmp_path / "data")
    plan = plan_training(experiment, tmp_path / "ckpt" / "tiny", [1], None, CPU)
    list(train_recipe(plan, tmp_path / "data", CPU))
    run(tmp_path, "--out", str(tmp_path / "b"))
    card = (tmp_path / "b/README.md").read_text()
    assert "- Some or all of the transcripts in its training data were made by speech recognition.\n" in card
    assert json.loads((tmp_path / "b/settings.json").read_text())["machine_text"] is True
    said = CliRunner().invoke(app, ["predict", "--name", "tiny", "--output", str(tmp_path / "ckpt"), "--text", "word1"])
    assert said.stdout.startswith("tiny · machine-made transcripts · 1 member · ")


def test_the_card_tells_of_a_start_that_had_seen_the_test(shop, tmp_path, monkeypatch):
    def started(*arguments: object):
        return replace(open_ensemble(*arguments), started_from="older", seen_in_test=3)

    monkeypatch.setattr(export_source, "open_ensemble", started)
    run(shop, "--out", str(tmp_path / "b"))
    flat = " ".join((tmp_path / "b/README.md").read_text().split())
    assert (
        "| protocol | honest; members started from the weights of older, which was **trained or selected on 3 of the "
        "test utterances** |"
    ) in flat
    assert "so the figures are optimistic." in flat


def test_without_the_corpus_random_utterances_are_compared_and_figures_are_not_claimed(shop, tmp_path):
    nowhere = ["--data", str(tmp_path / "nowhere")]
    result = run(shop, "--out", str(tmp_path / "b"), *nowhere)
    assert "all 64 decisions equal (64 seeded random utterances)" in result.stdout
    card = (tmp_path / "b/README.md").read_text()
    assert "On test: not measured; `sertool ensemble --name tiny --split test` measures it." in card
    result = run(shop, "--out", str(tmp_path / "c"), "--int8", *nowhere)
    assert result.exit_code == 2
    assert message(result) == (
        "error: --int8: its loss of accuracy was not measured, the corpus is not available; nothing was written\n"
        "  try: --data names the folder that holds the corpora; --force writes it anyway\n"
    )
    assert not (tmp_path / "c").exists()
    result = run(shop, "--out", str(tmp_path / "c"), "--int8", "--force", *nowhere)
    assert "loss of accuracy by int8: not measured" in result.stdout


def test_other_data_of_the_same_name_are_not_taken_for_those_it_was_trained_on(shop, tmp_path):
    write_tiny(tmp_path / "data", make_corpus(width=80, seed=9))
    assert open_trained("tiny", shop / "ckpt", tmp_path / "data", None).experiment is None


def test_eight_bits_that_cost_too_much_are_refused(shop, tmp_path, monkeypatch):
    loss = lost.Loss({"accuracy": 0.75}, {"accuracy": 0.7}, 12)
    monkeypatch.setattr(exporting, "measure_loss", lambda *_, **__: loss)
    result = run(shop, "--out", str(tmp_path / "b"), "--int8")
    assert result.exit_code == 1
    assert message(result) == (
        "error: --int8: loses 5.0 points of accuracy on 12 validation utterances, at most 0.5 is accepted; nothing was "
        "written\n  try: leave --int8 out; --force writes it anyway\n"
    )
    assert list(tmp_path.iterdir()) == []
    result = run(shop, "--out", str(tmp_path / "b"), "--int8", "--force")
    assert "loss of accuracy by int8: +5.0 points on 12 validation utterances" in result.stdout
    assert (
        "has accuracy 70.0 % on 12 validation utterances, the full graph 75.0 %"
        in (tmp_path / "b/README.md").read_text()
    )


def test_one_utterance_of_two_hundred_costs_half_a_point():
    loss = lost.Loss({"accuracy": 191 / 200}, {"accuracy": 190 / 200}, 200)
    assert loss.points == 0.5
    lost.require_small_loss(loss)


def test_eight_bits_are_smaller_and_near(shop, tmp_path):
    result = run(shop, "--out", str(tmp_path / "b"), "--int8", "--force", "--with-frontend")
    assert result.exit_code == 0, result.stderr
    small = onnx.load(tmp_path / "b/model.int8.onnx")
    operators = {node.op_type for node in small.graph.node}
    assert {"DynamicQuantizeLSTM", "MatMulInteger"} <= operators or "DynamicQuantizeMatMul" in operators
    # The filters of the frontend and attention stay as they are.
    whole = onnx.load(tmp_path / "b/model.onnx")
    products = {node.name for node in whole.graph.node if node.op_type == "MatMul"}
    assert products <= {node.name for node in small.graph.node if node.op_type == "MatMul"}
    wave = {
        "tokens": np.array([[1, 2, 3]]),
        "waveform": soundfile.read(next(CLIPS.glob("*.flac")), dtype="float32")[0],
    }
    full, int8 = (
        bundle_check.open_session(tmp_path / "b" / name).run(["probabilities"], wave)[0]
        for name in ("model.onnx", "model.int8.onnx")
    )
    assert 0 < np.abs(full - int8).max() < 0.05


def wrong_graphs(monkeypatch, change) -> None:
    real = bundle_check.onnx_logits
    monkeypatch.setattr(bundle_check, "onnx_logits", lambda *given: change(real(*given)))


def test_a_graph_with_other_logits_is_not_written(shop, tmp_path, monkeypatch):
    wrong_graphs(monkeypatch, lambda logits: logits + np.float32(2e-4))
    result = run(shop, "--out", str(tmp_path / "b"))
    assert result.exit_code == 1
    assert re.fullmatch(
        r"error: export: the graph's logits differ from PyTorch's by 2\.0e-04, at most 1e-04 is accepted \(12 "
        r"validation utterances of TINY and 8 made ones\); nothing was written\n  try: this is a bug "
        r"in sertool or in the installed onnxruntime; `sertool doctor` shows the versions\n",
        message(result),
    )
    assert list(tmp_path.iterdir()) == []


def test_a_graph_with_other_decisions_is_not_written(shop, tmp_path, monkeypatch):
    wrong_graphs(monkeypatch, lambda logits: -logits)
    monkeypatch.setattr(bundle_check, "TOLERANCE", 100.0)
    result = run(shop, "--out", str(tmp_path / "b"))
    assert result.exit_code == 1
    assert message(result) == (
        "error: export: the graph and PyTorch predict different classes for 20 of 20 utterances (12 validation "
        "utterances of "
        "TINY and 8 made ones); nothing was written\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_nan_is_no_agreement(monkeypatch):
    trained, session, _ = everyday()
    trial = make_trial(trained, None)
    wrong_graphs(monkeypatch, lambda logits: logits * np.float32("nan"))
    found = bundle_check.compare(session, feeds_of(trained, trial), judge_of(trained, trial), trial, trained.task)
    assert found.largest == float("inf")
    with pytest.raises(SertoolError, match="differ from PyTorch's by inf"):
        bundle_check.require_equal(found)
