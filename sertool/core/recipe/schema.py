"""The schema of a recipe: typed, frozen sections; every key has a description with its unit.

docs/recipes.md is made from these descriptions (`make docs` checks it).
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from sertool.core.metrics.classification import MAIN_METRICS, METRICS
from sertool.core.recipe.bounds import MAX_RUNS, MAX_SEED
from sertool.core.recipe.frontends import AudioFrontend, Frontend, SpeechEncoder, TextEncoder, TextFrontend
from sertool.core.recipe.sections import Count, Dropout, Factor, Fraction, Length, Section, Seed, Width

# Speakers and sessions are often numbers, which YAML reads as such: [3, 8] means the names "3" and "8".
GroupName = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]

# Literals made from the table of metrics, so that pydantic's message and docs/recipes.md list its names. A type
# checker cannot read such a literal; it sees text.
if TYPE_CHECKING:
    MainMetric: TypeAlias = str
    AnyMetric: TypeAlias = str
else:
    MainMetric, AnyMetric = Literal[MAIN_METRICS], Literal[tuple(METRICS)]

# Tasks of the published data sets with their numbers of classes; None: num_classes chooses. The readers define them
# (corpora/readers), which this room may not import; a test compares the two.
TASKS: dict[str, dict[str, int | None]] = {
    "iemocap": {"emotion": 4},
    "mosi": {"sentiment": None},
    "mosei": {"sentiment": None, "emotion": 6},
    "meld": {"emotion": 7, "sentiment": 3},
    "vgaf": {"emotion": 3},
}


# Architectures in the words that a user reads.
ARCHITECTURES = {"mat": "MAT", "mnt": "MNT", "linear": "linear probe"}


def _no_repeats(names: list[str], key: str) -> None:
    repeated = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if repeated is not None:
        raise ValueError(f"{key}: {repeated!r} is given twice")


class Dataset(Section):
    """Corpus, task, and how much of an utterance the model is given."""

    reader: Literal["iemocap", "mosi", "mosei", "meld", "vgaf", "corpus"] = Field(
        "corpus",
        description="format of the data: the reference's pickles of a published set, or `corpus`, sertool's own",
    )
    path: Annotated[str, Field(min_length=1)] = Field(
        description="folder of the corpus: under --data, or any path; packaged:demo comes with sertool"
    )
    task: Annotated[str, Field(min_length=1)] = Field(
        "emotion", description="label to predict, by its name in the corpus"
    )
    num_classes: Literal[2, 7] | None = Field(
        None, description="2 or 7 for scores from -3 to 3 (MOSI, MOSEI, your own); otherwise the task decides"
    )
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] = Field(
        ["text", "audio"], description="inputs of the model; one that is not listed is masked out"
    )
    words: Literal["auto", "spaces", "characters", "zh", "ja", "th"] = Field(
        "auto",
        description="how `sertool prepare` splits texts into words: at spaces, into the characters of scripts without "
        "spaces, or by spaCy's tokenizer of a language (zh, ja, th); auto: as the texts need it",
    )
    max_text_length: Length = Field(30, description="longest text in words, or in frames; longer ones are cut")
    max_audio_length: Length = Field(50, description="longest recording in frames; longer ones are cut")
    standardize: Literal["none", "corpus", "utterance", "speaker"] = Field(
        "none",
        description="standardize each value of the audio frames over the training frames, over the utterance, or over "
        "all recordings of the same speaker, without their labels",
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
        if self.words not in ("auto", "spaces"):
            raise ValueError(f"words: only with reader: corpus; the data of {self.reader} hold words, not texts")
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

    @property
    def by_training_frames(self) -> bool:
        """Check whether a fold's training frames standardise audio: all of it, or that of speakers without figures."""
        return self.standardize in ("corpus", "speaker")

    @property
    def by_speaker(self) -> bool:
        """Check whether the frames of a speaker's own recordings standardise them."""
        return self.standardize == "speaker" and "audio" in self.modalities

    def known_classes(self) -> int | None:
        """Return the number of classes of the task; None where only the corpus knows it."""
        return TASKS.get(self.reader, {}).get(self.task) or self.num_classes


FOLDS = 5  # of cross-validation where a recipe names none


