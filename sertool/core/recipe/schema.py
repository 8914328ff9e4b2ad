"""What a recipe may hold: typed, frozen sections; every key says what it means and in which unit.

docs/recipes.md is made from these descriptions (`make docs` checks it).
"""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sertool.core.metrics.classification import MAIN_METRICS, METRICS

MAX_SEED = 2**31 - 1

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=MAX_SEED)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
# Speakers and sessions are often numbers: [3, 8] is meant as the names "3" and "8".
GroupName = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]

# Literals made from the table of metrics, so that pydantic's message and docs/recipes.md list its names. A type
# checker cannot read such a literal; it sees text.
if TYPE_CHECKING:
    MainMetric: TypeAlias = str
    AnyMetric: TypeAlias = str
else:
    MainMetric, AnyMetric = Literal[MAIN_METRICS], Literal[tuple(METRICS)]

# The tasks of the five published data sets and how many classes each has; None: num_classes says it.
TASKS: dict[str, dict[str, int | None]] = {
    "iemocap": {"emotion": 4},
    "mosi": {"sentiment": None},
    "mosei": {"sentiment": None, "emotion": 6},
    "meld": {"emotion": 7, "sentiment": 3},
    "vgaf": {"emotion": 3},
}


def _no_repeats(names: list[str], key: str) -> None:
    repeated = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if repeated is not None:
        raise ValueError(f"{key}: {repeated!r} is given twice")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Dataset(_Section):
    """Which corpus, which task of it, and how much of an utterance the model sees."""

    reader: Literal["iemocap", "mosi", "mosei", "meld", "vgaf", "corpus"] = Field(
        "corpus",
        description="the reference's pickles of a published set, or a corpus in sertool's own format",
    )
    path: Annotated[str, Field(min_length=1)] = Field(
        description="folder: below --data, or a path of its own; packaged:demo is the packaged corpus"
    )
    task: Annotated[str, Field(min_length=1)] = Field(
        "emotion", description="key of the raw label in the corpus"
    )
    num_classes: Literal[2, 7] | None = Field(
        None, description="scores from -3 to 3 (MOSI, MOSEI, your own): 2 or 7; elsewhere the task decides"
    )
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] = Field(
        ["text", "audio"], description="what the model is given; the other one is masked out"
    )
    max_text_length: Count = Field(30, description="words; longer texts are cut")
    max_audio_length: Count = Field(50, description="frames; longer recordings are cut")
    standardize: Literal["none", "corpus", "utterance"] = Field(
        "none",
        description="of audio frames, a value at a time: by training frames, or by the utterance's own",
    )
    vectors: Annotated[str, Field(min_length=1)] = Field(
        "none", description="word vectors: a spaCy package or path, a vocab folder, a text file, or none"
    )

    @model_validator(mode="after")
    def _fits_reader(self) -> "Dataset":
        if len(set(self.modalities)) < len(self.modalities):
            raise ValueError(f"modalities: {self.modalities[0]} is given twice")
        if self.reader == "corpus":
            return self
        tasks = TASKS[self.reader]
        if self.task not in tasks:
            raise ValueError(f"task: reader {self.reader} knows {' and '.join(tasks)} (got {self.task!r})")
        if tasks[self.task] is None and self.num_classes is None:
            raise ValueError(f"num_classes: {self.reader} {self.task} needs 2 or 7")
        if tasks[self.task] is not None and self.num_classes is not None:
            raise ValueError(
                f"num_classes: {self.reader} {self.task} always has {tasks[self.task]} classes; leave it out"
            )
        return self

    def known_classes(self) -> int | None:
        """How many classes the task has; None where only the corpus can tell."""
        return TASKS.get(self.reader, {}).get(self.task) or self.num_classes


class Frontend(_Section):
    """How recordings become log-mel frames; the defaults are the reference's."""

    sample_rate: Count = Field(22050, description="Hz; recordings of another rate are resampled")
    trim_db: Positive | None = Field(
        60.0, description="silence this far below the peak is trimmed; null keeps it"
    )
    preemphasis: Fraction = Field(
        0.97, description="factor of the previous sample that is subtracted; 0: off"
    )
    fft_size: Count = Field(2048, description="samples")
    hop_length: Count = Field(275, description="samples")
    window_length: Count = Field(1102, description="samples, at most fft_size")
    mel_bands: Count = Field(80, description="values a frame")
    frame_step: Count = Field(16, description="every how manyth frame is kept")

    @model_validator(mode="after")
    def _window_fits(self) -> "Frontend":
        if self.window_length > self.fft_size:
            raise ValueError(f"window_length {self.window_length} is longer than fft_size {self.fft_size}")
        return self


