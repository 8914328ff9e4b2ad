"""Recipes: one typed, frozen object a YAML file, every problem told at once with the nearest known key.

A recipe is data, settings and what is known of its result. ``extends: NAME`` takes another recipe and changes the
keys that are given; ``--set section.key=value`` changes one from the command line.
"""

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sertool.core.errors import UsageError
from sertool.core.yaml_file import parse_yaml, read_yaml

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Dataset(_Section):
    """Which corpus, which task of it, and how much of an utterance the model sees."""

    reader: Literal["iemocap", "mosi", "mosei", "meld", "vgaf", "corpus"] = "corpus"
    path: str = Field(description="folder: below --data, or a path of its own; packaged:demo is the packaged corpus")
    task: str = Field("emotion", description="key of the raw label in the corpus")
    num_classes: Literal[2, 7] | None = Field(None, description="MOSI and MOSEI sentiment: 2 or 7")
    modalities: Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=2)] = ["text", "audio"]
    max_text_length: Count = Field(30, description="words; longer texts are cut")
    max_audio_length: Count = Field(50, description="frames; longer recordings are cut")
    standardize: Literal["none", "corpus", "utterance"] = Field(
        "none", description="of audio frames, a value at a time: by training frames, or by the utterance's own"
    )
    vectors: str = Field("none", description="word vectors: a spaCy package or path, a vocab folder, a text file, or none")


class Frontend(_Section):
    """How recordings become log-mel frames; the defaults are the reference's."""

    sample_rate: Count = Field(22050, description="Hz")
    trim_db: Positive | None = Field(60.0, description="silence this far below the peak is trimmed; null keeps it")
    preemphasis: Fraction = 0.97
    fft_size: Count = 2048
    hop_length: Count = Field(275, description="samples")
    window_length: Count = Field(1102, description="samples")
    mel_bands: Count = 80
    frame_step: Count = Field(16, description="every how manyth frame is kept")

    @model_validator(mode="after")
    def _window_fits(self) -> "Frontend":
        if self.window_length > self.fft_size:
            raise ValueError(f"window_length {self.window_length} is longer than fft_size {self.fft_size}")
        return self


class Splits(_Section):
    """Which utterances train, validate and test."""

    scheme: Literal["corpus", "holdout", "folds"] = "corpus"
    group: Literal["speaker", "session", "video", "dialogue", "utterance"] = Field(
        "speaker", description="what is never divided between splits (holdout, folds)"
    )
    valid: str = Field("valid", description="corpus scheme: the corpus split that validates")
    test: str = Field("test", description="corpus and holdout scheme: the corpus split that tests")
    valid_fraction: Fraction = Field(0.1, description="holdout scheme: share of the training utterances, by group")
    test_fraction: Fraction = Field(0.0, description="holdout scheme: cut a test split too, where the corpus has none")
    valid_groups: list[str] | None = Field(None, description="holdout scheme: these groups instead of a share")
    folds: int | list[list[str]] | None = Field(None, description="folds scheme: how many, or the test groups of each")
    seed: int = Field(1, ge=0, description="deals the groups to splits or folds")

    @model_validator(mode="after")
    def _folds_given(self) -> "Splits":
        if self.scheme == "folds":
            number = self.folds if isinstance(self.folds, int) else len(self.folds or [])
            if number < 3:
                raise ValueError("folds: at least 3 are needed (one tests, the next one validates, the rest train)")
        elif self.folds is not None:
            raise ValueError("folds: only with scheme: folds")
        return self


class Model(_Section):
    """Architecture and sizes."""

    architecture: Literal["mat", "mnt"] = "mat"
    hidden_size: Count = 512
    ffn_size: Count = 2048
    num_heads: Count = 8
    num_layers: Count = 4
    embedding_size: Count = 300
    dropout_input: Fraction = 0.0
    dropout_residual: Fraction = 0.1
    dropout_output: Fraction = 0.5

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}")
        return self


class Training(_Section):
    """Optimizer, schedule and seeds."""

    runs: Count = Field(10, description="members a fold: seeds seed, seed + 1, ...")
    seed: int = Field(1, ge=0, lt=2**31)
    batch_size: Count = 64
    max_epochs: Annotated[int, Field(ge=1, le=10000)] = 99
    learning_rate: Positive = 5e-5
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(0.0, description="adamw only")
    schedule: Literal["rollback", "onecycle", "cosine"] = "rollback"
    warmup: Fraction = Field(0.1, description="onecycle, cosine: share of all steps")
    lr_decay: Positive = Field(0.2, description="rollback: factor on the learning rate at each decay")
    max_decays: Annotated[int, Field(ge=0)] = Field(2, description="rollback")
    patience: Count | None = Field(3, description="epochs without a better one before a member stops; null: never")
    clip_norm: Positive | None = Field(None, description="largest gradient norm of a member; null: no clipping")
    class_weights: Literal["none", "balanced"] | list[Positive] = "none"
    label_smoothing: Fraction = 0.0
    select: Literal["accuracy", "uar", "f1_weighted"] = "accuracy"
    precision: Literal["auto", "fp32", "tf32", "bf16"] = Field("auto", description="auto: fp32 on a CPU, bf16 on CUDA")

    @model_validator(mode="after")
    def _decay_has_an_optimizer(self) -> "Training":
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError("weight_decay: only with optimizer: adamw")
        return self


