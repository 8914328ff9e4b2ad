"""Words for pydantic's errors: the field, the value it holds, and the value that is expected."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from sertool.core.errors import did_you_mean
from sertool.core.formatting import LINES, cut, plural, printable, problem_list

_KINDS = {
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "finite_number": "expected a finite number",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "frozen_set_type": "expected a list",
    "dict_type": "expected a table of keys",
    "model_type": "expected a table of keys",
    "model_attributes_type": "expected a table of keys",
    "string_too_short": "must not be empty",
    "extra_forbidden": "unknown key",
}
_LIMITS = {
    "greater_than": ("must be above", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than": ("must be below", "lt"),
    "less_than_equal": ("must be at most", "le"),
}
_SHOWN = 60  # characters of a wrong value
_KEY = 100  # characters of a field's name, which may come from outside


def field_name(location: Sequence[str | int]) -> str:
    """Write the place of a value in a file.

    >>> field_name(("folds", 2, "name"))
    'folds[2].name'
    """
    names = ".".join(str(part) for part in location if part != "[key]")
    return cut(printable(re.sub(r"(?:^|\.)(\d+)(?=\.|$)", r"[\1]", names)), _KEY)


def shown(value: Any) -> str:
    """Write a wrong value as JSON, shortened, on one line that any terminal takes."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
    return cut(printable(cut(text, _SHOWN)), _SHOWN)


def expectation(entry: Mapping[str, Any], kinds: Mapping[str, str] | None = None) -> str:
    """Say what is expected in place of a wrong value.

    Args:
        entry: one of pydantic's ``errors()``.
        kinds: words for further kinds of errors, by pydantic's name of the kind.
    """
    kind, value, context = entry["type"], entry["input"], entry.get("ctx", {})
    if kind == "literal_error":
        known = [word.strip("' ") for word in context["expected"].replace(" or ", ", ").split(", ")]
        near = did_you_mean(value, known) if isinstance(value, str) and len(known) > 1 else ""
        return f"expected {' or '.join(filter(None, [', '.join(known[:-1]), known[-1]]))}{near}"
    if kind == "string_type":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return f'expected text; quote it: "{shown(value)}"' if is_number else "expected text"
    if kind in _LIMITS:
        words, name = _LIMITS[kind]
        return f"{words} {context[name]:.16g}"  # 0.0 as 0, and large whole numbers with all their digits
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        words, number = ("at least", least) if least is not None else ("at most", most)
        return f"expected {words} {plural(number, 'entry', 'entries')}"
    message = {**_KINDS, **(kinds or {})}.get(kind, str(entry["msg"]))  # pydantic's own words where we have none
    return message[0].lower() + message[1:]


def problem_message(origin: str, error: ValidationError) -> str:
    """Describe what is wrong in a file's content: one field beside the file's name, several in a list of at most 20."""
    entries = error.errors(include_url=False)
    lines = [_line(entry) for entry in entries[:LINES]]
    return f"{origin}: {lines[0]}" if len(entries) == 1 else problem_list(origin, lines, len(entries))


def _line(entry: Any) -> str:
    key = field_name(entry["loc"])
    before = f"{key}: " if key else ""
    if entry["type"] == "missing":
        return f"{before}is missing"
    if entry["type"] == "json_invalid":
        return f"not valid JSON ({entry['ctx']['error']})"
    if entry["type"] in ("value_error", "assertion_error"):
        return f"{before}{printable(str(entry['ctx']['error']))} (got {shown(entry['input'])})"
    return f"{before}{expectation(entry)} (got {shown(entry['input'])})"
