"""One vocabulary of options: a thing has the same name in every command, and older names work too."""

from collections import defaultdict

import pytest
from commands_run import COMMANDS, command_named, run

from sertool import __version__

ALIASES = {
    ("train", "--runs"): ("--members", "3", 3),
    ("ensemble", "--index"): ("--members", "3", 3),
    ("predict", "--index"): ("--members", "3", 3),
    ("export", "--index"): ("--members", "3", 3),
    ("bench", "--runs"): ("--members", "3", 3),
    ("cross", "--runs"): ("--members", "3", 3),
    ("ensemble", "--sets"): ("--split", "valid,test", "valid,test"),
    ("compare", "--sets"): ("--split", "valid", "valid"),
    ("compare", "--set"): ("--split", "valid", "valid"),
    ("ensemble", "--predictions"): ("--csv", "p.csv", "p.csv"),
    ("fetch-data", "--dest"): ("--out", "models", "models"),
}
NEEDED = {
    "train": ["--recipe", "demo"],
    "ensemble": ["--name", "demo"],
    "predict": ["--name", "demo"],
    "export": ["--name", "demo", "--out", "bundle"],
    "compare": ["a", "b"],
    "cross": ["a", "b", "--recipe", "demo"],
}


@pytest.mark.parametrize(("command", "old"), ALIASES)
def test_an_older_name_means_the_same_as_the_new_one(command, old):
    new, given, parsed = ALIASES[command, old]
    key = new.removeprefix("--")
    for name in (old, new):
        params = command_named(command).make_context(command, [*NEEDED.get(command, []), name, given]).params
        value = params[key]
        assert (value if isinstance(value, int) else str(value)) == parsed


def test_every_option_has_one_name():
    """Options that hold the same parameter are spelled alike, and nothing but the listed ones has a second name."""
    first = defaultdict(set)
    for command in COMMANDS:
        for parameter in command_named(command).params:
            if parameter.param_type_name == "option":
                first[parameter.name.rstrip("_")].add(parameter.opts[0])
                others = {name for name in parameter.opts[1:] if name != "-h"}
                assert others == {
                    old for own, old in ALIASES if own == command and parameter.opts[0] == ALIASES[own, old][0]
                }
    first["json_file"] |= first.pop("json")
    first["set"] |= first.pop("overrides")
    assert {name: names for name, names in first.items() if len(names) > 1} == {}


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(flag):
    result = run(flag)
    assert (result.exit_code, result.stdout) == (0, f"sertool {__version__}\n")
