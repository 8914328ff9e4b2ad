"""Feature sets of a corpus: how ``prepare`` computes frames, and what it adds to a corpus that is prepared already."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from sertool.commands._console import console, counting, say
from sertool.commands._outputs import Outputs
from sertool.commands._prepared import inspect_prepared, next_lines, warn

if TYPE_CHECKING:
    from sertool.core.compute.jobs import Launcher
    from sertool.core.prepare.add_sets import AddedSet
    from sertool.core.prepare.extraction import Extraction
    from sertool.core.recipe.schema import Recipe

# Options of prepare that have a meaning for a prepared corpus.
_TAKEN = ("tables", "recipe", "overrides", "workers", "device", "launcher", "address", "json_file")
_CACHE = ".cache"  # folder beside the sets for finished frames, until all are written


@dataclass(frozen=True)
class Computing:
    """The recipe whose frontends compute frames, and where they do it.

    Raises:
        UsageError: the options contradict each other.
    """

    recipe: "Recipe"
    wanted: Literal["auto", "cpu", "cuda"]
    workers: int | None
    launcher: Literal["local", "ray"]
    address: str | None

    def __post_init__(self) -> None:
        from sertool.core.errors import UsageError

        if self.launcher == "ray" and self.workers is not None:
            raise UsageError("--workers counts processes on this machine; --launcher ray uses the CPUs of the cluster")
        if self.launcher == "ray" and self.wanted == "cuda":
            raise UsageError("--device cuda: for this machine; --launcher ray uses the CPUs of the cluster")

    @cached_property
    def device(self) -> str:
        """Device of an encoder."""
        from sertool.core.compute.device import choose

        if self.launcher == "ray" or not self._encodes:
            return "cpu"
        return choose(self.wanted, "auto").device.type

    @property
    def settings(self) -> tuple[Any, ...]:
        """All that decides about the frames, as plain data."""
        recipe = self.recipe
        plain = (recipe.frontend.model_dump(), recipe.dataset.words)
        text = recipe.text_frontend
        return (*plain, self.device, text if text == "words" else text.model_dump()) if self._encodes else plain

    @property
    def _encodes(self) -> bool:
        from sertool.core.corpora.feature_sets import wanted_sections
        from sertool.core.recipe.frontends import SpeechEncoder, TextEncoder

        sections = wanted_sections(self.recipe).values()
        return any(isinstance(section, SpeechEncoder | TextEncoder) for section in sections)

    @contextmanager
    def cluster(self) -> "Iterator[Launcher | None]":
        """Open the cluster if there is one to be used."""
        from sertool.core.compute.launchers import open_launcher

        with open_launcher(self.launcher, self.address) as where:
            yield where if self.launcher == "ray" else None

    def extraction(self, cache: Path, cluster: "Launcher | None") -> "Extraction":
        """Return ways and places of an extraction."""
        from sertool.core.prepare.extraction import Extraction

        return Extraction(cache, self.device, self.workers, cluster, partial(say, console()), counting)


def is_prepared(path: Path, recipe: "Recipe") -> bool:
    """Check for a corpus, in the project's own format or as the pickles that a recipe reads."""
    from sertool.core.doctor.locate import is_own_folder

    return path.is_dir() and is_own_folder(path, recipe.dataset.reader)


def refuse_others(context: typer.Context, taken: Collection[str], why: str, other: str) -> None:
    """Refuse options that are for tables of recordings.

    Args:
        context: the command with its options.
        taken: names of the options that have a meaning.
        why: end of the message, behind the option.
        other: end of the hint.

    Raises:
        UsageError: one of them was given.
    """
    from sertool.core.errors import UsageError

    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        if parameter.name not in taken and source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{parameter.opts[0]}: {why}", hint=f"leave out {parameter.opts[0]}; {other}")


def add_frames(
    context: typer.Context,
    folder: Path,
    name: str,
    overrides: list[str],
    computing: Computing,
    json_file: Path | None,
) -> None:
    """Add the frames that a recipe asks for to a prepared corpus, and say what to do next."""
    import shutil

    from sertool.core.corpora.feature_sets import FEATURES
    from sertool.core.corpora.load import load_corpus, load_for, own_folder
    from sertool.core.errors import SertoolError
    from sertool.core.files.locks import locked
    from sertool.core.prepare.add_sets import add_sets
    from sertool.core.recipe import load as recipes

    why = f"{folder} is a prepared corpus, which only gets the frames of a recipe"
    refuse_others(context, _TAKEN, why, "to make a corpus, give the table of its recordings")
    files = Outputs({"--json": json_file}, [*recipes.sources(name), folder])
    corpus, own = load_corpus(computing.recipe.dataset.reader, folder), own_folder(folder)
    busy = SertoolError(f"{folder}: another process is preparing it", hint="wait for it")
    with computing.cluster() as cluster, locked(own / ".lock", busy):
        cache = own / FEATURES / _CACHE
        added = add_sets(computing.recipe, corpus, own, computing.extraction(cache, cluster))
        shutil.rmtree(cache, ignore_errors=True)
    corpus = load_for(computing.recipe, folder)
    settings, inspection = overrides, None
    if computing.recipe.dataset.reader == "corpus":
        settings, inspection = inspect_prepared(corpus, name, overrides, folder)
    found = [finding.to_json() for finding in inspection.findings] if inspection else []
    named = {"corpus": str(folder), "dataset": corpus.name}
    files.write_json("--json", "feature-sets", {**named, "sets": sets_to_json(added), "findings": found})
    show_sets(added, folder)
    files.show(next_lines(corpus, inspection, name, settings, folder))


def show_sets(sets: "list[AddedSet]", folder: Path) -> None:
    """Print what was added, and warnings about it."""
    talk = console()
    for one in sets:
        if one.added:
            say(talk, f"{folder}: added {one.name}: {one.frames:,} frames of {one.width:,} values ({one.kind})")
        else:
            say(talk, f"{folder}: has the {one.kind} frames{f' {one.name}' if one.name else ''} already")
        warn(one.warnings)


def sets_to_json(sets: "list[AddedSet]") -> list[dict[str, Any]]:
    """Return sets as plain data."""
    return [
        {
            "name": one.name or None,
            "kind": one.kind,
            "added": one.added,
            "frontend": dict(one.frontend),
            "frames": one.frames,
            "width": one.width,
            "warnings": list(one.warnings),
        }
        for one in sets
    ]
