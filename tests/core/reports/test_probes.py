"""Verdicts on the use of text and audio: a fall that is not significant is no evidence that there is none."""

from dataclasses import replace

import numpy as np
import pytest
from builders import tiny_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_sets import changed, make_origin, make_set, only, shuffled, write_run

from sertool.core.metrics import Estimate
from sertool.core.reports import probes
from sertool.core.reports.contents import ModalityUse, ProbeRow, SetReport
from sertool.core.reports.details import Details, details_of
from sertool.core.reports.probes import ORDER, RELEVANT

BOTH = ("text", "audio")


def certain(number, speakers, **changes):
    """A set whose members are right for every utterance, without any doubt."""
    base = make_set("test", number, members=1, speakers=speakers)
    targets = np.arange(number) % 3
    return changed(base, targets=targets, logits=9 * np.eye(3, dtype=np.float32)[targets][None], **changes)


def wrong_in(stored, rows):
    """Logits of the set that are wrong in some rows."""
    targets = stored.predictions.targets.copy()
    targets[rows] = (targets[rows] + 1) % 3
    return 9 * np.eye(3, dtype=np.float32)[targets][None]


def judged(stored, modalities=BOTH, **wrong) -> Details:
    """The details of a set of which a probe makes some utterances wrong, by its name as ``text_shuffled``."""
    probes = {name.replace("_", " "): wrong_in(stored, rows) for name, rows in wrong.items()}
    return details_of(stored.predictions, stored.spoken, probes, 1, modalities, 1)


def use_of(stored, text, audio, **options) -> ModalityUse | None:
    """The verdict where masking and shuffling make the same utterances wrong."""
    wrong = {f"text_{way}": text for way in ("masked", "shuffled")}
    wrong |= {f"audio_{way}": audio for way in ("masked", "shuffled")}
    return judged(stored, **wrong, **options).use


def test_a_fall_that_is_not_significant_over_two_voices_is_not_called_none():
    """As in the demo on validation: 94.8 to 42.7 is no model that does not read."""
    use = use_of(certain(96, 2), range(50), range(50))
    assert (use.text, use.audio) == ("unknown", "unknown")
    assert use.sentence == (
        "cannot tell from 2 speakers whether it uses the text and the audio: too few for an interval (5 are needed); "
        "the accuracy falls for 2 of 2 speakers with the text of other utterances, for 2 with their audio"
    )


def test_the_interval_must_exclude_a_fall_that_matters():
    stored = certain(400, 10)
    everywhere, here_and_there = range(0, 400, 2), [0, 11, 22, 130, 131]
    assert use_of(stored, everywhere, []) == ModalityUse(
        "used",
        "ignored",
        "it uses the text and ignores the audio: with the audio of other utterances the accuracy stays at 100.0 % "
        "(100.0 % as it is), and the 95 % interval excludes a fall of 2 points",
    )
    assert use_of(stored, everywhere, everywhere) == ModalityUse("used", "used", "it uses the text and the audio")
    assert use_of(stored, [], []).sentence.startswith("it ignores the text and the audio: with the text of ")
    # Eight errors of one speaker are 2 points, and could be none or five of other speakers.
    use = use_of(stored, everywhere, range(0, 80, 10))
    assert (use.text, use.audio) == ("used", "unknown")
    assert use.sentence.startswith(
        "it uses the text; cannot tell whether it uses the audio: with the audio of other utterances the accuracy "
        "falls by 2.0 points (95 % interval "
    )
    use = use_of(stored, here_and_there, here_and_there)
    assert (use.text, use.audio) == ("unknown", "unknown")


def test_masked_input_alone_shows_no_use():
    stored = certain(400, 10)
    every = range(0, 400, 2)
    use = judged(stored, text_masked=every, text_shuffled=every, audio_masked=every, audio_shuffled=[]).use
    assert (use.text, use.audio) == ("used", "unknown")
    assert judged(stored, text_masked=every, audio_masked=every).use is None  # never shuffled
    assert judged(stored, text_masked=every, text_shuffled=every).use is None


def test_a_set_without_words_or_a_model_of_one_modality_has_no_verdict():
    stored = certain(400, 10)
    every = range(0, 400, 2)
    assert use_of(stored, every, [], modalities=("text",)) is None
    for left, gone in (("audio", "words"), ("text", "frames")):
        silent = replace(stored, spoken=tuple(replace(one, **{gone: 0}) for one in stored.spoken))
        assert use_of(silent, [], every) is None
        rows = judged(silent, **{name.replace(" ", "_"): [] for name in ORDER}).probes
        assert {row.name.partition(" ")[0] for row in rows} == {left}
    some = tuple(replace(one, words=one.words * (row % 4 == 0)) for row, one in enumerate(stored.spoken))
    use = use_of(replace(stored, spoken=some), [], every)
    assert (use.text, use.audio) == ("unknown", "used")
    assert use.sentence == (
        "it uses the audio; cannot tell whether it uses the text: only 25.0 % of the utterances have words"
    )


