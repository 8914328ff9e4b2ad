"""JSON files read by the types of their fields: every wrong value is one message that names file and field."""

import json
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from sertool.core.errors import DataError
from sertool.core.files.typed_json import Content, Count, Plain, RootContent, parse_typed, read_typed, read_typed_lines


class Fold(Content):
    name: Annotated[str, Field(min_length=1)]
    rows: Count


class Note(Content):
    format: Literal["note/1"]
    score: float = 0.0
    folds: tuple[Fold, ...] = ()
    versions: dict[str, Plain] = Field(default_factory=dict)
    seconds: Annotated[float, Field(gt=0)] | None = None


def refusal(content: bytes, model=Note) -> str | None:
    """The message for a wrong content; None where it is right."""
    try:
        read = parse_typed(content, model, "x.json")
    except DataError as error:
        return str(error).removeprefix("x.json: ")
    json.dumps(read.model_dump(), allow_nan=False).encode()
    return None


def note(**fields) -> bytes:
    return json.dumps({"format": "note/1", **fields}).encode()


def test_what_is_right_is_read(tmp_path):
    path = tmp_path / "note.json"
    path.write_bytes(note(score=1, folds=[{"name": "ä", "rows": 3, "newer": []}], versions={"torch": "2", "n": None}))
    read = read_typed(path, Note)
    assert (read.score, read.folds[0].name, read.folds[0].rows) == (1.0, "ä", 3)
    assert read.versions == {"torch": "2", "n": None}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"format": "note/2"}, 'format: expected note/1 (got "note/2")'),
        ({"score": "high"}, 'score: expected a number (got "high")'),
        ({"score": True}, "score: expected a number (got true)"),
        ({"score": float("nan")}, "score: expected a finite number (got NaN)"),
        ({"score": float("inf")}, "score: expected a finite number (got Infinity)"),
        ({"score": 10**400}, f"score: expected a finite number (got 1{'0' * 58}…)"),
        ({"folds": {}}, "folds: expected a list (got {})"),
        ({"folds": [3]}, "folds[0]: expected a table of keys (got 3)"),
        ({"folds": [{"name": "a"}]}, "folds[0].rows: is missing"),
        ({"folds": [{"name": "", "rows": 1}]}, 'folds[0].name: must not be empty (got "")'),
        ({"folds": [{"name": 3, "rows": 1}]}, 'folds[0].name: expected text; quote it: "3" (got 3)'),
        ({"folds": [{"name": "a", "rows": -1}]}, "folds[0].rows: must be at least 0 (got -1)"),
        ({"folds": [{"name": "a", "rows": 1.0}]}, "folds[0].rows: expected a whole number (got 1.0)"),
        (
            {"folds": [{"name": "a", "rows": 10**400}]},
            f"folds[0].rows: must be at most 9007199254740992 (got 1{'0' * 58}…)",
        ),
        ({"versions": {"a": []}}, "versions.a: expected text, a number, true or false, or null (got [])"),
        (
            {"versions": {"a": 10**400}},
            f"versions.a: expected a number from -9007199254740992 to 9007199254740992 (got 1{'0' * 58}…)",
        ),
        ({"versions": {"a\x1b": {}}}, r"versions.a\x1b: expected text, a number, true or false, or null (got {})"),
        ({"seconds": 0}, "seconds: must be above 0 (got 0)"),
    ],
)
def test_a_wrong_value_is_told_with_its_field(fields, problem):
    assert refusal(note(**fields)) == problem


def test_signs_that_a_terminal_obeys_are_spelled_out():
    assert refusal(note(score="\u202e\x1b" * 99)).startswith(r'score: expected a number (got "\u202e\u001b\u202e')


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not valid JSON ("),
        (b"[" * 100_000, "not valid JSON (recursion limit"),
        (b'{"a":' * 5000, "not valid JSON (recursion limit"),
        (b"1" * 5000, "not valid JSON ("),
        (b'{"format": "\xff"}', "not valid JSON ("),
        (b'{"format": "\\ud800"}', "not valid JSON ("),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark, expected JSON in UTF-8 without one"),
        ("{}".encode("utf-16"), "begins with the mark of UTF-16, expected JSON in UTF-8 without one"),
        (b"null", "expected a table of keys (got null)"),
        (b"[]", "expected a table of keys (got [])"),
        (b'{"format": "note/1", "a": {"b": 1, "b": 2}}', "not valid JSON (key 'b' is given twice)"),
        (b'{"format": "note/1"} x', "not valid JSON (trailing characters"),
    ],
)
def test_what_is_not_json_is_named(content, problem):
    assert refusal(content).startswith(problem)


def test_at_most_twenty_problems_are_told():
    told = refusal(note(folds=[{"name": "a", "rows": -1}] * 20_000)).split("\n  ")
    assert told[0] == "20,000 problems"
    assert (len(told), told[20], told[21]) == (22, "folds[19].rows: must be at least 0 (got -1)", "... and 19,980 more")


def test_a_file_that_is_one_table(tmp_path):
    (tmp_path / "x").write_text('{"a": 3}')
    assert read_typed(tmp_path / "x", RootContent[dict[str, Count]]).root == {"a": 3}
    assert refusal(b'{"a": -3}', RootContent[dict[str, Count]]) == "a: must be at least 0 (got -3)"
    assert refusal(b"[3]", RootContent[dict[str, Count]]) == "expected a table of keys (got [3])"


def test_lines_are_numbered_in_messages(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"name": "a\u2028", "rows": 1}\n\n{"name": "b", "rows": 2}\n')
    assert [row.rows for row in read_typed_lines(path, Fold)] == [1, 2]
    path.write_text('{"name": "a", "rows": 1}\n\n{"name": "b", "rows": null}\n')
    with pytest.raises(DataError, match=r"x\.jsonl: line 3: rows: expected a whole number \(got null\)"):
        read_typed_lines(path, Fold)


def test_a_missing_or_endless_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_typed(tmp_path / "x", Note)
    (tmp_path / "x").write_bytes(note(versions={"a": "b" * 2000}))
    with pytest.raises(DataError, match=r"larger than 1\.0 kB"):
        read_typed(tmp_path / "x", Note, largest=1000)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["format", "score", "folds", "versions", "seconds"]), VALUES)
def test_any_value_is_taken_or_refused_with_its_field(field, value):
    told = refusal(note(**{field: value}))
    assert told is None or field in told or "not valid JSON" in told


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_taken_or_refused(content):
    told = refusal(content, RootContent[dict[str, Plain]])
    assert told is None or told.replace("\n", "").isprintable()
