"""Label maps as YAML files: shipped ones, and a user's own.

A map names classes of corpora and of models alike, so that one can be judged on the other::

    about: one sentence
    classes:                 # class of the map: the names that corpora and models may use for it
      angry: [anger, ang]
      happy: [joy, excited]
    corpus: {calm: neutral}  # optional: holds for the labels of corpora alone
    model: {calm: neutral}   # optional: holds for the answers of models alone
    drop: [other]            # optional: falls out on purpose
    scores:                  # optional: classes by scores, low or high by the middle of their range
      happy: {arousal: high, valence: high}

:mod:`~sertool.core.corpora.class_maps` applies a map.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sertool.core.corpora.class_maps import ClassMap, Columns, MapNote, compared
from sertool.core.corpora.names import is_missing, normal
from sertool.core.errors import UsageError, did_you_mean
from sertool.core.files.validation import problem_message
from sertool.core.files.yaml_file import read_yaml
from sertool.core.formatting import names_of

__all__ = ["ClassMap", "Columns", "MapNote", "load_label_map", "map_names", "parse_label_map"]

_SHIPPED = Path(__file__).resolve().parent / "maps"


class _Content(BaseModel):
    """Content of the file of a map."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    about: str = ""
    classes: dict[str, list[str] | None] = Field(min_length=2)
    corpus: dict[str, str] = Field(default_factory=dict)
    model: dict[str, str] = Field(default_factory=dict)
    drop: list[str] = Field(default_factory=list)
    scores: dict[str, dict[str, Literal["low", "high"]]] = Field(default_factory=dict)


def map_names() -> list[str]:
    """List the names of the shipped maps."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def load_label_map(text: str) -> ClassMap:
    """Read a label map.

    Args:
        text: name of a shipped map, or path of a YAML file.

    Raises:
        UsageError: there is none, or it is no map; the message names the wrong place.
    """
    shipped = text in map_names()
    path = _SHIPPED / f"{text}.yaml" if shipped else Path(text)
    if not shipped and not _is_there(path):
        raise UsageError(
            f"label map {text!r}: there is no such map or file{did_you_mean(text, map_names())}",
            hint=f"shipped maps: {names_of(map_names())}; or the path of a YAML file (docs/cross.md)",
        )
    return parse_label_map(read_yaml(path), text, shipped=shipped)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name too long, a folder that may not be entered
        return False


def parse_label_map(content: object, name: str, *, shipped: bool = False) -> ClassMap:
    """Check the parsed content of a map.

    Args:
        content: what the YAML holds.
        name: name or path, for messages.
        shipped: the map came with sertool.

    Raises:
        UsageError: the content is none of a map, or one name stands for two classes.
    """
    if not isinstance(content, dict):
        raise UsageError(f"{name}: expected a table with `classes`, as label maps are", hint="see docs/cross.md")
    try:
        # As JSON, for which pydantic's strict mode allows exactly the types that a file can hold.
        own = _Content.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise UsageError(problem_message(name, error), hint="see docs/cross.md") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{name}: holds something that is not text or a table ({error})") from error
    classes = tuple(_checked(one, name) for one in own.classes)
    written: dict[str, str] = {}
    named = _gather(zip(classes, classes, strict=True), {}, name, written)  # a class's own name counts for it
    aliases = ((alias, _checked(one, name)) for one, more in own.classes.items() for alias in more or ())
    named = _gather(aliases, named, name, written)
    corpora, models = (
        _gather(((alias, _class(one, classes, f"{name}: {side}")) for alias, one in table), named, name, written)
        for side, table in (("corpus", own.corpus.items()), ("model", own.model.items()))
    )
    dropped = {compared(_checked(one, name)): normal(one) for one in own.drop}
    for key, one in dropped.items():
        if key in written:
            raise UsageError(f"{name}: {one!r} stands under `drop` and for a class", hint="keep one of them")
    scores = {_class(one, classes, f"{name}: scores"): rule for one, rule in own.scores.items()}
    _check_scores(scores, name)
    parts = [list(classes), sorted(corpora.items()), sorted(models.items()), sorted(dropped), scores]
    return ClassMap(
        name=name,
        sha256=hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
        about=own.about,
        classes=classes,
        of_corpora=corpora,
        of_models=models,
        dropped=frozenset(dropped),
        scores=scores,
        written={**written, **dropped},
        shipped=shipped,
    )


def _checked(name: str, origin: str) -> str:
    plain = normal(name)
    if is_missing(plain):
        raise UsageError(f"{origin}: {name!r} is no name of a class", hint="give a word, such as neutral")
    return plain


def _class(name: str, classes: Sequence[str], origin: str) -> str:
    """Return the class that a table names."""
    found = next((one for one in classes if compared(one) == compared(name)), None)
    if found is None:
        near = did_you_mean(normal(name), list(classes))
        raise UsageError(f"{origin} names the class {name!r}, which is not under `classes`{near}")
    return found


def _gather(
    pairs: Iterable[tuple[str, str]], before: Mapping[str, str], origin: str, written: dict[str, str]
) -> dict[str, str]:
    """Add names with their classes to those before; ``written`` collects the names as they stand in the file."""
    found = dict(before)
    for alias, wanted in pairs:
        plain = _checked(alias, origin)
        key = compared(plain)
        if found.setdefault(key, wanted) != wanted:
            raise UsageError(
                f"{origin}: {plain!r} stands for two classes, {found[key]!r} and {wanted!r}", hint="keep one of them"
            )
        written.setdefault(key, plain)
    return found


def _check_scores(scores: Mapping[str, Mapping[str, str]], origin: str) -> None:
    """Refuse classes without a rule, and two classes that one pair of scores could both be."""
    for name, rule in scores.items():
        if not rule:
            raise UsageError(f"{origin}: scores: {name!r} has no rule, expected one such as {{arousal: high}}")
    if len(scores) == 1:
        raise UsageError(f"{origin}: scores: expected rules for at least two classes")
    for (one, rule), (other, second) in combinations(scores.items(), 2):
        if not _exclude(rule, second):
            raise UsageError(f"{origin}: scores: one utterance could be {one!r} and {other!r}", hint="make them differ")


def _exclude(rule: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return any(other.get(name, side) != side for name, side in rule.items())
