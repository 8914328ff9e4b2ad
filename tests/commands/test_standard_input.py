"""``-`` is standard input where a command reads a table or a text."""

import json
from pathlib import Path

import pytest
from builders import spoken
from commands_run import tiny
from typer.testing import CliRunner

from sertool.cli import app

TABLE = "id,text\na,word1 word2\nb,word3 word4\n"
AS_JSON = '[{"id": "a", "text": "word1 word2"}, {"id": "b", "text": "word3 word4"}]'


def given(content: str | bytes, *arguments: str):
    return CliRunner().invoke(app, list(arguments), input=content)


def predicted(content: str | bytes, *arguments: str) -> list[dict]:
    result = given(content, "predict", "--name", "tiny", *arguments, "--device", "cpu", "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["predictions"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stdin")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny(folder, training={"runs": 1}, frontend={"mel_bands": 5})
        result = given("", "train", "--recipe", "tiny.yaml", "--device", "cpu")
        assert result.exit_code == 0, result.output
    return folder


@pytest.mark.parametrize("content", [TABLE, AS_JSON], ids=["csv", "json"])
def test_a_table_from_standard_input_is_that_of_a_file(trained, monkeypatch, content):
    monkeypatch.chdir(trained)
    Path("table.csv").write_text(TABLE)
    assert predicted(content, "--table", "-") == predicted("", "--table", "table.csv")


def test_a_text_from_standard_input_is_that_of_the_option(trained, monkeypatch):
    monkeypatch.chdir(trained)
    assert predicted("word1 word2\n", "--text", "-") == predicted("", "--text", "word1 word2")


def test_recordings_of_a_table_from_standard_input_lie_in_the_working_folder(here):
    for number in range(12):
        spoken(here / f"{number}.wav", 0.2 + number / 100)
    rows = "".join(f"{number}.wav,{'happy' if number % 2 else 'sad'}\n" for number in range(12))
    result = given("audio,label\n" + rows, "prepare", "-", "--out", "data/NEW", "--workers", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("data/NEW: 12 utterances")


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("", ["--table", "-"], "error: -: "),
        (b"caf\xe9,x\n", ["--table", "-"], "error: -: "),
        ("x,y\n1,2\n", ["--table", "-"], "missing column 'audio' or 'text'"),
        (b"caf\xe9", ["--text", "-"], "error: --text -: expected UTF-8 on standard input"),
        ("", ["--text", "-"], "error: --text"),
    ],
)
def test_what_cannot_be_read_from_standard_input_is_one_message(here, content, arguments, message):
    result = given(content, "predict", "--name", "tiny", *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output