class Splits(_Section):
    """Which utterances train, validate and test."""

    scheme: Literal["corpus", "holdout", "folds"] = Field(
        "corpus",
        description="the corpus's own, validation cut from training, or cross-validation (both by group)",
    )
    group: Literal["speaker", "session", "video", "dialogue", "utterance"] = Field(
        "speaker", description="what is never divided between splits (holdout, folds)"
    )
    valid: Annotated[str, Field(min_length=1)] = Field(
        "valid", description="corpus scheme: the corpus split that validates"
    )
    test: Annotated[str, Field(min_length=1)] = Field(
        "test", description="corpus and holdout scheme: the corpus split that tests"
    )
    valid_fraction: Fraction = Field(
        0.1, description="holdout scheme: share of the training utterances, by group"
    )
    test_fraction: Fraction = Field(
        0.0, description="holdout scheme: cut a test split too, where the corpus has none"
    )
    valid_groups: Annotated[list[GroupName], Field(min_length=1)] | None = Field(
        None, description="holdout scheme: these groups instead of a share"
    )
    folds: Count | list[Annotated[list[GroupName], Field(min_length=1)]] | None = Field(
        None,
        description="folds scheme: how many, or the test groups of each; the next fold's groups validate",
    )
    seed: Seed = Field(1, description="deals the groups to splits or folds")

    @model_validator(mode="after")
    def _fits_scheme(self) -> "Splits":
        if self.scheme == "folds":
            number = self.folds if isinstance(self.folds, int) else len(self.folds or [])
            if number < 3:
                raise ValueError(
                    "folds: at least 3 are needed (one tests, the next one validates, the rest train)"
                )
        elif self.folds is not None:
            raise ValueError("folds: only with scheme: folds")
        if isinstance(self.folds, list):
            _no_repeats([name for fold in self.folds for name in fold], "folds")
        if self.valid_groups is not None and self.scheme != "holdout":
            raise ValueError("valid_groups: only with scheme: holdout")
        _no_repeats(self.valid_groups or [], "valid_groups")
        if self.scheme == "holdout" and not self.valid_fraction and not self.valid_groups:
            raise ValueError(
                "valid_fraction: 0 leaves nothing to validate on; give valid_groups or a share above 0"
            )
        if self.test_fraction and self.scheme != "holdout":
            raise ValueError("test_fraction: only with scheme: holdout")
        if self.test_fraction + self.valid_fraction >= 1:
            raise ValueError("valid_fraction and test_fraction leave nothing to train on")
        return self


class Model(_Section):
    """Architecture and sizes."""

    architecture: Literal["mat", "mnt"] = Field(
        "mat", description="modulated attention, or modulated normalisation"
    )
    hidden_size: Count = Field(512, description="width of the LSTMs and blocks, a multiple of num_heads")
    ffn_size: Count = Field(2048, description="inner width of a block's feed-forward layer")
    num_heads: Count = Field(8, description="attention heads")
    num_layers: Count = Field(4, description="blocks a modality")
    embedding_size: Count = Field(
        300, description="values a word; must be the word vectors' own width where there are any"
    )
    dropout_input: Fraction = Field(0.0, description="on word embeddings and audio frames")
    dropout_residual: Fraction = Field(0.1, description="on attention weights, inside and after each branch")
    dropout_output: Fraction = Field(0.5, description="before the last linear layer")

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}"
            )
        return self


