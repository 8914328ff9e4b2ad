"""``sertool doctor --against``: the corpus or run that is named."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from sertool.commands import _options as options

if TYPE_CHECKING:
    from sertool.core.doctor.against import Other
    from sertool.core.doctor.locate import Located


def open_against(given: Path, place: "Located") -> "tuple[Other, Path]":
    """Read what a corpus is compared with; returns it and its folder.

    Args:
        given: folder of a corpus or a run, or name of a run.
        place: the corpus that is inspected.

    Raises:
        UsageError: it is the corpus itself, or a run without training.
        DataError: it is neither a corpus nor a run, or cannot be read.
    """
    from sertool.core.corpora.load import CONVERTED
    from sertool.core.doctor.against import open_other, training_of
    from sertool.core.errors import DataError, UsageError
    from sertool.core.runs.imported import read_imported
    from sertool.core.runs.trained_on import holds_run, trained_on

    for folder in (given, options.DEFAULT_OUTPUT / given):
        if holds_run(folder):
            run = trained_on(folder, place.data_dir)
            return training_of(run.name, run.seen, run.corpus, run.folder, run.note), folder
        if (imported := read_imported(folder)) is not None:
            raise UsageError(
                f"--against {given}: holds predictions of {imported.source}, and does not say what it was trained on",
                hint="compare with a corpus of its training, such as --against data/MELD, or with the run that "
                "`sertool train` made",
            )
    if not given.is_dir():
        raise DataError(
            f"--against {given}: no such folder, and no run of that name in {options.DEFAULT_OUTPUT}",
            hint="name a corpus, such as data/MELD, or a run, such as ckpt/meld",
        )
    if given.resolve() in (place.folder.resolve(), (place.folder / CONVERTED).resolve()):
        raise UsageError(
            f"--against {given}: is the corpus that is inspected",
            hint="copies within a corpus are found without --against",
        )
    return open_other(given, place.recipe), given


def with_against(command: str, given: Path | None) -> str:
    """Return the command of an inspection with the option."""
    return command if given is None else f"{command} --against {shlex.quote(str(given))}"
