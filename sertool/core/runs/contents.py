"""Contents of the JSON files of a run's folder, by type and range; :mod:`.checkpoint` describes the files.

Whoever reads such a file gets one of these, or one message. They are read without torch.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from sertool.core.corpora.corpus_content import FrontendNote, Range
from sertool.core.corpora.fingerprints import unpack
from sertool.core.corpora.tasks import RULE_NAMES, SCORES, Task, current_names
from sertool.core.files.typed_json import Content, Count, Plain, Text, read_typed
from sertool.core.metrics.classification import METRICS
from sertool.core.recipe.bounds import MAX_SEED
from sertool.core.recipe.schema import SCORE_SELECTION
from sertool.core.runs.imported import ImportedContent, MapContent

RUN_FORMAT = "sertool-run/1"  # a change that older versions cannot read gets another number
START_FORMAT = "sertool-start/1"
CALIBRATION_FORMAT = "sertool-calibration/1"
INTERVALS_FORMAT = "sertool-intervals/1"
SIZE_FORMAT = "sertool-size/1"
PREDICTIONS_FORMAT = "sertool-predictions/1"
PROBES_FORMAT = "sertool-probes/1"
CORPUS = "corpus.json"

if TYPE_CHECKING:
    Rule: TypeAlias = str
    MetricName: TypeAlias = str
else:
    Rule = Literal[RULE_NAMES]
    MetricName = Literal[(*METRICS, *SCORE_SELECTION)]


def _hashes(text: str) -> str:
    try:
        unpack(text)
    except ValueError as error:  # its words are about base64's padding
        raise ValueError("expected hashes of utterances in base64") from error
    return text


Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Fold = Annotated[int, Field(ge=0, le=10_000)]
Epochs = Annotated[int, Field(ge=0, le=10_000)]
Score = Annotated[float, Field(ge=-1e30, le=1e30)]  # an error has a minus; the lowest before the first epoch
Accuracy = Annotated[float, Field(ge=0, le=1)]
Kind = Literal["single", "multi", "scores"]
Number = Annotated[float, Field(ge=-1e30, le=1e30)]  # sums and squares of it are finite
FrameWidth = Annotated[int, Field(ge=0, le=2**20)]
Hashes = Annotated[str, AfterValidator(_hashes)]
MemberKey = tuple[Seed, Fold]
Ranges = tuple[Range, ...]


class FoldNote(Content):
    """Numbers of utterances in a fold."""

    name: str
    train: Count
    valid: Count
    test: Count | None = None


class EstimateContent(Content):
    """A figure with its interval."""

    value: Number
    low: Number | None
    high: Number | None


class RatersContent(Content):
    """Raters of a score or a task: their numbers, and figures of their agreement, see runs/raters.py."""

    utterances: Count
    one_rater: Count
    mean: Number
    fewest: Count
    most: Count
    agreement: dict[str, EstimateContent]
    ceilings: dict[str, EstimateContent]


class RunNote(Content):
    """Content of a run's corpus.json: the data of the run.

    Attributes:
        raters: raters of each score, or of the task, by name; empty where the corpus does not tell who rated.
        frontend, text_frontend: notes of the encoders that made its frames; None for log-mels and words.
    """

    name: str
    task: str
    classes: Annotated[list[str], Field(min_length=1)]
    rule: Rule
    ranges: Ranges = ()
    audio_width: FrameWidth
    text_width: FrameWidth | None
    folds: Annotated[list[FoldNote], Field(min_length=1)]
    counts: dict[str, Count] = Field(default_factory=dict)
    hash: str = ""
    synthetic: bool
    machine_text: bool
    word_splitting: Plain = None
    frontend: FrontendNote | None = None
    text_frontend: FrontendNote | None = None
    seen: list[Hashes] | None = None
    raters: dict[str, RatersContent] = Field(default_factory=dict)

    @property
    def current_task(self) -> Task:
        """Task, with the classes by the names of this version."""
        return Task(self.task, current_names(self.rule, self.classes), self.rule, self.ranges)

    @model_validator(mode="after")
    def _a_range_each(self) -> "RunNote":
        if len(self.ranges) != len(self.classes) * (self.rule == SCORES):
            raise ValueError(f"ranges: {len(self.ranges)} for {len(self.classes)} scores")
        return self


def read_note(folder: Path) -> RunNote:
    """Read the corpus.json of a run's folder.

    Raises:
        DataError: the file is missing or damaged.
    """
    return read_typed(folder / CORPUS, RunNote, hint="it may come from an older sertool: train the run again")


class RunContent(Content):
    """Content of a member's run.json."""

    format: Literal["sertool-run/1"]
    seed: Seed
    fold: Fold
    score: Score
    epochs: Epochs


class EpochContent(Content):
    """A line of a member's history.jsonl."""

    epoch: Epochs
    loss: Number
    score: Score
    learning_rate: Number
    outcome: str


class ProgressContent(Content):
    """State of a member's schedule in a saved stack."""

    best: Score
    decays: Epochs
    waited: Epochs
    history: list[EpochContent]


class StateContent(Content):
    """Description of a saved stack."""

    epoch: Epochs
    members: Annotated[list[MemberKey], Field(min_length=1)]
    progress: list[ProgressContent]

    @model_validator(mode="after")
    def _one_each(self) -> "StateContent":
        if len(self.progress) != len(self.members):
            raise ValueError(f"members: {len(self.members)}, and {len(self.progress)} states of schedules")
        return self


