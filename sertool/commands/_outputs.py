"""Files and standard output of a command: checked before any work, and written before results are printed."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sertool.commands._console import console, results
from sertool.core.errors import SertoolError

if TYPE_CHECKING:
    from sertool.core.recipe.schema import Recipe


class Outputs:
    """Outputs that the user asked for.

    Where one of them is standard output, nothing else goes there: what is shown goes to standard error.

    Args:
        paths: path of each option; None if it was not given.
        inputs: files that the command reads, and folders of which it reads files.
        folders: path of each option that names a folder, below which the command writes files.

    Raises:
        UsageError: two outputs are in one place, one is an input, or one cannot be written.
    """

    def __init__(
        self, paths: Mapping[str, Path | None], inputs: Iterable[Path] = (), folders: Mapping[str, Path] | None = None
    ) -> None:
        from sertool.core.files.outputs import check_name, check_outputs, is_stdout

        for option, folder in (folders or {}).items():
            check_name(option, folder)
        self._paths = {option: path for option, path in {**paths, **(folders or {})}.items() if path is not None}
        check_outputs(self._paths)
        self._to_stdout = {option for option, path in self._paths.items() if is_stdout(path)}
        self._error: SertoolError | None = None
        self.spare(inputs)

    def spare(self, inputs: Iterable[Path]) -> None:
        """Check inputs that became known later.

        Raises:
            UsageError: an output is one of them.
        """
        from sertool.core.files.outputs import check_inputs

        check_inputs(self._paths, list(inputs))

    def __contains__(self, option: str) -> bool:
        return option in self._paths

    def write(self, option: str, content: str) -> None:
        """Write a text if the option was given; an error is kept until the result has been shown."""
        from sertool.core.files.outputs import write_output

        if option not in self._paths:
            return
        data = content.encode()
        try:
            if option in self._to_stdout:
                gate: Any = sys.stdout  # see :mod:`._streams`
                gate.write_bytes(data)
            else:
                write_output(self._paths[option], data)
        except SertoolError as error:
            self._error = self._error or error

    def write_below(self, option: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Write files below the folder of an option; an error ends it, and is kept until the result has been shown.

        Args:
            option: its name, which was given.
            files: path below the folder, and content of each file.
        """
        from sertool.core.files.outputs import write_output

        try:
            for name, content in files:
                write_output(self._paths[option] / name, content)
        except SertoolError as error:
            self._error = self._error or error

    def first_file(self, options: Iterable[str]) -> Path | None:
        """Return the path of the first of some options that was given and is not standard output."""
        return next((self._paths[one] for one in options if one in self._paths and one not in self._to_stdout), None)

    @contextmanager
    def growing(self, option: str) -> Iterator[Callable[[str], None]]:
        """Yield a function that adds a text to a result which grows while the command runs.

        Raises:
            SertoolError: it cannot be written, at the start or in between.
        """
        from sertool.core.files.artifacts import writing
        from sertool.core.files.outputs import open_output

        if option in self._to_stdout:
            gate: Any = sys.stdout  # see :mod:`._streams`
            yield lambda text: gate.write_bytes(text.encode())
            return
        path = self._paths[option]
        with open_output(path) as file:

            def add(text: str) -> None:
                with writing(path):
                    file.write(text.encode())
                    file.flush()

            yield add

    def write_json(self, option: str, what: str, content: Mapping[str, Any]) -> None:
        """Write plain data as JSON if the option was given; NaN is refused, because it is not part of JSON.

        Args:
            option: its name.
            what: the content in a word, for the key ``format`` that stands first; docs/json.md has a schema for each.
            content: the other keys and their values.
        """
        if option not in self._paths:
            return
        named = {"format": f"sertool-{what}/1", **content}
        # On standard output in ASCII: a terminal shows what it cannot obey, and every encoding has the signs.
        ascii_only = option in self._to_stdout
        self.write(option, json.dumps(named, indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n")

    def console(self) -> Console:
        """Open the console for what is shown."""
        return console() if self._to_stdout else results()

    def print(self, line: str) -> None:
        """Print a line that is shown at once, of a command that goes on."""
        stream = sys.stderr if self._to_stdout else sys.stdout
        stream.write(f"{line}\n")
        stream.flush()

    def show(self, lines: Iterable[str] = ()) -> None:
        """Print lines, and end.

        Raises:
            SertoolError: a file could not be written.
        """
        text = "".join(f"{line}\n" for line in lines)
        (sys.stderr if self._to_stdout else sys.stdout).write(text)
        if self._error is not None:
            raise self._error

    def width(self) -> int | None:
        """Return the width of the terminal that gets what is shown; None for a pipe or file, where nothing is cut."""
        stream = sys.stderr if self._to_stdout else sys.stdout
        return self.console().width if stream.isatty() else None

    def places(self) -> list[str]:
        """Name the places that get the results."""
        return ["standard output" if option in self._to_stdout else str(path) for option, path in self._paths.items()]

    def written(self) -> list[str]:
        """Name the files that were written, a line each."""
        return [f"written: {path}" for option, path in self._paths.items() if option not in self._to_stdout]


def recipe_inputs(name: str, recipe: "Recipe", data: Path) -> list[Path]:
    """List the places that a command with a recipe reads: recipe files, corpus, word vectors.

    Args:
        name: name or file of the recipe.
        recipe: its settings.
        data: folder that holds the corpora.
    """
    from sertool.core.recipe.load import sources

    return [*sources(name), *corpus_inputs(recipe, data)]


def corpus_inputs(recipe: "Recipe", data: Path) -> list[Path]:
    """List the places that training reads besides the recipe: corpus and word vectors, where they exist."""
    from sertool.core.corpora.load import corpus_folder
    from sertool.core.errors import DataError

    dataset = recipe.dataset
    places = [Path(dataset.vectors), data / dataset.vectors] if dataset.vectors != "none" else []
    with suppress(DataError):  # told where the corpus is opened
        places.append(corpus_folder(dataset.path, data))
    return places
