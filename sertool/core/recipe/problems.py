"""Turn pydantic's errors about a recipe into lines that a user can act on."""

from collections.abc import Sequence
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sertool.core.errors import did_you_mean
from sertool.core.files.validation import expectation, field_name, shown
from sertool.core.formatting import LINES, problem_list
from sertool.core.recipe.frontends import TAGS

# pydantic tries each type of a union and reports them all; one line says what would fit.
_UNIONS = {
    "splits.folds": "expected a number of folds, or a list of lists of group names",
    "splits.valid_groups": "expected a list of group names",
    "training.class_weights": "expected none, balanced, or a list with one number above 0 for each class",
    "training.loss": "expected mse, mae, ccc, or weights of several, such as {ccc: 1, mse: 0.2}",
    "dataset.num_classes": "expected 2 or 7",
    "frontend.layer": "expected the number of a layer, last, or a list of at least 2 numbers",
    "frontend.pool": "expected a number of states, mean, or mean+std",
    "text_frontend.layer": "expected the number of a layer, last, or a list of at least 2 numbers",
}
_KINDS = {"string_pattern_mismatch": "expected letters, digits, dots, dashes, underscores; a letter or digit first"}


def problem_message(origin: object, error: ValidationError, model: type[BaseModel]) -> str:
    """List the first wrong keys and values, in the order of the recipe; the wrong types of a union count once."""
    entries: dict[tuple[Any, ...], Any] = {}
    for entry in error.errors(include_url=False):
        entries.setdefault(_place(entry), entry)
    # A rule about several keys has a line for each of them.
    told = [_line(entry, model).split("\n") for entry in islice(entries.values(), LINES)]
    number = len(entries) + sum(len(lines) - 1 for lines in told)
    return problem_list(origin, [line for lines in told for line in lines][:LINES], number)


def _place(entry: Any) -> tuple[Any, ...]:
    location = _untagged(entry["loc"])
    return location[:2] if ".".join(map(str, location[:2])) in _UNIONS else (*location, entry["type"])


def _line(entry: Any, model: type[BaseModel]) -> str:
    location, kind, value = _untagged(entry["loc"]), entry["type"], entry["input"]
    names = [str(part) for part in location if part != "[key]"]
    # First, since the entries of a union name its inner types, which a user has never seen.
    for union, message in _UNIONS.items():
        if ".".join(names[:2]) == union:
            # The value the whole key was given is not in every entry; only a scalar is worth showing.
            return f"{union}: {message}"
    key = field_name(location)
    if kind == "extra_forbidden":
        known = _known_keys(entry["loc"][:-1], model)
        near = did_you_mean(names[-1], known) or f", expected one of {', '.join(known)}"
        return f"{key}: unknown key{near}"
    if kind == "missing":
        how = "; give it with --set dataset.path=data/MYSET" if key == "dataset.path" else ""
        return f"{key}: is missing{how}"
    if kind == "json_invalid":
        return f"not readable ({entry['ctx']['error']})"
    if kind == "value_error":
        message = str(entry["ctx"]["error"])
        return (
            f"{key}: {message}"
            if key and not message.startswith(tuple(_known_keys(entry["loc"], model)))
            else f"{key}.{message}".lstrip(".")
        )
    return f"{key}: {expectation(entry, _KINDS)} (got {shown(value)})"


def _untagged(location: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the place of a value without the tag that pydantic puts behind a section of several kinds."""
    return (location[0], *location[2:]) if _is_tagged(location) else location


def _is_tagged(location: Sequence[Any]) -> bool:
    return len(location) > 1 and location[0] in ("frontend", "text_frontend") and location[1] in TAGS


def _known_keys(location: Sequence[Any], model: type[BaseModel]) -> list[str]:
    """Return the keys of the section at ``location``, looking through lists, tables and tags."""
    section: type[BaseModel] | None = TAGS[location[1]] if _is_tagged(location) else model
    for part in location[2:] if _is_tagged(location) else location:
        if section is None:
            return []
        field = section.model_fields.get(part)
        if field is not None:
            section = _section_in(field.annotation)
    return list(section.model_fields) if section else []


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a type holds: itself, or one inside a list, table, union or annotated type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, dict, Union, UnionType, Annotated):
        return next((found for item in get_args(annotation) if (found := _section_in(item))), None)
    return None