class Training(_Section):
    """Optimizer, schedule and seeds."""

    runs: Annotated[int, Field(ge=1, le=10000)] = Field(
        10, description="members a fold: seeds seed, seed + 1, ..."
    )
    seed: Seed = Field(
        1, description="of the first member; decides its weights, its order of utterances and its dropout"
    )
    batch_size: Count = Field(64, description="utterances a step and member")
    max_epochs: Annotated[int, Field(ge=1, le=10000)] = Field(
        99, description="at most; onecycle and cosine plan with it"
    )
    learning_rate: Positive = Field(
        5e-5, description="at the start (rollback), or the highest (onecycle, cosine)"
    )
    optimizer: Literal["adam", "adamw"] = Field("adam", description="PyTorch's default betas")
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(0.0, description="adamw only")
    schedule: Literal["rollback", "onecycle", "cosine"] = Field(
        "rollback",
        description="back to the best weights with a smaller rate (the reference's), or a planned curve",
    )
    warmup: Fraction = Field(0.1, description="onecycle, cosine: share of all steps")
    lr_decay: Positive = Field(0.2, description="rollback: factor on the learning rate at each decay")
    max_decays: Annotated[int, Field(ge=0, le=1000)] = Field(
        2, description="rollback: how often the rate may decay"
    )
    patience: Count | None = Field(
        3, description="epochs without a better one before a member stops; null: never"
    )
    clip_norm: Positive | None = Field(
        None, description="largest gradient norm of a member; null: no clipping"
    )
    class_weights: Literal["none", "balanced"] | Annotated[list[Positive], Field(min_length=2)] = Field(
        "none", description="of the loss: none, balanced (inverse training counts), or a list of one a class"
    )
    label_smoothing: Fraction = Field(0.0, description="share of a target that is spread over all classes")
    select: MainMetric = Field(
        "accuracy", description="validation metric that decides the best epoch and the order of the members"
    )
    precision: Literal["auto", "fp32", "tf32", "bf16"] = Field(
        "auto", description="auto: fp32 on a CPU, bf16 on CUDA"
    )

    @model_validator(mode="after")
    def _fits_optimizer(self) -> "Training":
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError("weight_decay: only with optimizer: adamw")
        if self.seed + self.runs - 1 > MAX_SEED:
            raise ValueError(f"seed: the last run's would be above {MAX_SEED}")
        return self


class Published(_Section):
    """A figure that somebody published for this data set and task."""

    metric: AnyMetric = Field(description="what was measured")
    value: Annotated[float, Field(ge=0, le=1)] = Field(description="a fraction, on the test split")
    members: Count | None = Field(None, description="size of the ensemble; null: not told")
    utterances: Count | None = Field(None, description="how many it was measured on")
    source: Annotated[str, Field(min_length=1)] = Field(description="who says so")


class Expected(_Section):
    """Counts of a corpus's own split, before ``splits`` divides it: are these the published data?"""

    utterances: Count = Field(description="that are part of the task")
    classes: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, description="utterances a class, in the order of the classes"
    )


class Recipe(_Section):
    """A whole experiment."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="of the recipe and of its folder below ckpt; the file's name where it is left out"
    )
    about: Annotated[str, Field(min_length=1)] = Field(description="what it is, in a sentence")
    protocol: Literal["paper", "honest"] = Field(
        "honest",
        description="paper: may select on the test split, and every result says so; honest: never",
    )
    dataset: Dataset = Field(description="which corpus, which task")
    frontend: Frontend = Field(Frontend(), description="how recordings become frames")
    splits: Splits = Field(Splits(), description="which utterances train, validate and test")
    model: Model = Field(Model(), description="architecture and sizes")
    training: Training = Field(Training(), description="optimizer, schedule and seeds")
    choices: list[str] = Field([], description="what is our choice, where nothing was published")
    published: list[Published] = Field([], description="figures others reported, for comparison")
    expected: dict[Literal["train", "valid", "test", "private"], Expected] = Field(
        {}, description="counts of the published data"
    )

    @model_validator(mode="after")
    def _sections_agree(self) -> "Recipe":
        splits, classes = self.splits, self.dataset.known_classes()
        if self.protocol == "honest" and splits.scheme == "corpus" and splits.valid == splits.test:
            raise ValueError(
                f"splits: valid and test are both {splits.test!r}, so the best epoch would be picked on test;"
                " only protocol: paper does that"
            )
        weights = self.training.class_weights
        if isinstance(weights, list) and classes is not None and len(weights) != classes:
            raise ValueError(f"training.class_weights: {len(weights)} given, the task has {classes} classes")
        return self
