"""Receipts of fetches: origin, checksum and folders of a source, in ``<dest>/.fetched/<source>.json``.

A receipt lets the next command resume an interrupted one. For an archive without a published checksum it keeps that
of the first fetch, which later ones must match.
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
STATES = ("downloaded", "placing", "done")  # in the order in which a fetch passes them


@dataclass(frozen=True)
class Receipt:
    """Record of a fetch.

    Attributes:
        state: ``downloaded`` (the archive is complete), ``placing`` (its folders are being renamed) or ``done``.
        url: address or file that the archive came from.
        size: size of the archive in bytes.
        sha256: checksum of the archive.
        licence, terms: licence and terms in the manifest at that time.
        fetched: time in ISO 8601.
        folders: folders of the archive by name.
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
    """Return the path of a source's receipt."""
    return dest / FOLDER / f"{source}.json"


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt atomically."""
    artifacts.write_json(path, {"format": FORMAT, **asdict(receipt)})


def read_receipt(path: Path) -> Receipt | None:
    """Read a receipt; return None if there is none.

    Raises:
        DataError: the receipt is damaged.
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
