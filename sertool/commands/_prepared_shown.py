"""Show a new corpus: its counts, what `sertool doctor` finds, and the next command."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Column
from rich.table import Table as Grid

from sertool.commands._agreement import agreement_lines
from sertool.commands._feature_sets import sets_to_json, show_sets
from sertool.commands._outputs import Outputs
from sertool.commands._prepared import inspect_prepared, next_lines
from sertool.core.formatting import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from sertool.core.corpora.agreement import Agreement
    from sertool.core.prepare.add_sets import AddedSet
    from sertool.core.prepare.assemble import Preparation


def show_prepared(
    preparation: "Preparation",
    out: Path,
    recipe: str,
    overrides: list[str],
    files: Outputs,
    table_warnings: "Sequence[str]" = (),
    sets: "Sequence[AddedSet]" = (),
    counts: "Mapping[str, Any] | None" = None,
) -> None:
    """Print the counts, what the doctor found and the next command, and write them as JSON if asked to.

    Args:
        preparation: the new corpus.
        out: its folder.
        recipe: name of the recipe.
        overrides: ``section.key=value`` each.
        files: results of the command.
        table_warnings: warnings of its source, which were shown.
        sets: feature sets that were added.
        counts: further keys of the JSON, such as ``corpora``.
    """
    from sertool.core.corpora.agreement import agreements
    from sertool.core.prepare.summary import summary

    agreement = agreements(preparation.corpus)
    result = {**summary(preparation, table_warnings, agreement), **(counts or {})}
    settings, inspection = inspect_prepared(preparation.corpus, recipe, overrides, out)
    findings = [finding.to_json() for finding in inspection.findings] if inspection else []
    named = {"corpus": str(out), "dataset": preparation.corpus.name}
    added = {"feature_sets": sets_to_json(list(sets))} if sets else {}
    files.write_json("--json", "preparation", {**named, **result, **added, "findings": findings})
    _show(files.console(), result, out, agreement.values())
    show_sets(list(sets), out)
    files.show(next_lines(preparation.corpus, inspection, recipe, settings, out))


def corpora_lines(corpora: "Mapping[str, Mapping[str, int]]") -> list[str]:
    """Return a line for each corpus of a joined one: its utterances by split."""
    return [
        f"  {name}: {plural(sum(splits.values()), 'utterance')}: "
        + ", ".join(f"{split} {number:,}" for split, number in splits.items())
        for name, splits in corpora.items()
    ]


def _show(console: "Console", result: dict[str, Any], out: Path, agreement: "Iterable[Agreement]") -> None:
    """Print what the corpus holds: a summary, the origin of its splits, a table per task, and how raters agree."""
    parts = [f"{result['utterances']} utterances"]
    if result["seconds"]:
        parts.append(f"{result['seconds'] / 60:.1f} minutes")
    if result["speakers"]:
        parts.append(plural(result["speakers"], "speaker"))
    if result["transcribed"]:
        parts.append(f"{result['transcribed']} transcripts machine-made")
    console.print(f"{out}: {', '.join(parts)}", soft_wrap=True)
    for line in corpora_lines(result.get("corpora", {})):
        console.print(line, markup=False, soft_wrap=True)
    if cut := result.get("segmentation"):
        made = f"{plural(cut['recordings'], 'recording')} cut into {plural(cut['segments'], 'segment')}"
        left = f"{cut['seconds_left_out']:.1f} of {cut['seconds']:.1f} s left out as silence"
        console.print(f"{made}, {left}", soft_wrap=True)
    if by := result["splits_drawn_by"]:
        console.print(f"splits drawn by {by}")
    if words := result.get("words"):
        console.print(words, markup=False, soft_wrap=True)
    for task, counts in result["tasks"].items():
        splits = counts["splits"]
        title = task if "range" not in counts else "{}, {:g} to {:g}".format(task, *counts["range"])
        grid = Grid(title, *(Column(split, justify="right") for split in splits), box=None, pad_edge=False)
        for name in counts["classes"] or ("mean", "sd", "lowest", "highest"):
            grid.add_row(name, *map(_figure, (splits[split][name] for split in splits)))
        grid.add_row("all", *map(str, counts["labelled"].values()))
        console.print(grid)
    for own in agreement:
        console.print("\n  ".join(agreement_lines(own)), markup=False, soft_wrap=True)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
