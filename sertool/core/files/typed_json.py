"""Read JSON files by the types of their fields: a damaged or altered file is one message, never a traceback.

The content of a file is a :class:`Content`, a pydantic model whose fields have types and bounds. What a model does not
name is ignored, so that files of newer versions open; a field that older versions did not write needs a default.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, ValidationError

from sertool.core.errors import DataError
from sertool.core.files.artifacts import read_bytes
from sertool.core.files.validation import problem_message

LARGEST = 64 << 20  # bytes of a file; the largest of real ones, vocabularies, have some MB
LARGEST_COUNT = 2**53  # every whole number up to here is also a float
_BOMS = {b"\xef\xbb\xbf": "a byte order mark", b"\xff\xfe": "the mark of UTF-16", b"\xfe\xff": "the mark of UTF-16"}


class Content(BaseModel):
    """Base of the content of a file: its fields have the exact types, and no number is NaN or infinite."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


T = TypeVar("T")


class RootContent(RootModel[T]):
    """Base of the content of a file that is one list or table: ``RootContent[dict[str, Count]]``."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


def _plain(value: Any) -> Any:
    if not isinstance(value, str | int | float | None) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("expected text, a number, true or false, or null")
    if isinstance(value, int) and abs(value) > LARGEST_COUNT:
        raise ValueError(f"expected a number from -{LARGEST_COUNT} to {LARGEST_COUNT}")
    return value


Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Text = Annotated[str, Field(min_length=1)]
Plain = Annotated[Any, AfterValidator(_plain)]  # text, a number, true or false, or null

M = TypeVar("M", bound=BaseModel)


def read_typed(path: Path, model: type[M], *, hint: str | None = None, largest: int = LARGEST) -> M:
    """Read a JSON file.

    Args:
        path: the file.
        model: type of its content.
        hint: next step to try where the content is wrong.
        largest: number of bytes that are read at most.

    Raises:
        DataError: the file is missing or larger, is not JSON, repeats a key, or a field has another type or range.
    """
    return parse_typed(read_bytes(path, largest), model, str(path), hint=hint)


def read_typed_lines(path: Path, model: type[M], *, hint: str | None = None, largest: int = LARGEST) -> list[M]:
    """Read a JSON Lines file, one object a line; empty lines are skipped. See :func:`read_typed`.

    Raises:
        DataError: as :func:`read_typed`; the message gives the number of the line.
    """
    # splitlines() would also split at bytes that JSON allows inside a text.
    lines = enumerate(read_bytes(path, largest).split(b"\n"), start=1)
    return [parse_typed(line, model, f"{path}: line {number}", hint=hint) for number, line in lines if line.strip()]


def parse_typed(content: bytes | str, model: type[M], origin: str, *, hint: str | None = None) -> M:
    """Parse JSON; ``origin`` names it in errors. See :func:`read_typed`.

    Raises:
        DataError: the content is not JSON, repeats a key, or a field has another type or range.
    """
    data = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    for mark, name in _BOMS.items():
        if data.startswith(mark):
            raise DataError(f"{origin}: begins with {name}, expected JSON in UTF-8 without one", hint=hint)
    try:
        parsed = model.model_validate_json(data)
        json.loads(data, object_pairs_hook=_distinct)  # pydantic takes the last of several
    except ValidationError as error:
        raise DataError(problem_message(origin, error), hint=hint) from error
    except (ValueError, RecursionError, OverflowError) as error:
        raise DataError(f"{origin}: not valid JSON ({error!s:.120})", hint=hint) from error
    return parsed


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise ValueError(f"key {key[:80]!r} is given twice")
        seen.add(key)
