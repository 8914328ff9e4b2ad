"""What a reader of a run's figures must not miss, each by the name of its kind."""

from collections.abc import Iterator, Mapping

from sertool.core.doctor.findings import KINDS as INSPECTED
from sertool.core.formatting import plural, printable
from sertool.core.metrics import Estimate
from sertool.core.reports.choose import Choice, stamp
from sertool.core.reports.contents import CalibrationRow, LabelRead, ReportFinding, SetReport, SliceRow
from sertool.core.reports.load import Loaded
from sertool.core.reports.probes import ignored, verdict

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
        "the run that the members started from was trained or selected on test utterances",
    ),
    **{
        kind: (INSPECTED[kind].severity, f"`sertool doctor`: {INSPECTED[kind].number}")
        for kind in LEAKS
        if INSPECTED[kind].severity == "error"
    },
    "selected-on-test": (
        "warning",
        "epochs, order or size were chosen on the test utterances: the figures flatter",
    ),
    **{
        kind: (INSPECTED[kind].severity, f"`sertool doctor`: {INSPECTED[kind].number}")
        for kind in LEAKS
        if INSPECTED[kind].severity != "error"
    },
    "nan-logits": ("warning", "members whose logits are not finite; they are left out of every figure"),
    "no-better-than-majority": (
        "warning",
        "the interval of the accuracy holds what always saying one class reaches, or that of the UAR holds chance",
    ),
    "never-predicted": ("warning", "classes that occur and are never predicted"),
    "miscalibrated": (
        "warning",
        "the calibration error is 3 points above that of a calibrated model, which shows as much in less than 1 of 100",
    ),
    "ignores-audio": ("warning", "losing the audio costs nothing, losing the text does"),
    "ignores-text": ("warning", "losing the text costs nothing, losing the audio does"),
    "weak-slice": (
        "warning",
        "a part of the set is significantly, and by more than 5 points, below the rest",
    ),
    "few-members": ("note", "fewer members are finished than the recipe asks for"),
    "one-member": ("note", "one member only: nothing is known about the spread over seeds"),
    "few-clusters": ("note", "what the intervals are taken over is few, or not speakers"),
    "read-often": ("note", "the test labels were used to judge more than once under the honest protocol"),
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
            "seen-in-test", f"{origin.started_from}, where it started, was trained or selected on {seen}"
        )
    for kind, text in ((one[0], one[-1]) for one in origin.doctor or [] if one):
        if kind in LEAKS:
            yield _found(kind, text)
    if flattery := stamp(run, choice):
        chosen = flattery.partition(": ")[2]
        verb = "was" if chosen == "k" else "were"
        yield _found("selected-on-test", f"{chosen} {verb} selected on the test utterances, as in the paper")


def _of_members(run: Loaded, expected: int) -> Iterator[ReportFinding]:
    if run.left_out:
        number, names = len(run.left_out), ", ".join(run.left_out)
        yield _found(
            "nan-logits", f"{number} of {run.predicted} members have no finite logits, left out: {names}"
        )
    if run.predicted < expected and not run.is_reference:
        yield _found("few-members", f"{run.predicted} of the {expected} members that the recipe asks for")
    if len(run.main.predictions.logits) == 1:
        yield _found("one-member", "one member: nothing is known about the spread over seeds")


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
    named = row.name if row.kind in ("words", "seconds", "modality") else f"{row.kind} {row.name}"
    over = f" of {plural(row.clusters, unit)}" if unit not in ("utterance", row.kind) else ""
    return (
        f"{named}: accuracy {_percent(row.accuracy.value)}{_interval(row.accuracy)}, {-100 * row.difference:.1f} "
        f"points below the rest ({plural(row.size, 'utterance')}{over}, p {row.p:.2g})"
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
            f"accuracy {_percent(accuracy.value)}{_interval(accuracy)}, always saying {frequent.name} reaches "
            f"{_percent(own.majority)}"
        )
    if _low(uar) <= chance and len(occurring) > 1:
        said.append(f"UAR {_percent(uar.value)}{_interval(uar)}, chance is {_percent(chance)}")
    elif said and len(occurring) > 1:
        said.append(f"the UAR {_percent(uar.value)} is above chance, {_percent(chance)}")
    return "; ".join(said)


def _is_miscalibrated(row: CalibrationRow) -> bool:
    p, above = MISCALIBRATED
    return row.p < p and row.ece.value - row.ece_expected > above


def _miscalibration(row: CalibrationRow) -> str:
    above = row.confidence - row.accuracy
    sure = "overconfident" if above > 0 else "underconfident"
    if abs(above) < row.ece.value / 2:
        sure = "too sure of some decisions and not sure enough of others"
    fitted = "" if row.temperature is not None else "; no temperature was fitted"
    return (
        f"{sure}: mean probability {_percent(row.confidence)}, accuracy {_percent(row.accuracy)}; calibration error "
        f"{_percent(row.ece.value)}, {_percent(row.ece_expected)} expected by chance (p {row.p:.2g}){fitted}"
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
    judged = [read for read in reads if read.purpose.startswith("judged")]
    if len(judged) < 2:
        return []
    text = f"the test labels were used to judge {len(judged)} times; each look is a chance to choose by them"
    return [_found("read-often", text)]


def _low(figure: Estimate) -> float:
    return figure.value if figure.low is None else figure.low


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(figure: Estimate) -> str:
    if figure.low is None or figure.high is None:
        return ""
    return f" ({_percent(figure.low)} to {_percent(figure.high)})"
