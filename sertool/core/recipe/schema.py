"""The schema of a recipe: typed, frozen sections; every key has a description with its unit.

docs/recipes.md is made from these descriptions (`make docs` checks it).
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from sertool.core.formatting import plural
from sertool.core.metrics.classification import MAIN_METRICS, METRICS
from sertool.core.recipe.bounds import MAX_RUNS, MAX_SEED
from sertool.core.recipe.dataset import TASKS as TASKS
from sertool.core.recipe.dataset import Dataset as Dataset
from sertool.core.recipe.dataset import no_repeats
from sertool.core.recipe.frontends import AudioFrontend, Frontend, OpenSmile, SpeechEncoder, TextEncoder, TextFrontend
from sertool.core.recipe.losses import Loss, weights_of
from sertool.core.recipe.sections import Count, Dropout, Factor, Fraction, Length, Section, Seed, Width

# Speakers and sessions are often numbers, which YAML reads as such: [3, 8] means the names "3" and "8".
GroupName = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]

# Literals made from the table of metrics, so that pydantic's message and docs/recipes.md list its names. A type
# checker cannot read such a literal; it sees text.
SCORE_SELECTION = ("ccc", "mae", "pearson")  # metrics that choose among members that predict scores
if TYPE_CHECKING:
    SelectMetric: TypeAlias = str
    AnyMetric: TypeAlias = str
else:
    SelectMetric = Literal[(*MAIN_METRICS, *SCORE_SELECTION)]
    AnyMetric = Literal[(*METRICS, *SCORE_SELECTION)]

# Architectures in the words that a user reads.
ARCHITECTURES = {"mat": "MAT", "mnt": "MNT", "linear": "linear probe"}


FOLDS = 5  # of cross-validation where a recipe names none


class Splits(Section):
    """Division of the utterances into train, valid and test."""

    scheme: Literal["corpus", "holdout", "folds"] = Field(
        "corpus",
        description="the corpus's own splits, validation cut from training, or cross-validation; the last two by group",
    )
    group: Literal["speaker", "session", "video", "dialogue", "corpus", "utterance", "fold"] = Field(
        "speaker",
        description="unit that is never divided between splits (holdout, folds); corpus: the corpora that were joined; "
        "fold: the folds that came with it",
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
            description="folds scheme: number of folds (left out: 5, or all of group: fold or corpus), or the test "
            "groups of each; the next fold's groups validate",
        )
    )
    seed: Seed = Field(1, description="seed of the random division into splits or folds")

    # So that `--set splits.scheme=folds` alone cross-validates, as messages about few speakers advise.
    @model_validator(mode="before")
    @classmethod
    def _five_folds(cls, given: Any) -> Any:
        by_groups = (
            isinstance(given, dict) and given.get("scheme") == "folds" and given.get("group") not in ("fold", "corpus")
        )
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
            no_repeats([name for fold in self.folds for name in fold], "folds")
        if self.valid_groups is not None and self.scheme != "holdout":
            raise ValueError("valid_groups: only with scheme: holdout")
        no_repeats(self.valid_groups or [], "valid_groups")
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


class Context(Section):
    """Earlier utterances of the dialogue that a model sees beside the one that it judges; never a later one."""

    previous: Annotated[int, Field(ge=1, le=64)] = Field(
        8, description="largest number of earlier utterances; each of them takes a step of a recurrent layer"
    )
    speakers: bool = Field(
        True,
        description="tell the model which of them have the speaker of the judged utterance; speakers that are not "
        "known are a kind of their own",
    )

    @property
    def title(self) -> str:
        """Return the context in the words that a user reads."""
        return plural(self.previous, "earlier utterance") + (" and their speakers" if self.speakers else "")


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
    balance: Literal["none", "corpus"] = Field(
        "none",
        description="utterances of an epoch: each training utterance once, or as many draws of each corpus that was "
        "joined with others, so that a small corpus counts as much as a large one",
    )
    label_smoothing: Fraction = Field(0.0, description="share of a target that is spread evenly over all classes")
    loss: Loss | None = Field(
        None,
        description="target: scores: mean squared error (mse), mean absolute error (mae), one minus the concordance "
        "correlation of a batch (ccc), or a mixture with weights, such as `{ccc: 1, mse: 0.2}`",
    )
    select: SelectMetric = Field(
        "accuracy",
        description="validation metric that chooses the best epoch and orders the members; with target: scores ccc "
        "(the default there), mae or pearson",
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
        if self.needs_batches and self.batch_size == 1:
            raise ValueError("batch_size: loss ccc needs batches of at least 2; one utterance has no correlation")
        return self

    @property
    def needs_batches(self) -> bool:
        """Check whether the loss holds a correlation, which is one of a whole batch."""
        return self.loss is not None and "ccc" in weights_of(self.loss)


class Published(Section):
    """A figure that somebody published for this data set and task."""

    metric: AnyMetric = Field(description="published metric")
    value: Annotated[float, Field(ge=0, le=100)] = Field(
        description="its value on the test split; a share as a fraction, an error in the unit of the score"
    )
    members: Count | None = Field(None, description="size of the ensemble; null: not reported")
    utterances: Count | None = Field(None, description="number of test utterances")
    source: Annotated[str, Field(min_length=1)] = Field(description="publication that reports it")


class Expected(Section):
    """Published counts of one of the corpus's own splits, to check that these are the published data."""

    utterances: Count = Field(description="number of utterances that are part of the task")
    classes: list[Annotated[int, Field(ge=0, le=MAX_SEED)]] | None = Field(
        None, description="number of utterances in each class, in the order of the classes"
    )


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _has(section: Any, key: str, value: str) -> bool:
    return _is_table(section) and section.get(key) == value


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
        Frontend(),
        description="settings that turn recordings into frames: log-mels, a pretrained encoder, or openSMILE",
    )
    text_frontend: TextFrontend = Field(
        "words", description="words, or the settings of a pretrained encoder that turns texts into frames"
    )
    splits: Splits = Field(Splits(), description="division into train, valid and test")
    model: Model = Field(Model(), description="architecture and sizes")
    context: Context | None = Field(
        None, description="earlier utterances of the dialogue that the model sees; null: each utterance is judged alone"
    )
    training: Training = Field(Training(), description="optimizer, schedule and seeds")
    choices: list[str] = Field([], description="settings that are our choice because nothing was published")
    published: list[Published] = Field([], description="published figures, for comparison")
    expected: dict[Literal["train", "valid", "test", "private"], Expected] = Field(
        {}, description="published counts of the data, by split"
    )

    @property
    def encoders(self) -> dict[str, str]:
        """Name the pretrained encoder, or openSMILE, of each modality in use that has one."""
        frontends = {"text": self.text_frontend, "audio": self.frontend}
        used = {name: frontends[name] for name in self.dataset.modalities}
        titled = SpeechEncoder | OpenSmile | TextEncoder
        return {name: own.title for name, own in used.items() if isinstance(own, titled)}

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_scores(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not _has(given.get("dataset"), "target", "scores"):
            return given
        training = given.get("training", {})
        return {**given, "training": {"loss": "mse", "select": "ccc", **training}} if _is_table(training) else given

    @model_validator(mode="after")
    def _fits_target(self) -> "Recipe":
        training, scored = self.training, self.dataset.target == "scores"
        names = SCORE_SELECTION if scored else MAIN_METRICS
        wrong = []
        if training.select not in names:
            target = f"target: {self.dataset.target}"
            wrong.append(f"training.select: {target} is selected by {', '.join(names)} (got {training.select!r})")
        if training.loss is not None and not scored:
            wrong.append("training.loss: only with dataset.target: scores; classes have the cross-entropy")
        if training.loss is None and scored:
            wrong.append("training.loss: scores need a loss: mse, mae, ccc, or a mixture")
        if scored and training.class_weights != "none":
            wrong.append("training.class_weights: only with dataset.target: classes")
        if scored and training.label_smoothing:
            wrong.append("training.label_smoothing: only with dataset.target: classes")
        if self.dataset.labels == "any" and training.class_weights != "none":
            wrong.append("training.class_weights: only for tasks with one class per utterance, not labels: any")
        if wrong:
            raise ValueError("\n".join(wrong))  # all at once: whoever changes the target of a recipe changes them all
        return self

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
        if self.context is not None and self.training.balance != "none":
            raise ValueError("training.balance: not with context, whose batches hold each dialogue once")
        return self
