"""What a reader of a run's figures must not miss, each by the name of its kind."""

from collections.abc import Iterator, Mapping

from sertool.core.doctor.findings import KINDS as INSPECTED
from sertool.core.formatting import plural, printable
from sertool.core.metrics import Estimate
from sertool.core.reports.choose import Choice, stamp
from sertool.core.reports.contents import CalibrationRow, LabelRead, ReportFinding, SetReport, SliceRow
from sertool.core.reports.load import Loaded
from sertool.core.reports.probes import ignored, verdict
from sertool.core.reports.wording import interval, p_equals, percent

SEVERITIES = ("error", "warning", "note")
# Of `sertool doctor`: the test data are not what they should be, or were trained on.
LEAKS = (
    "valid-is-test",
    "duplicates-across",
    "counts",
    "shared-speakers",
    "shared-dialogues",
    "shared-videos",
    "shared-sessions",
)
# kind -> severity and what it says, for the documentation; gravest first.
KINDS: Mapping[str, tuple[str, str]] = {
    "seen-in-test": (
        "error",
        "the run from which the members started was trained or selected on test utterances",
    ),
    **{
        kind: (INSPECTED[kind].severity, f"`sertool doctor`: {INSPECTED[kind].number}")
        for kind in LEAKS
        if INSPECTED[kind].severity == "error"
    },
    "selected-on-test": (
        "warning",
        "epochs, order or number of members were chosen on the test utterances: the figures are optimistic",
    ),
    **{
        kind: (INSPECTED[kind].severity, f"`sertool doctor`: {INSPECTED[kind].number}")
        for kind in LEAKS
        if INSPECTED[kind].severity != "error"
    },
    "nan-logits": (
        "warning",
        "some members have logits that are not finite; they are left out of every figure",
    ),
    "no-better-than-majority": (
        "warning",
        "the accuracy is not clearly above that of always predicting one class, or the UAR not clearly above chance",
    ),
    "never-predicted": ("warning", "some classes occur in the set but are never predicted"),
    "miscalibrated": (
        "warning",
        "the calibration error is over 3 points above that of a calibrated model, and p is below 0.01",
    ),
    "ignores-audio": ("warning", "removing the audio costs no accuracy, removing the text does"),
    "ignores-text": ("warning", "removing the text costs no accuracy, removing the audio does"),
    "weak-slice": (
        "warning",
        "the accuracy of a slice is significantly, and by more than 5 points, below that of the rest",
    ),
    "few-members": ("note", "fewer members have finished than the recipe asks for"),
    "one-member": ("note", "there is only one member: the variation between seeds is unknown"),
    "few-clusters": ("note", "the intervals are based on few clusters, or not on speakers"),
    "read-often": (
        "note",
        "the test labels were used for evaluation more than once under the honest protocol",
    ),
}
MISCALIBRATED = (0.01, 0.03)  # p, and how far above the expected error


def findings_of(
    run: Loaded, sets: Mapping[str, SetReport], choice: Choice, expected: int
) -> tuple[ReportFinding, ...]:
    """All findings of a run, gravest first; about test, or validation where no test set is stored.

    Args:
        run: the run.
        sets: its reports.
        choice: of the size.
        expected: members that the recipe asks for, over all folds.
    """
    main = next(iter(sets.values()))
    found = [*_of_data(run, choice), *_of_members(run, expected), *_of_set(run, main)]
    if not run.flattered:
        found += _read_often(run.reads)
    order = list(KINDS)
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), order.index(one.kind))))


def _found(kind: str, text: str) -> ReportFinding:
    return ReportFinding(kind, KINDS[kind][0], printable(text))


def _of_data(run: Loaded, choice: Choice) -> Iterator[ReportFinding]:
    origin = run.origin
    if origin.seen_in_test:
        seen = plural(origin.seen_in_test, "test utterance")
        yield _found(
            "seen-in-test", f"{origin.started_from}, from which it started, was trained or selected on {seen}"
        )
    for kind, text in ((one[0], one[-1]) for one in origin.doctor or [] if one):
        if kind in LEAKS:
            yield _found(kind, text)
    if flattery := stamp(run, choice):
        chosen = flattery.partition(": ")[2]
        verb = "was" if chosen == "k" else "were"
        text = f"{chosen} {verb} selected on the test utterances, as in the paper: the figures are optimistic"
        yield _found("selected-on-test", text)


