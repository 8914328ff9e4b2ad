"""Alter one field of a file in a way that damage, another program or an attacker could."""

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

# Values that JSON can write, as they stand in the file; each takes the place of a field's value in turn.
VALUES = [
    "null",
    "true",
    "false",
    "-1",
    "0",
    "1",
    "7",
    "1.5",
    "-0.0",
    "1e308",
    "1e999",
    "NaN",
    "Infinity",
    "-Infinity",
    "9007199254740993",
    "18446744073709551616",
    '""',
    '"x"',
    '"\\u001b[31m"',
    '"\\ud800"',
    '"\\u0000"',
    '"../../x"',
    "[]",
    "[null]",
    "[1]",
    '["x"]',
    "[[]]",
    "[NaN]",
    "{}",
    '{"x":null}',
]
VALUES += [f"1{'0' * 5000}", "[" * 2000 + "]" * 2000, f'"{"x" * 100_000}"', f"[{'0,' * 20_000}0]"]
_MARK = "\N{INVISIBLE SEPARATOR}"  # put where the value belongs; no file holds it


def alter_json(path: Path, random: Random) -> str:
    """Alter a value, key or line of a JSON or JSON Lines file; return what was done."""
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    at = random.randrange(len(lines))
    content = json.loads(lines[at])
    holder, key = random.choice(list(_fields(content)))
    done = random.choices(["value", "missing", "foreign", "twice", "line"], [12, 2, 1, 1, 1])[0]
    text = random.choice(VALUES)
    if done == "missing":
        del holder[key]
    elif done == "foreign" and isinstance(holder, dict):
        holder["foreign"] = _MARK
    else:
        holder[key] = _MARK
    lines[at] = json.dumps(content).replace(json.dumps(_MARK), text)
    if done == "twice" and lines[at].startswith("{"):
        lines[at] = lines[at].replace("{", '{"id": 1, "id": 2, ', 1)
    elif done == "line":
        lines[at] = text
    path.write_text("\n".join(lines) + "\n")
    return f"{path.name}, line {at + 1}: {done} {key!r:.40} {text:.40}"


def _fields(content: Any) -> Any:
    """Yield every place of a value below a table or list."""
    places = list(content) if isinstance(content, dict) else range(len(content))
    for place in places:
        yield content, place
        if isinstance(content[place], dict | list):
            yield from _fields(content[place])


def alter_arrays(path: Path, random: Random) -> str:
    """Alter an array of a safetensors file; return what was done."""
    arrays = load_file(path)
    name = random.choice(sorted(arrays))
    array = arrays[name]
    changes = {
        "missing": lambda: None,
        "type": lambda: array.astype(random.choice(["f2", "f4", "f8", "i1", "i8", "u8", "?"])),
        "longer": lambda: np.concatenate([array, array[:1]]),
        "shorter": lambda: array[:-1],
        "empty": lambda: array[:0],
        "flat": lambda: array.reshape(-1),
        "deep": lambda: array[..., None],
        "scalar": lambda: array.reshape(-1)[:1].reshape(()),
        "value": lambda: _with(array, random),
    }
    done = random.choice(sorted(changes))
    with np.errstate(all="ignore"):
        changed = changes[done]()
    rest = {other: value for other, value in arrays.items() if other != name}
    save_file(rest if changed is None else {**rest, name: np.ascontiguousarray(changed)}, path)
    return f"{path.name}: {done} {name}"


def _with(array: NDArray[Any], random: Random) -> NDArray[Any]:
    values = [-1, 0, 1e30, np.nan, np.inf] if array.dtype.kind == "f" else [-1, 0, 1, 2**31, 2**62]
    changed = array.copy()
    changed.reshape(-1)[random.randrange(array.size)] = random.choice(values)
    return changed


def alter_bytes(path: Path, random: Random) -> str:
    """Replace, cut or insert some bytes; return what was done."""
    content = bytearray(path.read_bytes())
    at, length = random.randrange(len(content)), random.choice([1, 4, 100])
    done = random.choice(["replace", "cut", "insert"])
    content[at : at + (0 if done == "insert" else length)] = b"" if done == "cut" else random.randbytes(length)
    path.write_bytes(content)
    return f"{path.name}: {done} {length} bytes at {at}"


def alter(path: Path, random: Random) -> str:
    """Alter one field of a file, or now and then some bytes; return what was done."""
    if random.random() < 0.1:
        return alter_bytes(path, random)
    return (alter_arrays if path.suffix == ".safetensors" else alter_json)(path, random)
