"""Names that a shell completes besides commands and options: recipes and trained runs."""

from pathlib import Path
from typing import Any


def recipe_names(incomplete: str) -> list[str]:
    """List the shipped recipes whose name begins with what was typed."""
    from sertool.core.recipe.load import names

    return [name for name in names() if name.startswith(incomplete)]


# Any: some versions of Typer use click's Context, newer ones a copy of their own.
def run_names(ctx: Any, incomplete: str) -> list[str]:
    """List the runs below ``--output`` whose name begins with what was typed."""
    from sertool.core.runs.folder import runs_below

    # While words are completed, values are parsed as far as they are there, and a wrong one is no error.
    output = Path(ctx.params.get("output") or "ckpt")
    return [name for name in runs_below(output) if name.startswith(incomplete)]