def _of_members(run: Loaded, expected: int) -> Iterator[ReportFinding]:
    if run.left_out:
        number, names = len(run.left_out), ", ".join(run.left_out)
        yield _found(
            "nan-logits",
            f"{number} of {run.predicted} members have no finite logits and are left out: {names}",
        )
    if run.predicted < expected and not run.is_reference:
        text = f"only {run.predicted} of the {expected} members that the recipe asks for have finished"
        yield _found("few-members", text)
    if len(run.main.predictions.logits) == 1:
        yield _found("one-member", "only one member: the variation between seeds is unknown")


def _of_set(run: Loaded, own: SetReport) -> Iterator[ReportFinding]:
    where = own.set
    if own.unit_note:
        yield _found("few-clusters", own.unit_note)
    if better := _chance(own):
        yield _found("no-better-than-majority", f"{where}: {better}")
    if never := [row for row in own.classes if row.support and not row.predicted]:
        listed = ", ".join(f"{row.name} ({row.support:,})" for row in never)
        yield _found("never-predicted", f"{where}: never predicted: {listed}")
    if own.calibration is not None and _is_miscalibrated(own.calibration):
        yield _found("miscalibrated", f"{where}: {_miscalibration(own.calibration)}")
    yield from _ignoring(run, own)
    for row in own.slices:
        if row.weak:
            yield _found("weak-slice", f"{where}: {_weakness(row, own.unit)}")


def _weakness(row: SliceRow, unit: str) -> str:
    assert row.p is not None, "only a slice that was tested is weak"
    named = row.name if row.kind in ("words", "seconds", "modality") else f"{row.kind} {row.name}"
    over = f" of {plural(row.clusters, unit)}" if unit not in ("utterance", row.kind) else ""
    return (
        f"{named}: accuracy {_estimate(row.accuracy)}, {percent(-row.difference)} points below the rest "
        f"({plural(row.size, 'utterance')}{over}, {p_equals(row.p)})"
    )


def _chance(own: SetReport) -> str:
    """Why the set's figures may be those of a constant, or nothing."""
    accuracy, uar = own.metrics["accuracy"], own.metrics["uar"]
    occurring = [row for row in own.classes if row.support]
    # Of yes and no where classes are decided one by one.
    chance = 1 / len(occurring) if own.confusion is not None else 0.5
    said = []
    if own.majority is not None and _low(accuracy) <= own.majority:
        frequent = max(occurring, key=lambda row: row.support)
        said.append(
            f"accuracy {_estimate(accuracy)}, while always predicting {frequent.name} reaches "
            f"{percent(own.majority)} %"
        )
    if _low(uar) <= chance and len(occurring) > 1:
        said.append(f"UAR {_estimate(uar)}, while chance is {percent(chance)} %")
    elif said and len(occurring) > 1:
        said.append(f"the UAR of {percent(uar.value)} % is above chance, {percent(chance)} %")
    return "; ".join(said)


def _is_miscalibrated(row: CalibrationRow) -> bool:
    p, above = MISCALIBRATED
    return row.p < p and row.ece.value - row.ece_expected > above


def _miscalibration(row: CalibrationRow) -> str:
    above = row.confidence - row.accuracy
    sure = "overconfident" if above > 0 else "underconfident"
    if abs(above) < row.ece.value / 2:
        sure = "overconfident in some predictions, underconfident in others"
    fitted = "" if row.temperature is not None else "; no temperature was fitted"
    return (
        f"{sure}: mean probability {percent(row.confidence)} %, accuracy {percent(row.accuracy)} %; calibration error "
        f"{percent(row.ece.value)} %, {percent(row.ece_expected)} % expected by chance ({p_equals(row.p)}){fitted}"
    )


def _ignoring(run: Loaded, own: SetReport) -> Iterator[ReportFinding]:
    found = (
        verdict(own.probes, own.metrics["accuracy"].value)
        if len(run.recipe.dataset.modalities) == 2
        else None
    )
    if found is not None:
        yield _found(f"ignores-{ignored(own.probes)}", f"{own.set}: {found}")


def _read_often(reads: tuple[LabelRead, ...]) -> list[ReportFinding]:
    # Logs of earlier versions say "judged".
    evaluated = [read for read in reads if read.purpose.startswith(("judged", "evaluated"))]
    if len(evaluated) < 2:
        return []
    text = f"the test labels were used for evaluation {len(evaluated)} times; each time is a chance to choose by them"
    return [_found("read-often", text)]


def _low(figure: Estimate) -> float:
    return figure.value if figure.low is None else figure.low


def _estimate(own: Estimate) -> str:
    """Write a share with its interval, as in ``71.9 % (66.2 - 77.0)``."""
    return f"{percent(own.value)} %" + ("" if own.low is None else f" ({interval(own)})")