def test_logits_that_are_not_finite_are_no_probe():
    stored = certain(400, 10)
    broken = changed(stored, logits=np.full_like(stored.predictions.logits, np.nan))
    assert judged(broken, text_shuffled=[], audio_shuffled=[]).probes == ()
    logits = wrong_in(stored, [])
    probes = {"text shuffled": logits, "audio shuffled": np.where(np.arange(400)[:, None] == 7, np.inf, logits)}
    details = details_of(stored.predictions, stored.spoken, probes, 1, BOTH, 1)
    assert [row.name for row in details.probes] == ["text shuffled"]
    assert details.use is None


def test_one_utterance_and_one_class_have_no_verdict_that_is_false():
    assert use_of(certain(1, 1), [0], [0]).text == "unknown"
    alike = certain(60, 6)
    same = changed(alike, targets=np.zeros(60, np.int64), logits=alike.predictions.logits[:, [0] * 60])
    assert use_of(same, range(0, 60, 2), []).audio == "ignored"
    nameless = replace(alike, spoken=tuple(replace(one, speaker=None) for one in alike.spoken))
    assert use_of(nameless, range(0, 60, 2), []).audio == "ignored"
    few = certain(3, 3)
    few = replace(few, spoken=tuple(replace(one, speaker=None) for one in few.spoken))
    assert use_of(few, [0], [1]).sentence == (
        "cannot tell from 3 utterances whether it uses the text and the audio: too few for an interval (5 are needed)"
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(0, 9), st.integers(0, 100))
def test_ignored_is_said_only_below_the_margin(wrong, speakers, seed):
    stored = certain(120, speakers + 1)
    rows = np.random.default_rng(seed).permutation(120)[:wrong]
    details = judged(stored, text_shuffled=rows, audio_shuffled=[])
    drop = details.probes[0].drop
    assert (details.use.text == "ignored") == (drop.high is not None and drop.high < RELEVANT)
    assert (details.use.text == "used") == (drop.low is not None and drop.low > 0 and drop.high >= RELEVANT)


def test_a_model_that_does_use_a_modality_is_rarely_said_to_ignore_it():
    """At most 2.5 % of sets lead to the wrong verdict, but for chance, if the accuracy truly falls by the margin."""
    random, said = np.random.default_rng(1), 0
    stored = certain(600, 12)
    for _ in range(80):
        changed_in = np.flatnonzero(random.random(600) < 3 * RELEVANT)
        # A third of what changes was wrong before, so that errors vanish as well.
        before, after = np.split(random.permutation(changed_in), [len(changed_in) // 3])
        intact = changed(stored, logits=wrong_in(stored, before))
        said += judged(intact, text_shuffled=after, audio_shuffled=before).use.text == "ignored"
    assert said <= 80 * 0.08


def report_of(folder, speakers, **spoken) -> SetReport:
    """The figures of a clean run on test, whose text alone matters."""

    def probes(stored):
        logits = stored.predictions.logits
        return {name: shuffled(stored) if name.startswith("text") else logits for name in ORDER}

    sets = [make_set("test", speakers=speakers), make_set("valid", 200)]
    sets = [replace(one, spoken=tuple(replace(own, **spoken) for own in one.spoken)) for one in sets]
    write_run(folder / "tiny", *sets, probes=probes)
    return only(folder).sets["test"]


@pytest.mark.parametrize(("speakers", "ignored"), [(10, True), (3, False)])
def test_a_report_names_what_is_ignored_only_where_it_can_tell(tmp_path, speakers, ignored):
    own = report_of(tmp_path, speakers)
    assert (own.use.audio == "ignored") == ignored
    assert ("ignores-audio" in {found.kind for found in only(tmp_path).findings}) == ignored
    assert [bool(row.by_cluster) for row in own.probes] == [not ignored] * 4
    for row in own.probes:
        weighted = [row.by_cluster[one.name] * one.utterances / own.utterances for one in own.by_cluster]
        assert ignored or sum(weighted) == pytest.approx(row.drop.value)
        assert (row.p is None) == (not ignored)


def test_a_report_on_a_corpus_without_words_says_nothing_of_it(tmp_path):
    own = report_of(tmp_path, 10, words=0)
    assert own.use is None
    assert [row.name for row in own.probes] == ["audio masked", "audio shuffled"]


def test_a_recipe_of_one_modality_has_no_verdict(tmp_path):
    recipe = tiny_recipe(dataset={"modalities": ["text"]})
    stored = replace(make_set("test"), origin=make_origin(recipe=recipe))
    write_run(tmp_path / "tiny", stored, probes=lambda one: dict.fromkeys(ORDER, one.predictions.logits))
    assert only(tmp_path).sets["test"].use is None


def test_an_accuracy_that_rises_is_not_said_to_fall():
    row = ProbeRow("text shuffled", {}, Estimate(-0.087, -0.336, 0.162), 0.4)
    assert probes._evidence("text", row, 0.8, "single", is_ignored=False) == (
        "with the text of other utterances the accuracy rises by 8.7 points (95 % interval of the fall -33.6 to 16.2)"
    )
