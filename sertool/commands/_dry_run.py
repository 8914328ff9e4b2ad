"""``sertool prepare --dry-run``: show how a table or folder is read."""

from typing import TYPE_CHECKING

from sertool.commands._outputs import Outputs
from sertool.commands._prepared import warn

if TYPE_CHECKING:
    from sertool.core.prepare.source import Source


def show_dry_run(source: "Source", files: Outputs) -> None:
    """Read the names and labels of a source, and show the first of them.

    Raises:
        UsageError, DataError: as without ``--dry-run``, see :func:`~sertool.core.prepare.source.read_source`.
    """
    from sertool.core.prepare.dry_run import DryRun
    from sertool.core.prepare.source import read_source

    found = DryRun(read_source(source))
    files.spare([*source.files, *(row.segment.path for row in found.table.rows if row.segment)])
    warn(found.table.warnings)
    files.write_json("--json", "dry-run", found.to_json())
    files.show(found.lines(files.width()))
