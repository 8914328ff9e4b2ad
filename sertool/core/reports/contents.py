"""Figures of a report as plain data. The outputs (terminal, Markdown, HTML, CSV, JSON) show it, computing nothing.

Figures are fractions, not percent; an :class:`~sertool.core.metrics.Estimate` carries its 95 % interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sertool.core.metrics import Estimate
from sertool.core.metrics.baselines import Baseline
from sertool.core.reports.calibration_row import CalibrationRow
from sertool.core.reports.label_reads import LabelRead
from sertool.core.reports.linear_row import LinearRow
from sertool.core.reports.score_contents import DimensionRow, ScoredUtterance, ScoreSlice, VotesRow
from sertool.core.runs.imported import Imported
from sertool.core.training.history import MemberEpoch

IMPORTED = "imported"  # stands for the protocol of predictions that come from elsewhere


@dataclass(frozen=True)
class ReportFinding:
    """A named finding: something that a reader of the figures must not miss.

    Attributes:
        kind: a key of :data:`~sertool.core.reports.findings.KINDS`.
        severity: ``error`` (a figure is not what it seems), ``warning`` (optimistic or misleading) or ``note``.
        text: a sentence with the figures.
    """

    kind: str
    severity: str
    text: str


@dataclass(frozen=True)
class Size:
    """Metrics by name of the first k members, averaged."""

    k: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class MemberRow:
    """A single member: the validation figure it was selected by, and its metrics on its own utterances of the set."""

    name: str
    fold: int
    validation: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class MemberSpread:
    """Mean and standard deviation (n - 1) of a metric over members; for one member the deviation is None."""

    mean: float
    sd: float | None


@dataclass(frozen=True)
class ClassRow:
    """A class: its figures, and its number of utterances here, among the predictions, in training and as published."""

    name: str
    precision: Estimate
    recall: Estimate
    f1: Estimate
    support: int
    predicted: int
    train: int | None
    published: int | None


@dataclass(frozen=True)
class SliceRow:
    """A part of the set, as the utterances of one speaker.

    Attributes:
        kind: ``corpus``, ``speaker``, ``gender``, ``words``, ``seconds``, ``modality`` or ``class``; of dialogues
            ``turn``, ``speaker before`` and ``change``.
        name: name of the slice, as ``3 to 7 words``.
        size: number of utterances.
        clusters: number of clusters, as speakers, of which the interval is made.
        accuracy: accuracy on the slice.
        difference: its accuracy minus that of the rest.
        p: one-sided p-value that it is not below the rest, Holm-corrected over all slices of the set; None if it was
            too small to test.
        weak: True if it is significantly, and by more than 5 points, below the rest.
        uar: UAR of a corpus that was joined with others; None for other slices.
    """

    kind: str
    name: str
    size: int
    clusters: int
    accuracy: Estimate
    difference: float
    p: float | None
    weak: bool
    uar: Estimate | None = None


@dataclass(frozen=True)
class ProbeRow:
    """A probe: accuracy and UAR with changed input, and by how much the accuracy falls (intact minus probed).

    ``by_cluster`` is that fall by name of cluster; empty unless there are too few clusters for an interval.
    """

    name: str
    metrics: Mapping[str, Estimate]
    drop: Estimate
    p: float | None
    by_cluster: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModalityUse:
    """The use that a model makes of its inputs, as far as the probes of a set can tell.

    Attributes:
        text, audio: ``used``, ``ignored`` or ``unknown``; None for a model that takes one modality.
        sentence: all in words, with the figures.
        context: likewise, of the utterances before in the dialogue; None without a probe of them.
    """

    text: str | None
    audio: str | None
    sentence: str
    context: str | None = None


@dataclass(frozen=True)
class ClusterRow:
    """A cluster, as a speaker: its name, number of utterances, accuracy and UAR, and the metrics of scores by key."""

    name: str
    utterances: int
    accuracy: float
    uar: float
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportUtterance:
    """An utterance as the error browser shows it.

    Attributes:
        id, text, speaker, dialogue: stored with the predictions.
        target, decision: label and predicted class by name; several joined by ``, `` in a multi-label task, where both
            may be empty.
        right: True if they agree (multi-label: in every class).
        confidence: calibrated probability of the prediction; multi-label: the smallest over classes. NaN for labels
            that were imported without probabilities.
        probabilities: calibrated probability of every class; empty for such labels.
        seconds, words: length.
        members: number of members that predict the same as the ensemble.
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

    @property
    def order(self) -> tuple[bool, float]:
        """Sort key of error browser and recordings: wrong before right, then the most confident first."""
        return self.right, -self.confidence if self.confidence == self.confidence else 0.0


