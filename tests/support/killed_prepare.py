"""Kill `sertool prepare` at each of its writes, renames and deletions in turn, and run the same command again.

Run as a script in a folder with ``t.csv`` and its recordings. For each point it prints a line of JSON: the exit code
and the message of the second run, and what is there afterwards.
"""

import json
import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import torch
import typer
from typer.testing import CliRunner

from sertool.commands import prepare as command

app = typer.Typer()
app.command("prepare")(command.prepare)
CALLS = ("replace", "rename", "fsync", "unlink", "rmdir", "mkdir")
KILLED = 9


def die_at(point):
    """Replace the system's calls by ones that end the process before the ``point``-th."""
    left = point

    def counted(call):
        def do(*args, **kwargs):
            nonlocal left
            if left == 0:
                os._exit(KILLED)
            left -= 1
            return call(*args, **kwargs)

        return do

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def in_child(arguments, point=None):
    """Run the command in a fork; return its exit code and what it told."""
    told = Path("told.txt")
    told.write_text("")
    child = os.fork()
    if child == 0:
        if point is not None:
            die_at(point)
        result = CliRunner().invoke(app, arguments)
        told.write_text(f"{result.exception}\n{result.output}")
        os._exit(result.exit_code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), told.read_text()


def main(first, step, arguments):
    """Try the points ``first``, ``first + step``, ... until the command ends by itself."""
    # Once here, so that a fork imports nothing; without threads, which do not outlive a fork.
    torch.set_num_threads(1)
    CliRunner().invoke(app, [argument.replace("out", "once") for argument in arguments])
    for point in range(first, 10_000, step):
        shutil.rmtree("out", ignore_errors=True)
        Path("r.json").unlink(missing_ok=True)
        if "--force" in arguments:
            shutil.copytree("old", "out")
        if in_child(arguments, point)[0] != KILLED:
            return
        there = Path("out/corpus.json").exists()
        code, told = in_child(arguments)
        files = {path.name: path for path in Path("out").iterdir()}
        line = {
            "point": point,
            "code": code,
            "told": told[:300],
            "corpus_before": there,
            "json": Path("r.json").exists(),
        }
        line["files"] = {name: sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path.is_file()}
        line["others"] = sorted(name for name, path in files.items() if not path.is_file())
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
