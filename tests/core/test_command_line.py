"""Commands as texts: what a shell makes of them is what was meant."""

import doctest
import shlex
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sertool.core import command_line as module
from sertool.core.command_line import command_line, free_name, run_command

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(WORDS), WORDS.filter(lambda word: Path(word) != Path("ckpt")))
def test_a_shell_reads_the_words_that_were_given(words, output):
    line = command_line("train", *words, output=Path(output))
    assert shlex.split(line) == ["sertool", "train", *words, "--output", str(Path(output))]


def test_folders_at_their_defaults_are_left_out():
    assert command_line("train", data=Path("data"), output=Path("ckpt/")) == "sertool train"
    assert command_line("train", data=Path("my data")) == "sertool train --data 'my data'"
    assert run_command("ensemble", Path("ckpt/a b"), "--probe") == "sertool ensemble --name 'a b' --probe"
    assert run_command("ensemble", Path("/x/a"), data=Path("/y")) == "sertool ensemble --name a --data /y --output /x"


def test_a_new_run_gets_a_name_that_no_folder_has(tmp_path):
    assert free_name("calls", tmp_path) == "calls"
    for name in ("calls", "calls-2"):
        (tmp_path / name).mkdir()
    assert free_name("calls", tmp_path) == "calls-3"


def test_the_examples_hold():
    assert doctest.testmod(module).attempted > 0
    assert doctest.testmod(module).failed == 0