@dataclass(frozen=True)
class SetReport:
    """The figures of an ensemble on a labelled set.

    Attributes:
        set: ``valid`` or ``test``.
        utterances: number of utterances.
        published_utterances: number that the recipe expects; None if unknown.
        unit, clusters, unit_note: the unit of the intervals (as ``speaker``), their number, and a caveat.
        by_cluster: the figures of each cluster where there are too few for intervals; otherwise empty.
        k: number of averaged members for everything below.
        kind: ``single``, ``multi`` or ``scores``.
        metrics: figures of the k members: accuracy, uar, f1_macro and f1_weighted; in a multi-label task also
            exact_match, f1_micro and hamming, and accuracy is that of single labels. Of scores ccc, pearson, mae, rmse
            and r2, each the mean over the scores.
        scores: of a score from -3 to 3, predicted by classes or as the only score: the field's accuracies and F1; by
            classes mae, pearson and ccc, too.
        sizes: the first 1, 2, ... E members averaged.
        members: every single member.
        spread: spread over single members, by metric.
        classes: every class; empty for scores.
        confusion: (C, C) counts, a row per label; None in a multi-label task and for scores.
        baseline: figures of always the same answer.
        calibration: None if it was not computed, and for scores.
        slices, probes, rows: empty if nothing is known; scores have ``score_slices`` and ``scored`` instead of slices
            and rows.
        use: what the probes show; None without probes, or where the set has one modality only and no context.
        dimensions: every score; empty for classes.
        votes: what raters' votes tell of the probabilities; None where no votes are known.
    """

    set: str
    utterances: int
    published_utterances: int | None
    unit: str
    clusters: int
    unit_note: str
    by_cluster: tuple[ClusterRow, ...]
    k: int
    kind: str
    metrics: Mapping[str, Estimate]
    scores: Mapping[str, Estimate]
    sizes: tuple[Size, ...]
    members: tuple[MemberRow, ...]
    spread: Mapping[str, MemberSpread]
    classes: tuple[ClassRow, ...]
    confusion: tuple[tuple[int, ...], ...] | None
    baseline: Baseline
    calibration: CalibrationRow | None
    slices: tuple[SliceRow, ...]
    probes: tuple[ProbeRow, ...]
    use: ModalityUse | None
    rows: tuple[ReportUtterance, ...]
    dimensions: tuple[DimensionRow, ...] = ()
    score_slices: tuple[ScoreSlice, ...] = ()
    scored: tuple[ScoredUtterance, ...] = ()
    votes: VotesRow | None = None