class Splits(Section):
    """Division of the utterances into train, valid and test."""

    scheme: Literal["corpus", "holdout", "folds"] = Field(
        "corpus",
        description="the corpus's own splits, validation cut from training, or cross-validation; the last two by group",
    )
    group: Literal["speaker", "session", "video", "dialogue", "utterance", "fold"] = Field(
        "speaker",
        description="unit that is never divided between splits (holdout, folds); fold: the folds that came with it",
    )
    valid: Annotated[str, Field(min_length=1)] = Field(
        "valid", description="corpus scheme: split of the corpus used for validation"
    )
    test: Annotated[str, Field(min_length=1)] = Field(
        "test", description="corpus and holdout scheme: split of the corpus used for testing"
    )
    valid_fraction: Fraction = Field(
        0.1, description="holdout scheme: share of the training utterances used for validation"
    )
    test_fraction: Fraction = Field(
        0.0, description="holdout scheme: share used for testing, where the corpus has no test split"
    )
    valid_groups: Annotated[list[GroupName], Field(min_length=1)] | None = Field(
        None, description="holdout scheme: groups used for validation, instead of a share"
    )
    folds: Annotated[int, Field(ge=1, le=10_000)] | list[Annotated[list[GroupName], Field(min_length=1)]] | None = (
        Field(
            None,
            description="folds scheme: number of folds (left out: 5, or all of group: fold), or the test groups of "
            "each; the next fold's groups validate",
        )
    )
    seed: Seed = Field(1, description="seed of the random division into splits or folds")

    # So that `--set splits.scheme=folds` alone cross-validates, as messages about few speakers advise.
    @model_validator(mode="before")
    @classmethod
    def _five_folds(cls, given: Any) -> Any:
        by_groups = isinstance(given, dict) and given.get("scheme") == "folds" and given.get("group") != "fold"
        if by_groups and given.get("folds") is None:
            return {**given, "folds": FOLDS}
        return given

    # One message for each key that contradicts the scheme, so that no key is silently ignored.
    @model_validator(mode="after")
    def _fits_scheme(self) -> "Splits":
        if self.scheme == "folds":  # fewer than 3 leave a fold nothing to train on
            number = len(self.folds) if isinstance(self.folds, list) else self.folds
            if number is not None and number < 3:
                raise ValueError("folds: at least 3 are needed (one tests, the next one validates, the rest train)")
        elif self.folds is not None:
            raise ValueError("folds: only with scheme: folds")
        if isinstance(self.folds, list):
            _no_repeats([name for fold in self.folds for name in fold], "folds")
        if self.valid_groups is not None and self.scheme != "holdout":
            raise ValueError("valid_groups: only with scheme: holdout")
        _no_repeats(self.valid_groups or [], "valid_groups")
        if self.scheme == "holdout" and not self.valid_fraction and not self.valid_groups:
            raise ValueError("valid_fraction: 0 leaves nothing to validate on; give valid_groups or a share above 0")
        if self.test_fraction and self.scheme != "holdout":
            raise ValueError("test_fraction: only with scheme: holdout")
        if self.test_fraction + self.valid_fraction >= 1:
            raise ValueError("valid_fraction and test_fraction leave nothing to train on")
        return self


class Model(Section):
    """Architecture and sizes of the model."""

    architecture: Literal["mat", "mnt", "linear"] = Field(
        "mat",
        description="modulated attention (mat), modulated normalisation (mnt), or a linear probe: one linear layer on "
        "the mean and deviation of each modality's frames, for which hidden_size, ffn_size, num_heads, num_layers and "
        "dropout_residual mean nothing",
    )
    hidden_size: Width = Field(512, description="width of the LSTMs and blocks; a multiple of num_heads")
    ffn_size: Width = Field(2048, description="inner width of a block's feed-forward layer")
    num_heads: Width = Field(8, description="number of attention heads")
    num_layers: Annotated[int, Field(ge=1, le=256)] = Field(4, description="number of blocks for each modality")
    embedding_size: Width = Field(300, description="width of a word embedding; with word vectors, their width")
    dropout_input: Dropout = Field(0.0, description="dropout on word embeddings and audio frames")
    dropout_residual: Dropout = Field(0.1, description="dropout on attention weights, and inside and after each branch")
    dropout_output: Dropout = Field(0.5, description="dropout before the last linear layer")

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}")
        return self

    @property
    def title(self) -> str:
        """Return the architecture in the words that a user reads."""
        return ARCHITECTURES[self.architecture]

    @property
    def hidden_width(self) -> int:
        """Return the width of the hidden layers; 0 for a linear probe, which has none."""
        return 0 if self.architecture == "linear" else self.hidden_size


