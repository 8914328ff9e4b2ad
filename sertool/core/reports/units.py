"""The unit of intervals that a user asks for, as dialogues where speakers are the usual one."""

from collections.abc import Mapping

from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.metrics.clusters import UNITS
from sertool.core.runs.prediction_files import StoredSet


def check_unit(by: str | None) -> None:
    """Check that a unit is one of ``UNITS``, or None.

    Raises:
        UsageError: it is not.
    """
    if by is not None and by not in UNITS:
        raise UsageError(f"--by {by}: no such unit, expected one of {', '.join(UNITS)}{did_you_mean(by, list(UNITS))}")


def check_known(run: str, sets: Mapping[str, StoredSet], by: str) -> None:
    """Check that a run knows the unit of an utterance, of any of some sets.

    Raises:
        DataError: it does not.
    """
    spoken = [one for stored in sets.values() for one in stored.spoken]
    known = [unit for unit in UNITS if any(getattr(one, unit) for one in spoken)]
    if by not in known:
        hint = f"it knows {' and '.join(f'{unit}s' for unit in known)}: --by {known[0]}" if known else "leave out --by"
        raise DataError(f"{run}: --by {by}: no {by} is known of its utterances ({', '.join(sets)})", hint=hint)