@dataclass(frozen=True)
class RunReport:
    """A run: a folder of trained members.

    Attributes:
        name: name of the folder.
        recipe: name of the recipe.
        dataset, task: data set and task of the predictions.
        kind: ``single``, ``multi`` or ``scores``.
        class_names: classes in the order of the logits; names of scores.
        architecture, protocol: ``mat``, ``mnt`` or ``linear``; ``paper`` or ``honest``.
        stamp: ``selected on test: `` and what was; empty if nothing was.
        caveats: ``synthetic speech`` and the like; often empty.
        members, expected_members: number over all folds, finished and asked for.
        folds: number of folds of cross-validation; 1 without.
        select: metric that chose the epochs, the order of the members and k.
        chosen_by: what chose k, see :class:`~sertool.core.runs.ensemble_size.EnsembleSize`.
        sets: figures by set, ``valid`` and ``test``.
        findings: findings, most severe first.
        histories: training epochs by member; an epoch's score is the figure of ``select``, an error as it is.
        reads: accesses to the test labels, by time.
        data_hash: hash of corpus and splits.
        provenance: everything else, in the order of the page.
        commands: the commands that make the run and this report again.
        modalities: inputs of the model, ``text`` and ``audio``.
        encoders: pretrained encoders by modality; empty without any.
        linear: its linear probe on the same test utterances; None if there is none.
        context: earlier utterances that the model sees, as ``8 earlier utterances``; empty if it sees none.
        imported: facts on predictions that come from elsewhere: then nothing is known of members, architecture and
            protocol, which are 0 or empty; None for runs that were trained here.
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
    modalities: tuple[str, ...] = ()
    encoders: Mapping[str, str] = field(default_factory=dict)
    linear: LinearRow | None = None
    context: str = ""
    imported: Imported | None = None


@dataclass(frozen=True)
class PublishedRow:
    """A published figure, shown beside those of the runs."""

    metric: str
    value: float
    members: int | None
    utterances: int | None
    source: str


@dataclass(frozen=True)
class OurRow:
    """A run in the table of its data set: its figures on test under its protocol.

    ``train`` has the number of training utterances of each fold; it is empty where only the whole corpus is known.
    ``warning`` goes before the figures: a sentence on unknown speakers, usually empty.
    """

    run: str
    recipe: str
    protocol: str
    stamp: str
    k: int
    members: int
    metrics: Mapping[str, Estimate]
    spread: Mapping[str, MemberSpread]
    train: tuple[int, ...]
    note: str
    baseline: Baseline
    warning: str = ""


@dataclass(frozen=True)
class DifferenceRow:
    """Difference of a metric, paper's protocol minus honest one, paired over the same test utterances.

    ``difference`` has no interval if the two runs have no utterances in common; ``note`` then says so.
    """

    metric: str
    paper: str
    honest: str
    difference: Estimate
    p: float | None
    note: str


@dataclass(frozen=True)
class TaskReport:
    """The table of a data set and task: published figures, those of the runs under both protocols, the differences.

    ``kind`` is ``single``, ``multi`` or ``scores``. ``missing`` has a line for each expected recipe that has no
    result, with what to do about it.
    """

    dataset: str
    task: str
    published: tuple[PublishedRow, ...]
    ours: tuple[OurRow, ...]
    differences: tuple[DifferenceRow, ...]
    missing: tuple[str, ...] = ()
    kind: str = "single"

    @property
    def name(self) -> str:
        """Name of the task in titles; a single score is told apart from classes of it, as of MOSI's sentiment."""
        return f"{self.task} score" if self.kind == "scores" and "," not in self.task else self.task

    def holds(self, run: RunReport) -> bool:
        """Check whether a run belongs into this table: one of the data set and task, and of scores or of classes."""
        scored = (run.kind == "scores") == (self.kind == "scores")
        return scored and (run.dataset, run.task) == (self.dataset, self.task)


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: title of the report.
        made: time, and version of sertool.
        tasks: one table per data set and task.
        runs: all runs, in the order of the tables.
        problems: a sentence for each run or file that could not be read.
        command: the command that makes this report again.
        summary: three sentences: what was trained, what it scores, what to worry about.
        recordings: addresses of recordings, by run, then id: ``data:``, or those of files beside the page.
    """

    title: str
    made: str
    tasks: tuple[TaskReport, ...]
    runs: tuple[RunReport, ...]
    problems: tuple[str, ...]
    command: str
    recordings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    summary: tuple[str, ...] = ()
