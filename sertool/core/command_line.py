"""Commands of sertool as texts that a user can paste into a shell, for hints and for what a report was made with."""

import shlex
from pathlib import Path

# The defaults of --data and --output, relative to the working folder; a command that uses them does not name them.
DATA, OUTPUT = Path("data"), Path("ckpt")


def command_line(verb: str, *words: object, data: Path = DATA, output: Path = OUTPUT) -> str:
    """Format a command as one line for a shell.

    >>> command_line("train", "--recipe", "my own.yaml", output=Path("models"))
    "sertool train --recipe 'my own.yaml' --output models"

    Args:
        verb: name of the subcommand.
        words: options and arguments in front of the folders.
        data: folder that holds the corpora.
        output: folder that holds the trained models.
    """
    places = {"--data": (data, DATA), "--output": (output, OUTPUT)}
    named = [word for option, (path, usual) in places.items() if path != usual for word in (option, path)]
    return shlex.join(map(str, ("sertool", verb, *words, *named)))


def run_command(verb: str, folder: Path, *words: object, data: Path = DATA) -> str:
    """Format a command about one run as a line for a shell.

    Args:
        verb: name of the subcommand.
        folder: folder of the run, from which name and ``--output`` follow.
        words: further options.
        data: folder that holds the corpora.
    """
    return command_line(verb, "--name", folder.name, *words, data=data, output=folder.parent)


def free_name(wanted: str, output: Path = OUTPUT) -> str:
    """Return the name of a new run: the wanted one, with a number behind it if a folder has it already."""
    number = 2
    name = wanted
    while (output / name).exists():
        name = f"{wanted}-{number}"
        number += 1
    return name
