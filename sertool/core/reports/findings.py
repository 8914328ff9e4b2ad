"""Findings: what a reader of a run's figures must not miss. Each has a kind, a severity and a sentence."""

from collections.abc import Iterator, Mapping

from sertool.core.corpora.corpus import unknown_note, unknown_speakers
from sertool.core.corpora.seal import DECISIONS
from sertool.core.doctor.findings import KINDS as INSPECTED
from sertool.core.doctor.findings import SEVERITIES, Severity
from sertool.core.formatting import plural, printable
from sertool.core.metrics import FEWEST, Estimate
from sertool.core.reports.calibration_row import CalibrationRow
from sertool.core.reports.choose import stamp
from sertool.core.reports.contents import ReportFinding, SetReport, SliceRow
from sertool.core.reports.imported import imported_findings
from sertool.core.reports.label_reads import LabelRead
from sertool.core.reports.load import Loaded
from sertool.core.reports.probes import CONTEXT, IGNORED, RELEVANT
from sertool.core.reports.provenance import HELD_OUT, NORMALISED, holds_out_corpora
from sertool.core.reports.score_findings import SCORE_KINDS, SCORE_NOTES, score_findings
from sertool.core.reports.wording import interval, metric_name, p_equals, percent, slice_name
from sertool.core.runs.ensemble_size import EnsembleSize

# Findings of `sertool doctor` that concern test figures: the test data are not as published, or were trained on.
LEAKS = [f"shared-{group}" for group in ("speakers", "dialogues", "videos", "sessions")]
LEAKS[:0] = ["valid-is-test", "duplicates-across", "counts", "speakers-unknown"]


def _leaks(severity: Severity) -> dict[str, tuple[str, str]]:
    """Return the findings of ``sertool doctor`` that concern test figures, of one severity."""
    own = {kind: INSPECTED[kind] for kind in LEAKS if INSPECTED[kind].severity == severity}
    return {kind: (severity, f"`sertool doctor`: {one.number}") for kind, one in own.items()}


MATTERS = percent(RELEVANT, 0)
# Kind -> severity and meaning, as docs/report.md lists them; most severe first.
KINDS: Mapping[str, tuple[str, str]] = {
    "seen-in-test": ("error", "the run from which training started has seen test utterances"),
    **_leaks("error"),
    "selected-on-test": ("warning", "epochs, order or k were chosen on test: the figures are optimistic"),
    "trained-on-corpus": ("warning", "the corpus is among the data that a ready model was trained on, as stated"),
    "training-unknown": ("warning", "imported predictions: how their model was trained is not known"),
    **_leaks("warning"),
    "few-clusters": ("warning", "too few speakers, dialogues, videos or sessions for an interval"),
    "nan-logits": ("warning", "members with logits that are not finite, left out of every figure"),
    "no-better-than-majority": ("warning", "the accuracy or UAR may be that of always predicting one class"),
    "never-predicted": ("warning", "classes that occur in the set but are never predicted"),
    "miscalibrated": ("warning", "the calibration error is significantly, and by 3 points, too large"),
    "ignores-audio": ("warning", f"the audio of other utterances costs no accuracy: less than {MATTERS} points"),
    "ignores-text": ("warning", f"the text of other utterances costs no accuracy: less than {MATTERS} points"),
    "ignores-context": ("warning", f"the dialogue of other utterances costs no accuracy: less than {MATTERS} points"),
    **SCORE_KINDS,
    "weak-slice": ("warning", "a slice is significantly, and by 5 points or 5 % of the range, worse than the rest"),
    **SCORE_NOTES,
    "training-stated": ("note", "predictions from elsewhere, whose training somebody stated"),
    "no-test-split": ("note", "predictions from elsewhere were judged on other utterances than those of a test split"),
    "no-probabilities": ("note", "labels were imported without probabilities, so calibration is not known"),
    "few-members": ("note", "fewer members have finished than --members or --seeds, or else the recipe, asked for"),
    "one-member": ("note", "there is only one member: the variation between seeds is unknown"),
    "normalised-by-speaker": ("note", NORMALISED),
    "normalised-by-corpus": ("note", HELD_OUT),
    "other-clusters": ("note", "the intervals are not over speakers"),
    "read-often": ("note", "the run was evaluated on test more than once under the honest protocol"),
}
# p, and points above the expected error: in large sets even a tiny error is significant.
MISCALIBRATED = (0.01, 0.03)


