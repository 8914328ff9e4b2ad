"""Parts of a set by place in the dialogue, and intervals over the unit that a user asks for."""

from dataclasses import replace

import numpy as np
import pytest
from builders import tiny_recipe
from scored_sets import make_score_set
from stored_sets import changed, in_dialogues, make_origin, make_set, only, report, shuffled, write_run

from sertool.core.errors import UsageError
from sertool.core.reports.compare.pairs import compare
from sertool.core.reports.contents import SliceRow
from sertool.core.reports.data_files import figure_rows
from sertool.core.reports.html.page import render
from sertool.core.reports.latex import latex_files
from sertool.core.reports.text.terminal import show
from sertool.core.reports.wording import over_clusters

KINDS = ("turn", "speaker before", "change")


def dialogue_rows(stored, folder) -> dict[tuple[str, str], SliceRow]:
    write_run(folder / "tiny", stored)
    own = only(folder).sets["test"]
    return {(row.kind, row.name): row for row in own.slices or own.score_slices if row.kind in KINDS}


def same_speaker_twice(stored):
    """Speakers say two utterances, one after the other."""
    names = [f"test-{row // 2 % 7}" for row in range(len(stored.spoken))]
    return replace(
        stored, spoken=tuple(replace(one, speaker=name) for one, name in zip(stored.spoken, names, strict=True))
    )


def test_sizes_and_accuracies_of_places_in_dialogues(tmp_path):
    stored = in_dialogues(same_speaker_twice(make_set("test")))  # 20 dialogues of 20
    rows = dialogue_rows(stored, tmp_path)
    assert {key: row.size for key, row in rows.items() if key[0] != "change"} == {
        ("turn", "1"): 20,
        ("turn", "2 to 3"): 40,
        ("turn", "4 to 7"): 80,
        ("turn", "8 to 15"): 160,
        ("turn", "16 and later"): 100,
        ("speaker before", "same"): 200,
        ("speaker before", "another"): 180,
        ("speaker before", "none"): 20,
    }
    own = stored.predictions
    right, turns = own.decisions(3) == own.targets, np.array([one.turn for one in stored.spoken])
    assert rows["turn", "4 to 7"].accuracy.value == pytest.approx(right[(turns >= 4) & (turns < 8)].mean())
    later = turns > 1
    as_before = later & (own.targets == np.roll(own.targets, 1))
    for name, mask in (("emotion as before", as_before), ("after a change of emotion", later & ~as_before)):
        assert rows["change", name].size == mask.sum()
        assert rows["change", name].accuracy.value == pytest.approx(right[mask].mean())
    assert rows["turn", "4 to 7"].accuracy.low is not None


def test_a_model_that_errs_after_changes_is_weak_there(tmp_path):
    stored = in_dialogues(make_set("test"))
    targets = stored.predictions.targets
    wrong = np.random.default_rng(1).random(400) < 0.5
    after = (targets != np.roll(targets, 1)) & wrong & np.array([one.turn > 1 for one in stored.spoken])
    logits = stored.predictions.logits.copy()
    logits[:, after] = 9 * np.eye(3, dtype=np.float32)[np.roll(targets, 1)[after]]  # it says the emotion before
    write_run(tmp_path / "tiny", changed(stored, logits=logits))
    said = [one.text for one in only(tmp_path).findings if one.kind == "weak-slice"]
    assert any(text.startswith("test: after a change of emotion: accuracy") for text in said)


def test_without_dialogues_and_in_small_groups_there_is_nothing(tmp_path):
    assert not dialogue_rows(make_set("test"), tmp_path)
    alone = in_dialogues(make_set("test"), length=1)
    assert not dialogue_rows(alone, tmp_path)
    few = in_dialogues(make_set("test", 60), length=30)  # two first utterances
    kept = dialogue_rows(few, tmp_path)
    assert ("turn", "1") not in kept
    assert ("speaker before", "none") not in kept
    assert ("turn", "8 to 15") in kept