class Training(Section):
    """Optimizer, schedule and seeds."""

    runs: Annotated[int, Field(ge=1, le=MAX_RUNS)] = Field(
        10, description="number of members in each fold, with seeds seed, seed + 1, ..."
    )
    seed: Seed = Field(1, description="seed of the first member: its initial weights, order of utterances and dropout")
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        64, description="utterances in a step, for each member"
    )
    max_epochs: Annotated[int, Field(ge=1, le=10000)] = Field(
        99, description="largest number of epochs; onecycle and cosine plan for exactly this many"
    )
    learning_rate: Annotated[float, Field(ge=1e-12, le=1e30)] = Field(
        5e-5, description="initial learning rate (rollback), or the highest (onecycle, cosine)"
    )
    optimizer: Literal["adam", "adamw"] = Field("adam", description="optimizer, with PyTorch's default betas")
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = Field(0.0, description="weight decay, adamw only")
    schedule: Literal["rollback", "onecycle", "cosine"] = Field(
        "rollback",
        description="rollback: return to the best weights with a smaller rate (the reference's); else a planned curve",
    )
    warmup: Fraction = Field(0.1, description="onecycle, cosine: share of all steps in which the rate rises")
    lr_decay: Annotated[float, Field(ge=1e-6, le=1)] = Field(
        0.2, description="rollback: factor that each decay applies to the learning rate"
    )
    max_decays: Annotated[int, Field(ge=0, le=1000)] = Field(2, description="rollback: largest number of decays")
    patience: Length | None = Field(3, description="epochs without improvement after which a member stops; null: never")
    clip_norm: Factor | None = Field(None, description="largest gradient norm of a member; null: no clipping")
    class_weights: Literal["none", "balanced"] | Annotated[list[Factor], Field(min_length=2)] = Field(
        "none",
        description="class weights of the loss: none, balanced (inverse training counts), or a list, one per class",
    )
    label_smoothing: Fraction = Field(0.0, description="share of a target that is spread evenly over all classes")
    select: MainMetric = Field(
        "accuracy", description="validation metric that chooses the best epoch and orders the members"
    )
    precision: Literal["auto", "fp32", "tf32", "bf16"] = Field(
        "auto", description="number format; auto: bf16 on a CUDA device that has it, else fp32"
    )

    @model_validator(mode="after")
    def _fits_optimizer(self) -> "Training":
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError("weight_decay: only with optimizer: adamw")
        if self.seed + self.runs - 1 > MAX_SEED:  # run i has seed + i
            raise ValueError(f"seed: the last run's would be above {MAX_SEED}")
        return self


class Published(Section):
    """A figure that somebody published for this data set and task."""

    metric: AnyMetric = Field(description="published metric")
    value: Annotated[float, Field(ge=0, le=1)] = Field(description="its value on the test split, a fraction")
    members: Count | None = Field(None, description="size of the ensemble; null: not reported")
    utterances: Count | None = Field(None, description="number of test utterances")
    source: Annotated[str, Field(min_length=1)] = Field(description="publication that reports it")


class Expected(Section):
    """Published counts of one of the corpus's own splits, to check that these are the published data."""

    utterances: Count = Field(description="number of utterances that are part of the task")
    classes: list[Annotated[int, Field(ge=0, le=MAX_SEED)]] | None = Field(
        None, description="number of utterances in each class, in the order of the classes"
    )


class Recipe(Section):
    """All settings of an experiment."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="name of the recipe and of its folder under ckpt; default: the file's name"
    )
    about: Annotated[str, Field(min_length=1)] = Field(description="short description for the list of recipes")
    protocol: Literal["paper", "honest"] = Field(
        "honest",
        description="paper: may select on the test split, and every result says so; honest: never does",
    )
    dataset: Dataset = Field(description="corpus and task")
    frontend: AudioFrontend = Field(
        Frontend(), description="settings that turn recordings into frames: log-mels, or a pretrained encoder"
    )
    text_frontend: TextFrontend = Field(
        "words", description="words, or the settings of a pretrained encoder that turns texts into frames"
    )
    splits: Splits = Field(Splits(), description="division into train, valid and test")
    model: Model = Field(Model(), description="architecture and sizes")
    training: Training = Field(Training(), description="optimizer, schedule and seeds")
    choices: list[str] = Field([], description="settings that are our choice because nothing was published")
    published: list[Published] = Field([], description="published figures, for comparison")
    expected: dict[Literal["train", "valid", "test", "private"], Expected] = Field(
        {}, description="published counts of the data, by split"
    )

    @property
    def encoders(self) -> dict[str, str]:
        """Name the pretrained encoder of each modality in use that has one."""
        frontends = {"text": self.text_frontend, "audio": self.frontend}
        used = {name: frontends[name] for name in self.dataset.modalities}
        return {name: own.title for name, own in used.items() if isinstance(own, SpeechEncoder | TextEncoder)}

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