def findings_of(run: Loaded, sets: Mapping[str, SetReport], choice: EnsembleSize) -> tuple[ReportFinding, ...]:
    """Return all findings of a run, most severe first. They concern test, or validation if no test set is stored.

    Args:
        run: the run.
        sets: its figures by set.
        choice: the chosen number of members.
    """
    main = next(iter(sets.values()))
    # A second set would repeat most findings, so that they would be read less.
    found = [*_of_data(run, choice), *_of_members(run), *_of_set(run, main)]
    # Under the paper's protocol the choices are made on test, so one more read tells nothing new.
    if not run.is_optimistic:
        found += _read_often(run.reads)
    order = list(KINDS)
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), order.index(one.kind))))


def _found(kind: str, text: str) -> ReportFinding:
    return ReportFinding(kind, KINDS[kind][0], printable(text))  # names in the text are from outside


def _of_data(run: Loaded, choice: EnsembleSize) -> Iterator[ReportFinding]:
    origin = run.origin
    if origin.seen_in_test:
        seen = f"was trained or selected on {plural(origin.seen_in_test, 'test utterance')}"
        yield _found("seen-in-test", f"{origin.started_from}, from which it started, {seen}")
    if origin.imported is not None and origin.imported.seen:
        seen, source = ", ".join(origin.imported.seen), origin.imported.source
        yield _found("trained-on-corpus", f"{source} was trained on {seen}, as stated: the figures may be too good")
    # Kind and sentence, as `sertool doctor` found them when the predictions were made.
    inspected = {one[0]: one[-1] for one in origin.doctor or [] if one}
    # Not looked for by earlier versions, and not where only validation was evaluated.
    if unknown := unknown_speakers(run.main.spoken):
        inspected.setdefault("speakers-unknown", unknown_note(unknown, len(run.main.spoken)))
    for kind, text in inspected.items():
        if kind in LEAKS:
            yield _found(kind, text)
    if run.recipe.dataset.by_speaker:
        yield _found("normalised-by-speaker", NORMALISED)
    if run.recipe.dataset.by_corpus and holds_out_corpora(run.recipe):
        yield _found("normalised-by-corpus", HELD_OUT)
    if selected := stamp(run, choice):
        chosen = selected.partition(": ")[2]
        verb = "was" if chosen == "k" else "were"
        text = f"{chosen} {verb} selected on the test utterances, as in the paper: the figures are optimistic"
        yield _found("selected-on-test", text)


def _of_members(run: Loaded) -> Iterator[ReportFinding]:
    if run.imported is not None:
        yield from (_found(kind, text) for kind, text in imported_findings(run.imported))
        return
    if run.left_out:
        number, names = f"{len(run.left_out)} of {run.predicted}", ", ".join(run.left_out)
        yield _found("nan-logits", f"{number} members have no finite logits and are left out: {names}")
    if run.predicted < run.expected:
        verb = "has" if run.predicted == 1 else "have"
        yield _found("few-members", f"only {run.predicted} of {plural(run.expected, 'member')} {verb} finished")
    if len(run.main.predictions.logits) == 1:
        yield _found("one-member", "only one member: the variation between seeds is unknown")


def _of_set(run: Loaded, own: SetReport) -> Iterator[ReportFinding]:
    where = own.set  # findings of several sets would be mixed up without it
    if own.unit_note:
        yield _found("few-clusters" if own.clusters < FEWEST else "other-clusters", own.unit_note)
    if own.kind == "scores":
        yield from (_found(kind, f"{where}: {text}") for kind, text in score_findings(own))
        yield from _ignoring(own)
        return
    if better := _chance(own):
        yield _found("no-better-than-majority", f"{where}: {better}")
    # A class without utterances here need not be predicted.
    if never := [row for row in own.classes if row.support and not row.predicted]:
        listed = ", ".join(f"{row.name} ({row.support:,})" for row in never)
        yield _found("never-predicted", f"{where}: never predicted: {listed}")
    if own.calibration is not None and _is_miscalibrated(own.calibration):
        yield _found("miscalibrated", f"{where}: {_miscalibration(own.calibration)}")
    yield from _ignoring(own)
    for row in own.slices:
        if row.weak:
            yield _found("weak-slice", f"{where}: {_weakness(row, own)}")


