"""A report as plain data: its dataclasses as they are, without recordings."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from sertool.core.reports.contents import FORMAT, Report


def to_json(report: Report) -> dict[str, Any]:
    """Everything but the recordings; what is not a finite number is null."""
    content: dict[str, Any] = {"format": FORMAT, **plain(report)}
    del content["recordings"]
    return content


def plain(value: Any) -> Any:
    """Dataclasses as objects, tuples as lists, NaN and infinity as None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {own.name: plain(getattr(value, own.name)) for own in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
