"""What a report says, as plain data; every output (terminal, Markdown, HTML, CSV, JSON) shows it and computes nothing.

Figures are fractions, not percent; an :class:`~sertool.core.metrics.Estimate` carries its 95 % interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sertool.core.metrics import Estimate
from sertool.core.metrics.reliability import Bin, Point
from sertool.core.training.history import MemberEpoch

FORMAT = "sertool-report/1"


@dataclass(frozen=True)
class ReportFinding:
    """Something that a reader must not miss, named.

    Attributes:
        kind: a key of :data:`~sertool.core.reports.findings.KINDS`.
        severity: ``error`` (the figure is not what it seems), ``warning`` (it flatters or is rough), ``note``.
        text: a sentence, with the figures.
    """

    kind: str
    severity: str
    text: str


@dataclass(frozen=True)
class Size:
    """The first k members, averaged: their metrics by name."""

    k: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class MemberRow:
    """A member alone: the score it was selected by, and its metrics on its own utterances of the set."""

    name: str
    fold: int
    validation: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class MemberSpread:
    """Mean and standard deviation (n - 1) of a metric over members; no deviation for one member."""

    mean: float
    sd: float | None


@dataclass(frozen=True)
class ClassRow:
    """A class: its figures, and how many utterances carry it here, in training, and as published."""

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int
    predicted: int
    train: int | None
    published: int | None


@dataclass(frozen=True)
class CalibrationRow:
    """How far probabilities mean what they say, after division by the temperature.

    Attributes:
        temperature: fitted on validation; None where none was, and then nothing was divided.
        ece: expected calibration error with its interval.
        ece_expected: what a perfectly calibrated model of the same confidences would show.
        p: how often such a model would show as much; small means miscalibrated.
        brier: Brier score.
        nll: mean negative log-likelihood in nats.
        confidence, accuracy: mean of each; the first above the second is too sure of itself.
        bins: the reliability diagram.
        risk: risk against coverage.
    """

    temperature: float | None
    ece: Estimate
    ece_expected: float
    p: float
    brier: Estimate
    nll: float
    confidence: float
    accuracy: float
    bins: tuple[Bin, ...]
    risk: tuple[Point, ...]


@dataclass(frozen=True)
class SliceRow:
    """A part of the set.

    Attributes:
        kind: ``speaker``, ``gender``, ``words``, ``seconds``, ``modality`` or ``class``.
        name: of the part, as ``3 to 7 words``.
        size: utterances.
        clusters: of the unit of the intervals.
        accuracy: of the part.
        difference: its accuracy minus that of the rest.
        p: one-sided, that it is not below the rest; Holm-corrected over all slices of the set. None: too small to say.
        weak: whether it is significantly below.
    """

    kind: str
    name: str
    size: int
    clusters: int
    accuracy: Estimate
    difference: float
    p: float | None
    weak: bool


@dataclass(frozen=True)
class ProbeRow:
    """A probe: accuracy and UAR with it, and by how much the accuracy (intact minus probed) falls, with the p-value."""

    name: str
    metrics: Mapping[str, Estimate]
    drop: Estimate
    p: float


@dataclass(frozen=True)
class ReportUtterance:
    """An utterance for the error browser.

    Attributes:
        id, text, speaker, dialogue: as stored.
        target, decision: names of classes, joined by ``, `` in a multi-label task; empty where none is present.
        right: whether they agree (multi-label: in every class).
        confidence: calibrated probability of the decision; multi-label: the smallest over classes.
        probabilities: of every class, calibrated.
        seconds, words: lengths.
        members: how many members alone decide as the ensemble does.
    """

    id: str
    text: str
    speaker: str | None
    dialogue: str | None
    target: str
    decision: str
    right: bool
    confidence: float
    probabilities: tuple[float, ...]
    seconds: float | None
    words: int
    members: int


@dataclass(frozen=True)
class SetReport:
    """An ensemble on a labelled set.

    Attributes:
        set: ``valid`` or ``test``.
        utterances: how many.
        published_utterances: how many the recipe expects, where it knows.
        unit, clusters, unit_note: what the intervals are taken over, how many, and what a reader must know of that.
        k: members averaged for everything below.
        metrics: accuracy, uar, f1_macro, f1_weighted of the k, with intervals.
        scores: of sentiment tasks: acc2_with_zeros, acc2_without_zeros, acc7, mae, pearson, ccc; else empty.
        sizes: k = 1..E.
        members: each alone.
        spread: over members, by metric.
        classes: each.
        confusion: (C, C) counts, targets down; None in a multi-label task.
        majority: share of the most frequent class, what always saying it would reach; None in a multi-label task.
        calibration: None where logits are not finite.
        slices, probes, rows: empty where nothing is known.
    """

    set: str
    utterances: int
    published_utterances: int | None
    unit: str
    clusters: int
    unit_note: str
    k: int
    metrics: Mapping[str, Estimate]
    scores: Mapping[str, Estimate]
    sizes: tuple[Size, ...]
    members: tuple[MemberRow, ...]
    spread: Mapping[str, MemberSpread]
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...] | None
    majority: float | None
    calibration: CalibrationRow | None
    slices: tuple[SliceRow, ...]
    probes: tuple[ProbeRow, ...]
    rows: tuple[ReportUtterance, ...]


@dataclass(frozen=True)
class LabelRead:
    """A look at the labels of the test split."""

    time: str
    by: str
    purpose: str
    utterances: int


@dataclass(frozen=True)
class RunReport:
    """A run: a folder of members.

    Attributes:
        name: of the folder.
        recipe: its name.
        dataset, task: what it is judged on.
        kind: ``single`` or ``multi``.
        class_names: in the order of the logits.
        architecture: ``mat`` or ``mnt``.
        protocol: ``paper`` or ``honest``.
        stamp: ``selected on test`` and what exactly was, or empty.
        caveats: ``synthetic speech`` and the like; often empty.
        members: how many, over all folds; ``expected_members`` by the recipe.
        folds: of cross-validation.
        select: metric that chose epochs, members' order and k.
        chosen_by: ``validation``, ``test`` (the paper's protocol) or ``all`` (no validation set was stored).
        sets: by name, valid and test.
        findings: what a reader must not miss, gravest first.
        histories: epochs by member's name.
        reads: of test labels, by time.
        data_hash: of corpus and division.
        provenance: everything else, in the order to show it.
        commands: that make the run and this report again.
    """

    name: str
    recipe: str
    dataset: str
    task: str
    kind: str
    class_names: tuple[str, ...]
    architecture: str
    protocol: str
    stamp: str
    caveats: str
    members: int
    expected_members: int
    folds: int
    select: str
    chosen_by: str
    sets: Mapping[str, SetReport]
    findings: tuple[ReportFinding, ...]
    histories: Mapping[str, tuple[MemberEpoch, ...]]
    reads: tuple[LabelRead, ...]
    data_hash: str
    provenance: Mapping[str, str]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class PublishedRow:
    """A published figure beside ours."""

    metric: str
    value: float
    members: int | None
    utterances: int | None
    source: str


@dataclass(frozen=True)
class OurRow:
    """One run in a data set's table: its figure on test under its protocol."""

    run: str
    recipe: str
    protocol: str
    stamp: str
    k: int
    members: int
    metrics: Mapping[str, Estimate]
    spread: Mapping[str, MemberSpread]
    train: int
    note: str


@dataclass(frozen=True)
class DifferenceRow:
    """By how much the paper's protocol exceeds the honest one, a metric, paired over the same test utterances.

    ``difference`` has no interval where the two were not judged on the same utterances; ``note`` then says so.
    """

    metric: str
    paper: str
    honest: str
    difference: Estimate
    p: float | None
    note: str


@dataclass(frozen=True)
class TaskReport:
    """The table of a data set and task: published, ours as the paper did it, ours honestly, the difference.

    ``missing`` has a line for each recipe that was asked for and has no result, with what to do.
    """

    dataset: str
    task: str
    published: tuple[PublishedRow, ...]
    ours: tuple[OurRow, ...]
    differences: tuple[DifferenceRow, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: what it is about.
        made: when, and by which version.
        tasks: a table each.
        runs: in the order of the tables.
        problems: runs or files that could not be read, a sentence each; the rest is reported all the same.
        command: that makes this report again.
        recordings: of utterances, by run, then id: a ``data:`` address of audio; see --recordings.
    """

    title: str
    made: str
    tasks: tuple[TaskReport, ...]
    runs: tuple[RunReport, ...]
    problems: tuple[str, ...]
    command: str
    recordings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