def test_a_predecessor_outside_the_set_tells_no_change(tmp_path):
    stored = in_dialogues(make_set("test"))
    every_second = tuple(replace(one, turn=2 * one.turn) for one in stored.spoken)
    rows = dialogue_rows(replace(stored, spoken=every_second), tmp_path)
    assert not [key for key in rows if key[0] == "change"]
    assert "turn" in {kind for kind, _ in rows}


def test_scores_have_error_and_agreement_by_place_and_no_change(tmp_path):
    stored = in_dialogues(make_score_set("test"))
    rows = dialogue_rows(stored, tmp_path)
    assert {kind for kind, _ in rows} == {"turn", "speaker before"}
    own, turns = stored.predictions, np.array([one.turn for one in stored.spoken])
    errors = np.abs(own.ensemble_logits(len(own.logits)) - own.targets)[turns >= 16]
    assert rows["turn", "16 and later"].mae.value == pytest.approx(np.nanmean(errors, 0).mean())
    assert rows["turn", "16 and later"].ccc.low is not None
    lines = show(report(tmp_path), 100)
    header = lines[lines.index("by place in the dialogue") + 1]
    assert header.replace(" ", "") == "utterancesCCC95%MAE95%"


def test_a_terminal_and_the_page_show_places_of_a_run_and_its_twin(tmp_path):
    for name, seed in (("context", 2), ("twin", 1)):
        write_run(tmp_path / name, replace(in_dialogues(make_set("test", seed=seed)), origin=make_origin(run=name)))
    made = report(tmp_path)
    lines = show(made, 100)
    assert lines.count("by place in the dialogue") == 2
    assert sum(line.startswith("after a change of emotion ") for line in lines) == 2
    page = render(made)
    assert "Accuracy by place in the dialogue" in page  # side by side
    assert "speaker of the utterance before" in page
    assert ["slice", "turn: 2 to 3"] in [list(row[7:9]) for row in figure_rows(made)]


def test_a_report_by_dialogue_names_its_unit_and_warns_of_recurring_speakers(tmp_path):
    write_run(tmp_path / "tiny", in_dialogues(make_set("test")))
    usual, (asked,) = only(tmp_path), report(tmp_path, by="dialogue").runs
    assert (usual.sets["test"].unit, usual.sets["test"].clusters) == ("speaker", 10)
    own = asked.sets["test"]
    assert (own.unit, own.clusters) == ("dialogue", 20)
    said = "10 of 10 speakers are in several dialogues, so an interval says nothing about other speakers"
    assert over_clusters(own) == f"intervals over 20 dialogues; {said}"
    assert own.metrics["accuracy"].value == usual.sets["test"].metrics["accuracy"].value
    assert own.metrics["accuracy"].low != usual.sets["test"].metrics["accuracy"].low
    assert "other-clusters" in {one.kind for one in asked.findings}


def test_a_unit_that_is_not_known_is_refused(tmp_path):
    write_run(tmp_path / "tiny", make_set("test"))
    assert report(tmp_path, by="dialogue").problems == (
        "tiny: --by dialogue: no dialogue is known of its utterances (test); it knows speakers: --by speaker",
    )
    with pytest.raises(UsageError, match="--by dialog: no such unit, expected one of speaker, dialogue"):
        report(tmp_path, by="dialog")


def test_two_runs_are_compared_over_dialogues(tmp_path):
    stored = in_dialogues(make_set("test"))
    other = changed(stored, logits=make_set("test", seed=2).predictions.logits)
    for name, own in {"a": stored, "b": other}.items():
        write_run(tmp_path / name, replace(own, origin=make_origin(run=name)))
    (usual,) = compare(["a", "b"], tmp_path, "test").pairs
    (asked,) = compare(["a", "b"], tmp_path, "test", by="dialogue").pairs
    assert [(one.unit, one.clusters) for one in (usual, asked)] == [("speaker", 10), ("dialogue", 20)]
    for before, after in zip(usual.metrics, asked.metrics, strict=True):
        assert before.difference.value == after.difference.value
        assert before.difference.low != after.difference.low


