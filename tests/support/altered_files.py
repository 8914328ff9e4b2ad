"""Alterations of files: one value of a JSON or YAML file, a fact of stored predictions, or some bytes of any file."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sertool.core.files import artifacts

VALUES = [
    *(None, True, False, 0, 1, -1, 2, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, 1e-308, 5e-324),
    *(float("nan"), float("inf"), -float("inf")),
    *("", "x", "a\u202e\x1b[31m", "../..", "x" * 300, "\x00", "nan", "1", "\u00e9", "name", "present", "multi"),
    *([], {}, [1], [[]], ["a", "a"], {"a": 1}, [None], [1e308] * 3, [0], ["x"] * 400),
]


def alter(path: Path, chance: random.Random) -> str:
    """Alter a file in one place; returns what was done."""
    if chance.random() < 0.25:
        return _alter_bytes(path, chance)
    if path.suffix in (".json", ".yaml"):
        read, write = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
        content = read(path.read_text())
        what, content = _alter_value(content, chance)
        path.write_text(write(content))
    elif path.suffix == ".jsonl":
        lines = path.read_text().splitlines()
        place = chance.randrange(len(lines))
        what, content = _alter_value(json.loads(lines[place]), chance)
        lines[place] = json.dumps(content)
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".safetensors":
        what = _alter_arrays(path, chance)
    else:
        what = _alter_bytes(path, chance)
    return what


def _alter_value(content: Any, chance: random.Random) -> tuple[str, Any]:
    """Replace, remove or repeat a value somewhere in plain data."""
    places: list[tuple[Any, Any]] = []

    def walk(inner: Any) -> None:
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        for key, value in list(pairs)[:50]:
            places.append((inner, key))
            walk(value)

    walk(content)
    if not places or chance.random() < 0.02:
        value = chance.choice(VALUES)
        return f"all = {value!r:.40}", value
    holder, key = chance.choice(places)
    kind = chance.random()
    if kind < 0.15:
        del holder[key]
        return f"del {key!r}", content
    if kind < 0.2 and isinstance(holder, list):
        holder.append(holder[key])
        return f"repeat {key!r}", content
    if kind < 0.25 and isinstance(holder, dict):
        holder[f"{key}\u202e"] = holder.pop(key)
        return f"rename {key!r}", content
    holder[key] = chance.choice(VALUES)
    return f"{key!r} = {holder[key]!r:.40}", content


def _alter_arrays(path: Path, chance: random.Random) -> str:
    arrays, metadata = artifacts.read_arrays(path)
    name = chance.choice(sorted(arrays))
    if metadata and chance.random() < 0.4:
        key = chance.choice(sorted(metadata))
        what, content = _alter_value(json.loads(metadata[key]), chance)
        metadata[key] = json.dumps(content)
    elif "facts" in arrays and chance.random() < 0.8:
        what, content = _alter_value(json.loads(arrays["facts"].tobytes()), chance)
        arrays["facts"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    else:
        what, arrays[name] = chance.choice(_ARRAYS)(arrays[name])
        if arrays[name].size == 0 and chance.random() < 0.5:
            del arrays[name]
    artifacts.write_arrays(path, arrays, metadata)
    return f"{name} {what}"


_ARRAYS: list[Callable[[Any], tuple[str, Any]]] = [
    lambda array: ("empty", array[:0]),
    lambda array: ("shorter", array[:-1] if array.ndim else array),
    lambda array: ("flat", array.reshape(-1)),
    lambda array: ("deeper", array[None]),
    lambda array: ("float64", array.astype(np.float64)),
    lambda array: ("int8", array.astype(np.int8)),
    lambda array: ("bool", array.astype(bool)),
    lambda array: ("zeros", np.zeros_like(array)),
    lambda array: ("nan", np.full(array.shape, np.nan, np.float32)),
    lambda array: ("huge", (np.zeros(array.shape) + 3e38).astype(np.float32)),
    lambda array: ("scalar", np.array(1.0, np.float32)),
]


def _alter_bytes(path: Path, chance: random.Random) -> str:
    content = bytearray(path.read_bytes())
    kind = chance.random()
    if not content or kind < 0.1:
        path.write_bytes(
            chance.choice([b"", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"[" * 9999, b"null", b"\x00" * 9])
        )
        return "other content"
    if kind < 0.4:
        path.write_bytes(content[: chance.randrange(len(content))])
        return "cut"
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(len(content))] = chance.randrange(256)
    path.write_bytes(content)
    return "bytes"
