"""Turn pydantic's errors about a recipe into lines that a user can act on."""

import json
import re
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from sertool.core.errors import did_you_mean
from sertool.core.formatting import plural

# pydantic tries each type of a union and reports them all; one line says what would fit.
_UNIONS = {
    "splits.folds": "expected a number of folds, or a list of lists of group names",
    "splits.valid_groups": "expected a list of group names",
    "training.class_weights": "expected none, balanced, or a list with one number above 0 for each class",
    "dataset.num_classes": "expected 2 or 7",
}
_KINDS = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "list_type": "expected a list",
    "dict_type": "expected a table of keys",
    "model_type": "expected a table of keys",
    "model_attributes_type": "expected a table of keys",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "expected letters, digits, dots, dashes, underscores; a letter or digit first",
}
_SHOWN = 60  # characters of a wrong value


def problems(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each wrong key or value, in the order of the recipe, without repeats."""
    lines: dict[str, None] = {}
    for entry in error.errors(include_url=False):
        lines.setdefault(_line(entry, model))
    return list(lines)


def _line(entry: Any, model: type[BaseModel]) -> str:
    location, kind, value = entry["loc"], entry["type"], entry["input"]
    names = [str(part) for part in location if part != "[key]"]
    # First, since the entries of a union name its inner types, which a user has never seen.
    for union, message in _UNIONS.items():
        if ".".join(names[:2]) == union:
            # The value the whole key was given is not in every entry; only a scalar is worth showing.
            return f"{union}: {message}"
    key = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(names))
    if kind == "extra_forbidden":
        known = _known_keys(names[:-1], model)
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
            if key and not message.startswith(tuple(_known_keys(names, model)))
            else f"{key}.{message}".lstrip(".")
        )
    return f"{key or 'recipe'}: {_expectation(entry)} (got {_shown(value)})"


def _expectation(entry: Any) -> str:
    kind, value, context = entry["type"], entry["input"], entry.get("ctx", {})
    if kind == "literal_error":
        known = [word.strip("' ") for word in context["expected"].replace(" or ", ", ").split(", ")]
        near = did_you_mean(value, known) if isinstance(value, str) else ""
        return f"expected {' or '.join(filter(None, [', '.join(known[:-1]), known[-1]]))}{near}"
    if kind == "string_type":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return f'expected text; quote it: "{value}"' if is_number else "expected text"
    limits = {
        "greater_than": ("must be above", "gt"),
        "greater_than_equal": ("must be at least", "ge"),
        "less_than": ("must be below", "lt"),
        "less_than_equal": ("must be at most", "le"),
    }
    if kind in limits:
        words, name = limits[kind]
        return f"{words} {context[name]:.15g}"  # 0.0 as 0, and large whole numbers with all their digits
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        words, number = ("at least", least) if least is not None else ("at most", most)
        return f"expected {words} {plural(number, 'entry', 'entries')}"
    message = _KINDS.get(kind, str(entry["msg"]))  # pydantic's own words where we have none
    return message[0].lower() + message[1:]


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _known_keys(location: list[str], model: type[BaseModel]) -> list[str]:
    """Return the keys of the section at ``location``, looking through lists and tables."""
    section: type[BaseModel] | None = model
    for part in location:
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
