"""The card of a model: the YAML header of its README.md, read without running anything.

https://huggingface.co/docs/hub/model-cards#model-card-metadata describes the keys.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sertool.core.errors import SertoolError
from sertool.core.files.artifacts import read_text
from sertool.core.files.yaml_file import parse_yaml
from sertool.core.formatting import printable

LARGEST = 1 << 20  # bytes of a card; the longest on the hub have some hundred thousand
_HEADER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_LONGEST, _MOST = 200, 50  # characters of a name, and names of a list


@dataclass(frozen=True)
class Card:
    """Statements of the card of a model.

    Attributes:
        licence: as it is written there; None where nothing is stated.
        datasets: names of the data that it was trained on.
        base_models: names of the models that it was made from.
    """

    licence: str | None = None
    datasets: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()


def read_card(folder: Path) -> Card:
    """Read the card in a model's folder; one that is missing, damaged or too large states nothing."""
    try:
        return parse_card(read_text(folder / "README.md", LARGEST))
    except SertoolError:
        return Card()


def parse_card(text: str) -> Card:
    """Return what the header of a card states; a header that is no such YAML states nothing."""
    header = _HEADER.match(text)
    if header is None:
        return Card()
    try:
        stated = parse_yaml(header[1], "README.md")
    except SertoolError:
        return Card()
    if not isinstance(stated, dict):
        return Card()
    licence = _names(stated.get("license"))
    if licence == ("other",):
        licence = _names(stated.get("license_name")) or licence
    return Card(", ".join(licence) or None, _names(stated.get("datasets")), _names(stated.get("base_model")))


def _names(value: Any) -> tuple[str, ...]:
    """Return a text, or the texts of a list; anything else is left out."""
    listed = value if isinstance(value, list) else [value]
    texts = (printable(one.strip())[:_LONGEST] for one in listed[:_MOST] if isinstance(one, str))
    return tuple(dict.fromkeys(text for text in texts if text))
