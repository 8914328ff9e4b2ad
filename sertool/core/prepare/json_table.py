"""Rows of a JSON file: one object on each line, or all objects in one array."""

import json
import math
from collections.abc import Iterator
from typing import Any

from sertool.core.corpora.names import text_of
from sertool.core.prepare.columns import check_repeated, column_name, is_known, is_read
from sertool.core.prepare.findings import Findings


class _Object(list[tuple[str, Any]]):
    """The pairs of a JSON object, which may repeat a key."""


def read_json(text: str, findings: Findings) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read the keys in order of appearance, and each row's number and values as text; of unknown keys only the names.

    A row's number is its line in the file, or its place in an array.

    Args:
        text: content of the file.
        findings: receives the rows that cannot be read.
    """
    header: dict[str, None] = {}
    rows = []
    for number, content in read_objects(text, findings):
        names = [column_name(key) for key, _ in content]
        header.update(dict.fromkeys(names))
        check_repeated(names, findings)
        record = {}
        for name, (_, value) in zip(names, content, strict=True):
            if is_known(name):
                # Objects are lists here, too; Infinity is neither a name nor a time.
                if isinstance(value, list) or (isinstance(value, float) and math.isinf(value)):
                    findings.add(f"{name} is not a text or a number", number)
                record[name] = text_of(value)
            elif is_read(name) and not isinstance(value, list):
                record[name] = text_of(value)
        rows.append((number, record))
    used = [name for name in header if is_read(name)]
    return list(header), [(number, {**dict.fromkeys(used, ""), **record}) for number, record in rows]


def read_objects(text: str, findings: Findings) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Yield the number of each row, and its keys and values as they stand, in order; a key may be repeated.

    Args:
        text: content of the file.
        findings: receives the rows that cannot be read, each when it is its turn.
    """
    for number, content in _contents(text, findings):
        if isinstance(content, _Object):
            # JSON can spell a lone surrogate, which could not even be printed in a message.
            yield number, [(key.encode(errors="replace").decode(), value) for key, value in content]
        else:
            findings.add("not a JSON object", number)


def _contents(text: str, findings: Findings) -> Iterator[tuple[int, Any]]:
    """Yield the number and content of each row."""
    if text.lstrip().startswith("["):
        try:
            whole = _parsed(text)
        except ValueError as error:
            findings.add(f"not a JSON array ({error})")
        else:
            yield from enumerate(whole, start=1)
        return
    # JSON spells a line end within a text as \n, so that every real one ends a row.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    given = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    for number, line in given:
        try:
            content = _parsed(line)
        except ValueError as error:
            if number == given[0][0] and _is_object(text):
                findings.add("one JSON object on many lines, expected an array of objects or one object a line")
                return
            findings.add(f"not valid JSON ({error})", number)
        else:
            yield number, content


def _parsed(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: the text is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=_Object)
    except RecursionError as error:
        raise ValueError(str(error)) from error


def _is_object(text: str) -> bool:
    try:
        return isinstance(_parsed(text), _Object)
    except ValueError:
        return False