class DivisionContent(Content):
    """Members of the stacks into which a group was divided."""

    stacks: list[Annotated[list[MemberKey], Field(min_length=1)]]


class StandardizationContent(Content):
    """Statistics of the training frames; frames are divided by the deviations."""

    mean: list[Number]
    std: list[Annotated[float, Field(ge=1e-30, le=1e30)]]


class VocabularyContent(Content):
    """Rows of the words in the embedding."""

    rows: Annotated[int, Field(ge=2, le=MAX_SEED)]
    index: dict[str, Count]


class StartMember(Content):
    """Name and hash of a member that a training starts from."""

    member: str
    weights: str


class StartContent(Content):
    """Content of start.json: the run that a training starts from."""

    format: Literal["sertool-start/1"]
    name: Text = Field(alias="from")
    first_seed: Seed
    task: str
    classes: list[str]
    modalities: list[str]
    members: Annotated[list[StartMember], Field(min_length=1)]
    seen: Hashes


class LogEntry(Content):
    """A line of log.jsonl: the members that a training was asked for, its end, or a look at test labels."""

    read: Plain = None
    time: Plain = "?"
    by: Plain = "?"
    purpose: Plain = "?"
    use: Plain = None
    utterances: Count | None = None
    seconds: Annotated[float, Field(ge=0, le=1e12)] | None = None
    asked: Count | None = None


class CalibrationContent(Content):
    """Content of calibration.json."""

    format: Literal["sertool-calibration/1"]
    members: list[str]
    temperature: Annotated[float, Field(ge=1e-3, le=1e3)]  # logits are divided by it
    set: str
    utterances: Count
    ece_before: Number
    ece_after: Number
    nll_before: Number
    nll_after: Number
    calibrated: bool | None = None  # older versions did not check
    reason: str = ""
    low: Number | None = None
    high: Number | None = None
    note: str = ""


class IntervalsContent(Content):
    """Content of intervals.json: half the width of the interval of each score, in its unit."""

    format: Literal["sertool-intervals/1"]
    level: Annotated[float, Field(ge=0.5, le=0.999)]
    half: Annotated[list[Annotated[float, Field(ge=0, le=1e30)] | None], Field(min_length=1)]
    set: str
    utterances: Count
    members: list[str]
    names: list[str]
    reasons: list[str]
    note: str = ""

    @model_validator(mode="after")
    def _one_each(self) -> "IntervalsContent":
        if not len(self.half) == len(self.names) == len(self.reasons):
            raise ValueError(f"names: {len(self.names)} for {len(self.half)} widths and {len(self.reasons)} reasons")
        return self


class SizeContent(Content):
    """Content of size.json: the number of members that the run averages."""

    format: Literal["sertool-size/1"]
    k: Annotated[int, Field(ge=1, le=MAX_SEED)]
    available: Annotated[int, Field(ge=1, le=MAX_SEED)]
    chosen_by: Literal["validation", "test", "user", "all"]
    metric: MetricName | None
    reason: str
    members: Annotated[list[str], Field(min_length=1)]
    left_out: list[str] = Field(default_factory=list)
    folds: Annotated[int, Field(ge=1, le=10_000)] = 1
    kind: Kind = "single"

    @model_validator(mode="after")
    def _no_more_than_there_are(self) -> "SizeContent":
        if not self.k <= self.available <= len(self.members):
            raise ValueError(f"{self.k} of {self.available} members, and it names {len(self.members)}")
        return self


class OriginContent(Content):
    """Origin of stored predictions; see :class:`~sertool.core.runs.prediction_files.Origin`."""

    run: str
    recipe: str
    recipe_name: str
    dataset: str
    task: str
    rule: Rule
    protocol: Literal["paper", "honest"]
    selected_on_test: bool
    synthetic: bool
    machine_text: bool
    started_from: str | None
    seen_in_test: Count
    data_hash: str
    folds: Count
    counts: dict[str, Count]
    train_classes: list[Count]
    doctor: list[list[str]] | None
    made: dict[str, str]
    trained: list[Count] | None = None
    train_means: list[Number] | None = None
    imported: ImportedContent | None = None
    map: MapContent | None = None


class SpokenContent(Content):
    """Facts about the utterances of stored predictions, a column each."""

    text: list[str]
    speaker: list[str | None]
    session: list[str | None]
    dialogue: list[str | None]
    video: list[str | None]
    gender: list[str | None]
    seconds: list[Annotated[float, Field(ge=0, le=1e12)] | None]
    words: list[Count]
    frames: list[Count]
    turn: list[Annotated[int, Field(ge=1)] | None] | None = None  # unknown to earlier versions, as the next one
    follows: list[Literal["same", "another"] | None] | None = None
    corpus: list[str | None] | None = None


class ScoreContent(Content):
    """Scores of a member of stored predictions."""

    name: str
    fold: Fold
    accuracy: Accuracy | None
    validation: Score
    figures: dict[str, Number] = Field(default_factory=dict)


class FactsContent(Content):
    """Everything in a file of stored predictions but its arrays."""

    format: Literal["sertool-predictions/1"]
    set: str
    kind: Kind
    classes: list[str]
    ranges: Ranges = ()
    clip: bool = False
    ceilings: dict[str, dict[str, EstimateContent]] = Field(default_factory=dict)
    ties: Count | None = None
    members: list[ScoreContent]
    origin: OriginContent
    ids: list[str]
    spoken: SpokenContent


class ProbesContent(Content):
    """Members and utterances of a file of probes, each as the text of a JSON list."""

    format: Literal["sertool-probes/1"]
    members: str
    ids: str
