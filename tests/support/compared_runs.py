"""Two stored runs with known decisions, and ``sertool compare`` on them, for tests of comparisons."""

import csv
from pathlib import Path

import commands_run
import numpy as np
from builders import CLASSES
from stored_sets import changed, make_set, write_run

TARGETS = [0, 1, 2, 1] * 10
WRONG_A = {0, 1, 2, 3, 11, 12, 20, 27, 32, 39}
WRONG_B = {0, 1, 2, 3, 11, 12, 8}


def run(*arguments: str):
    return commands_run.run("compare", *arguments)


def refusal(*arguments: str, code: int) -> str:
    return commands_run.refusal("compare", *arguments, code=code)


def decided(decisions, *, members=1, name="test", origin=None, targets=TARGETS, **changes):
    """A set whose members all decide so; utterances belong to 8 speakers in turn."""
    decisions = np.array(decisions)
    base = make_set(name, len(decisions), origin=origin, members=members, speakers=8)
    logits = np.zeros((members, len(decisions), len(CLASSES)), np.float32)
    logits[:, np.arange(len(decisions)), decisions] = 4
    return changed(base, logits=logits, targets=np.array(targets), **changes)


def stored(name: str, *sets) -> Path:
    return write_run(Path("ckpt") / name, *sets)


def wrong(rows, targets=TARGETS):
    """Decisions that are right but in some rows."""
    return [(target + (row in rows)) % 3 for row, target in enumerate(targets)]


def worse_and_better(name="test", **changes) -> None:
    """Run a is wrong on 10 of 40 utterances, b on 6 of them and on one of its own."""
    stored("a", decided(wrong(WRONG_A), name=name, **changes))
    stored("b", decided(wrong(WRONG_B), name=name, **changes))


def text_of(row: int) -> str:
    return make_set("test", 40, members=1, speakers=8).spoken[row].text


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
