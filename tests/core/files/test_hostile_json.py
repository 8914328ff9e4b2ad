"""JSON that Python would read although no standard allows it."""

import pytest
from hostile_files import refusal

from sertool.core.files.artifacts import read_json, read_json_lines


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"a":' * 5000,
        "1" * 5000,
        "NaN",
        "-Infinity",
        "1e400",
        '"\\ud800"',
        '{"\\udfff": 1}',
        "",
        "\ufeff{}",
    ],
)
def test_json_that_python_takes_and_no_standard_does(content, tmp_path):
    assert refusal(content.encode(), tmp_path, read_json).startswith("not valid JSON (")
    if content:
        lines = f'{{"a": 1}}\n{content}\n'.encode()
        assert refusal(lines, tmp_path, read_json_lines).startswith("line 2 is not valid JSON (")


def test_json_that_is_right(tmp_path):
    (tmp_path / "x").write_text('{"a": "\\ud83d\\ude00 \\u00e9", "b": [1e300, -0.5, 12345678901234567890]}')
    assert read_json(tmp_path / "x") == {"a": "😀 é", "b": [1e300, -0.5, 12345678901234567890]}