class Published(_Section):
    """A figure that somebody published for this data set and task."""

    metric: Literal["accuracy", "uar", "f1_weighted", "f1_macro"]
    value: Annotated[float, Field(ge=0, le=1)]
    members: Count | None = None
    utterances: Count | None = None
    source: str


class Expected(_Section):
    """Counts that show whether the data are the published ones: utterances, and utterances a class."""

    utterances: Count
    classes: list[int] | None = None


class Recipe(_Section):
    """A whole experiment."""

    name: str
    about: str = Field(description="what it is, in a sentence")
    protocol: Literal["paper", "honest"] = "honest"
    dataset: Dataset
    frontend: Frontend = Frontend()
    splits: Splits = Splits()
    model: Model = Model()
    training: Training = Training()
    choices: list[str] = Field([], description="what is our choice, where nothing was published")
    published: list[Published] = []
    expected: dict[Literal["train", "valid", "test", "private"], Expected] = {}


def folder() -> Path:
    """Where the shipped recipes lie: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def names() -> list[str]:
    """The shipped recipes, by name."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(name_or_path: str) -> Path:
    """The file of a recipe given by name or by path.

    Raises:
        UsageError: there is none; the nearest name is told.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise UsageError(f"{name_or_path}: no such recipe file", hint="`sertool recipes list` shows the shipped ones")
    shipped = folder() / f"{name_or_path}.yaml"
    if name_or_path in names():
        return shipped
    raise UsageError(
        f"no recipe {name_or_path!r}{did_you_mean(name_or_path, names())}",
        hint="`sertool recipes list` shows the shipped ones; a path must end in .yaml",
    )


def load(name_or_path: str, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe, with what it extends and with ``section.key=value`` overrides.

    Raises:
        UsageError: every unknown key and wrong value, in one message.
    """
    path = find(name_or_path)
    content = _with_base(path, [])
    content.setdefault("name", path.stem)
    for override in overrides or []:
        _apply(content, override)
    return validate(content, str(path))


def validate(content: dict[str, Any], origin: str) -> Recipe:
    """Check parsed content; ``origin`` names it in errors.

    Raises:
        UsageError: every unknown key and wrong value, in one message.
    """
    try:
        # Through JSON, because strict validation of Python objects refuses what JSON spells otherwise (tuples, paths).
        return Recipe.model_validate_json(json.dumps(content))
    except ValidationError as error:
        problems = [_problem(entry) for entry in error.errors()]
        raise UsageError(f"{origin}: {len(problems)} problem{'s' * (len(problems) > 1)}\n  " + "\n  ".join(problems)) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{origin}: holds something that is not text, number, list or table ({error})") from error


def did_you_mean(word: str, known: list[str]) -> str:
    """``, did you mean 'x'?`` where a known word is near, else nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""


def _with_base(path: Path, seen: list[Path]) -> dict[str, Any]:
    if path in seen:
        raise UsageError(f"{path}: extends itself through {' -> '.join(item.stem for item in seen)}")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path}: a recipe is a table of keys, this is {type(content).__name__}")
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise UsageError(f"{path}: extends: expected the name of a recipe, got {base!r}")
    # A path is meant from the file that names it; a bare name is a shipped recipe.
    sibling = path.parent / base
    base_path = sibling if sibling.suffix in (".yaml", ".yml") else find(base)
    merged = _merge(_with_base(base_path, [*seen, path]), content)
    if "name" not in content:
        merged["name"] = path.stem
    return merged


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(f"--set {override}: expected section.key=value, for example training.batch_size=64")
    section = content
    for part in parts[:-1]:
        inner = section.setdefault(part, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {override}: {part} holds no keys")
        section[part] = section = dict(inner)
    section[parts[-1]] = parse_yaml(text, f"--set {override}")


def _problem(entry: Any) -> str:
    """One line for one of pydantic's findings."""
    location = [str(part) for part in entry["loc"]]
    key = ".".join(location) or "recipe"
    kind = entry["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key{did_you_mean(location[-1], _known_keys(location[:-1]))}"
    if kind == "missing":
        return f"{key}: is missing"
    message = entry["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if kind == "literal_error" and isinstance(entry["input"], str):
        known = [str(word).strip("' ") for word in entry["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        message += did_you_mean(entry["input"], known)
    shown = "" if isinstance(entry["input"], dict) else f" (got {json.dumps(entry['input'], ensure_ascii=False)})"
    return f"{key}: {message}{shown}"


def _known_keys(location: list[str]) -> list[str]:
    section: Any = Recipe
    for part in location:
        field = section.model_fields.get(part) if isinstance(section, type) else None
        section = field.annotation if field else None
    is_section = isinstance(section, type) and issubclass(section, BaseModel)
    return list(section.model_fields) if is_section else []