def _weakness(row: SliceRow, own: SetReport) -> str:
    assert row.p is not None, "only a slice that was tested is weak"
    named = slice_name(row.kind, row.name)
    over = f" of {plural(row.clusters, own.unit)}" if own.unit not in ("utterance", row.kind) else ""
    return (
        f"{named}: {metric_name('accuracy', own.kind)} {_estimate(row.accuracy)}, "
        f"{percent(-row.difference)} points below the rest ({plural(row.size, 'utterance')}{over}, {p_equals(row.p)})"
    )


def _chance(own: SetReport) -> str:
    """Say why the figures of a set may be no better than those of a constant; empty if they are better."""
    accuracy, uar = own.metrics["accuracy"], own.metrics["uar"]
    recall = metric_name("uar", own.kind)
    occurring = [row for row in own.classes if row.support]
    # In a multi-label task each class is a decision between yes and no.
    chance = 1 / len(occurring) if own.confusion is not None else 0.5
    reasons = []
    constant = own.baseline.metrics["accuracy"]
    if own.kind == "single" and _low(accuracy) <= constant:
        reasons.append(f"accuracy {_estimate(accuracy)}, while {own.baseline.name} reaches {percent(constant)} %")
    if _low(uar) <= chance and len(occurring) > 1:
        reasons.append(f"{recall} {_estimate(uar)}, while chance is {percent(chance)} %")
    # With unequal classes the majority may be out of reach for a model that does know something.
    elif reasons and len(occurring) > 1:
        reasons.append(f"the {recall} of {percent(uar.value)} % is above chance, {percent(chance)} %")
    return "; ".join(reasons)


def _is_miscalibrated(row: CalibrationRow) -> bool:
    p, above = MISCALIBRATED
    return row.p is not None and row.p < p and row.ece.value - row.ece_expected > above


def _miscalibration(row: CalibrationRow) -> str:
    assert row.p is not None, "only what was tested is miscalibrated"
    above = row.confidence - row.accuracy
    sure = "overconfident" if above > 0 else "underconfident"
    # Errors of both signs cancel in the mean.
    if abs(above) < row.ece.value / 2:
        sure = "overconfident in some predictions, underconfident in others"
    fitted = "" if row.temperature is not None else "; uncalibrated"
    return (
        f"{sure}: mean probability {percent(row.confidence)} %, correct {percent(row.accuracy)} %; calibration error "
        f"{percent(row.ece.value)} %, {percent(row.ece_expected)} % expected by chance ({p_equals(row.p)}){fitted}"
    )


def _ignoring(own: SetReport) -> Iterator[ReportFinding]:
    if own.use is not None:
        states = {"audio": own.use.audio, "text": own.use.text, CONTEXT: own.use.context}
        ignored = [name for name, state in states.items() if state == IGNORED]
        # One sentence tells all: a model may use neither text nor audio.
        yield from (_found(f"ignores-{name}", f"{own.set}: {own.use.sentence}") for name in ignored[:1])
        if CONTEXT in ignored[1:]:
            yield _found(f"ignores-{CONTEXT}", f"{own.set}: it makes no use of the dialogue either")


def _read_often(reads: tuple[LabelRead, ...]) -> list[ReportFinding]:
    evaluated = [read for read in reads if read.use == DECISIONS]
    if len(evaluated) < 2:
        return []
    text = f"the test labels were used for evaluation {len(evaluated)} times; each time is a chance to choose by them"
    return [_found("read-often", text)]


def _low(figure: Estimate) -> float:
    """Return the lower end of the interval; the value itself if there is none."""
    return figure.value if figure.low is None else figure.low


def _estimate(own: Estimate) -> str:
    """Write a share with its interval, as in ``71.9 % (66.2 - 77.0)``."""
    return f"{percent(own.value)} %" + ("" if own.low is None else f" ({interval(own)})")
