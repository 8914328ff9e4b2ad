"""CONTRIBUTING.md agrees with the code: its table of rooms is the one that is tested, and its paths exist."""

import re

import pytest
from places import ROOT

from tests.test_architecture import ROOMS

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its header."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def test_the_table_of_rooms_is_the_one_that_is_tested():
    rooms = {}
    for name, about, allowed in table("How it is built"):
        path = ROOT / "sertool/core" / name.strip("`")
        assert path.is_dir() if name.endswith("/`") else path.is_file()
        assert about
        rooms[path.stem] = "" if allowed == "nothing" else allowed.replace(",", "")
    assert rooms == ROOMS
    assert list(rooms) == list(ROOMS)


def test_the_table_of_changes_names_every_kind():
    assert [change.split(",")[0] for change, _ in table("Where to make a change")] == [
        "a layout of a published corpus",
        "a reader of a published data set",
        "a shipped label map",
        "a metric",
        "a key of the optimizer",
        "an architecture",
        "a frontend",
        "a subcommand",
        "a wrong figure in the HTML report",
    ]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:sertool|tests|recipes|docs|tools)/[^`]*)`", PAGE))))
def test_every_path_exists(path):
    """A path with NAME is one to be made: the folder for it exists."""
    place = ROOT / path
    assert (place.parent if "NAME" in path else place).exists()
    assert path.endswith("/") == place.is_dir() or "." not in place.name
