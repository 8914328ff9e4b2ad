"""``sertool prepare --join``: make one corpus of several prepared ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sertool.commands._feature_sets import refuse_others
from sertool.commands._outputs import Outputs
from sertool.commands._prepared import warn
from sertool.commands._prepared_shown import corpora_lines, show_prepared
from sertool.core.formatting import plural

if TYPE_CHECKING:
    from sertool.core.corpora.label_maps import ClassMap
    from sertool.core.prepare.joined import Joined

# Options of prepare that have a meaning where corpora are joined.
_TAKEN = ("tables", "join", "out", "label_map", "recipe", "overrides", "dry_run", "json_file", "force")


def join_prepared(
    context: typer.Context,
    folders: list[Path],
    out: Path | None,
    map_name: str | None,
    recipe: str,
    overrides: list[str],
    files: Outputs,
) -> None:
    """Join corpora, and say what the result holds.

    Raises:
        UsageError: an option does not go with --join, or the corpora do not go together.
        DataError: a corpus cannot be read.
    """
    from sertool.core.corpora.label_maps import load_label_map
    from sertool.core.errors import UsageError
    from sertool.core.recipe import load as recipes

    if not context.params["join"]:
        raise UsageError(
            f"{plural(len(folders), 'table or folder', 'tables or folders')} given, expected one",
            hint="--join makes one corpus of several prepared ones",
        )
    why = "corpora that are joined were prepared already"
    refuse_others(context, _TAKEN, why, "to change how one was read, prepare it again")
    label_map = None if map_name is None else load_label_map(map_name)
    task = recipes.load(recipe, overrides, users_path=str(out or folders[0])).dataset.task
    files.spare(folders)
    if context.params["dry_run"]:
        return _show_dry_run(folders, label_map, task, out, files)
    _join(folders, given_folder(out), (label_map, task), (recipe, overrides), context.params["force"], files)


def given_folder(out: Path | None) -> Path:
    """Return the folder of the new corpus.

    Raises:
        UsageError: it was not given.
    """
    from sertool.core.errors import UsageError

    if out is None:
        raise UsageError(
            "--out is missing, the folder of the new corpus",
            hint="for example --out data/MYSET; --dry-run shows how the names are read, and needs none",
        )
    return out


def _join(
    folders: list[Path],
    out: Path,
    mapping: "tuple[ClassMap | None, str]",
    wanted: tuple[str, list[str]],
    force: bool,
    files: Outputs,
) -> None:
    from sertool.core.prepare.assemble import Preparation
    from sertool.core.prepare.join import join_corpora
    from sertool.core.prepare.target import NEW, Command, check_target, target

    label_map, task = mapping
    named = () if label_map is None else (label_map.sha256, task)
    command = Command(("join", *(str(folder.resolve()) for folder in folders), *named), force)
    check_target(out, command)
    with target(out, command) as cache:
        joined = join_corpora(folders, out, label_map=label_map, task=task, staging=cache / NEW, replace_old=force)
        warn(joined.warnings)
        corpus = joined.corpus
        silent = tuple(one.id for one in corpus.utterances if one.silent)
        # Before the unfinished work is deleted, so that a command killed here is repeated with its result.
        show_prepared(Preparation(corpus, joined.warnings, silent, ""), out, *wanted, files, counts=_counts(joined))


def _counts(joined: "Joined") -> dict[str, Any]:
    return {"corpora": joined.counts()}


def _show_dry_run(
    folders: list[Path], label_map: "ClassMap | None", task: str, out: Path | None, files: Outputs
) -> None:
    """Say what the joined corpus would hold, and write nothing."""
    from sertool.core.prepare.join import read_parts
    from sertool.core.prepare.joined import join_parts

    name = out.resolve().name if out is not None else "joined"
    joined = join_parts(read_parts(folders, label_map, task), name, label_map)
    warn(joined.warnings)
    corpus, source = joined.corpus, ", ".join(map(str, folders))
    content = {
        "source": source,
        "layout": None,
        "utterances": len(corpus.utterances),
        "splits": corpus.counts(),
        "splits_drawn_by": None,
        "left_out": len(corpus.left_out),
        "rows": [],
        "warnings": list(joined.warnings),
        **_counts(joined),
    }
    files.write_json("--json", "dry-run", content)
    splits = ", ".join(f"{split} {number:,}" for split, number in corpus.counts().items())
    classes = [f"{task}: {', '.join(names)}" for task, names in corpus.classes.items()]
    files.show(
        [
            f"{source}: {plural(len(corpus.utterances), 'utterance')}: {splits}",
            *corpora_lines(joined.counts()),
            *classes,
            "dry run: nothing was written",
        ]
    )