CONTEXT = tiny_recipe(context={"previous": 3, "speakers": True})


def test_a_run_with_context_says_so_wherever_it_is_named(tmp_path):
    stored = in_dialogues(make_set("test"))
    other = changed(stored, logits=make_set("test", seed=2).predictions.logits)
    write_run(tmp_path / "twin", replace(stored, origin=make_origin(run="twin")))
    write_run(tmp_path / "context", replace(other, origin=make_origin(CONTEXT, run="context")))
    made = report(tmp_path)
    runs = {one.name: one for one in made.runs}
    said = "3 earlier utterances and their speakers"
    assert (runs["context"].context, runs["twin"].context) == (said, "")
    assert runs["context"].provenance["context"] == said
    assert "context" not in runs["twin"].provenance
    assert f"MAT, 3 members · context: {said} · honest" in " ".join(" ".join(show(made, 200)).split())
    assert f"context: {said}" in render(made).replace("\u00a0", " ")
    alone = report(tmp_path, "context")
    assert f"from text, audio and up to {said}." in alone.summary[0]
    assert all(f"context: {said}" in text for name, text in latex_files(alone) if "metrics" in name)
    compared = compare(["twin", "context"], tmp_path, "test")
    assert f"context: {said}" in compared.contenders[1].notes
    (note,) = [note for note in compared.pairs[0].notes if "--by dialogue" in note]
    assert note.startswith("context sees earlier utterances of a dialogue, so that those of one dialogue depend on")
    assert not compare(["twin", "context"], tmp_path, "test", by="dialogue").pairs[0].notes


def probes_of(stored, context):
    """Text and audio matter; with the context changed, these are the logits."""
    other = {f"{name} {how}": shuffled(stored) for name in ("text", "audio") for how in ("masked", "shuffled")}
    return {**other, "context masked": context, "context shuffled": context}


@pytest.mark.parametrize("modalities", [["text", "audio"], ["text"]])
@pytest.mark.parametrize("is_used", [True, False])
def test_the_probes_tell_the_use_of_context(tmp_path, modalities, is_used):
    recipe = tiny_recipe(dataset={"modalities": modalities}, context={"previous": 3})
    stored = replace(in_dialogues(make_set("test")), origin=make_origin(recipe))
    logits = shuffled(stored) if is_used else stored.predictions.logits
    write_run(tmp_path / "tiny", stored, probes=lambda one: probes_of(one, logits))
    run = only(tmp_path)
    use = run.sets["test"].use
    one = None if len(modalities) == 1 else "used"
    assert (use.text, use.audio, use.context) == (one, one, "used" if is_used else "ignored")
    named = "the dialogue" if one is None else "the text, the audio and the dialogue"
    if is_used:
        assert use.sentence == f"it uses {named}"
    assert ("ignores-context" in {found.kind for found in run.findings}) == (not is_used)
    assert [row.name for row in run.sets["test"].probes][-2:] == ["context masked", "context shuffled"]


def test_few_dialogues_with_an_earlier_utterance_tell_nothing_of_context(tmp_path):
    recipe = tiny_recipe(context={"previous": 3})
    stored = in_dialogues(make_set("test"))
    spoken = tuple(replace(one, turn=1, follows=None) if row >= 100 else one for row, one in enumerate(stored.spoken))
    stored = replace(stored, spoken=spoken, origin=make_origin(recipe))
    write_run(tmp_path / "tiny", stored, probes=lambda one: probes_of(one, one.predictions.logits))
    use = only(tmp_path).sets["test"].use
    assert use.context == "unknown"
    assert use.sentence.endswith("only 23.8 % of the utterances have an earlier one")
