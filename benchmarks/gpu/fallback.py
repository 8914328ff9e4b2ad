"""Fall back to plain steps, with a note, where a step cannot be recorded; a training does the same."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from sertool.core.compute.device import Precision
from sertool.core.training.graph_steps import UnrecordedError

Found = TypeVar("Found")


def recorded_or_plain(measure: Callable[[Precision], Found], precision: Precision) -> tuple[Found, str]:
    """Measure with recorded steps, or without if they fail on this device; return the result and why, if they do."""
    try:
        return measure(precision), ""
    except UnrecordedError as error:
        print(error, flush=True)
        note = f"{error}: measured without recording"
    return measure(replace(precision, graphs=False)), note
