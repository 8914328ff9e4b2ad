"""What was fetched, from where and with which checksum: one JSON file a source, ``<dest>/.fetched/<source>.json``.

It lets a killed command go on, and holds a checksum that nobody has published to that of the first fetch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sertool.core.errors import DataError
from sertool.core.fetch.install import Installed
from sertool.core.files import artifacts

FORMAT = "sertool-fetched/1"
FOLDER = ".fetched"
STATES = ("downloaded", "placing", "done")


@dataclass(frozen=True)
class Receipt:
    """A fetch as it is remembered.

    Attributes:
        state: ``downloaded`` (the archive is whole), ``placing`` (its folders are getting their names) or ``done``.
        url: where the archive came from.
        size: of the archive, in bytes.
        sha256: of the archive.
        licence, terms: as the manifest stated them then.
        fetched: when, in ISO 8601.
        folders: what was in the archive, by name.
    """

    state: str
    url: str
    size: int
    sha256: str
    licence: str
    terms: str
    fetched: str
    folders: Mapping[str, Installed] = field(default_factory=dict)


def receipt_path(dest: Path, source: str) -> Path:
    """Where the receipt of a source lies."""
    return dest / FOLDER / f"{source}.json"


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt atomically."""
    artifacts.write_json(path, {"format": FORMAT, **asdict(receipt)})


def read_receipt(path: Path) -> Receipt | None:
    """Read a receipt; None where there is none.

    Raises:
        DataError: it is damaged.
    """
    if not path.is_file():
        return None
    content = artifacts.read_json(path)
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: damaged ({type(error).__name__}: {error})",
            hint="delete it; the source is then fetched anew",
        ) from error


def _parse(content: Any) -> Receipt:
    if content.pop("format") != FORMAT:
        raise ValueError(f"not of format {FORMAT}")
    folders = {name: Installed(**entry) for name, entry in content.pop("folders").items()}
    receipt = Receipt(**content, folders=folders)
    if receipt.state not in STATES or type(receipt.size) is not int:
        raise ValueError("state or size")
    return receipt
