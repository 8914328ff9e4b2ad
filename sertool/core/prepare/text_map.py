"""Sentences by their codes, which names of recordings hold: ``--map-texts FILE`` for the part ``{text}``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sertool.core.errors import DataError, UsageError
from sertool.core.formatting import first_few, problem_list
from sertool.core.prepare.audio_paths import is_file
from sertool.core.prepare.findings import Findings
from sertool.core.prepare.pairs import read_pairs
from sertool.core.prepare.records import SEPARATED
from sertool.core.prepare.separated import read_separated
from sertool.core.prepare.table_text import read_text

_OPTION = "--map-texts"
_EXAMPLE = f"{_OPTION} FILE with a line code=sentence for each, a CSV table with the columns code and text, or JSON"
_COLUMNS = ("code", "text")
_TABLES = tuple(suffix for suffix in SEPARATED if suffix != ".txt")


@dataclass(frozen=True)
class TextMap:
    """Sentence by code.

    Attributes:
        texts: sentences by their codes.
        file: file that they come from; it may hold codes that no name has.
    """

    texts: Mapping[str, str]
    file: Path


def parse_text_map(text: str) -> TextMap:
    """Read the file that ``--map-texts`` names.

    Raises:
        UsageError: there is no such file, or it gives a code two sentences.
        DataError: the file cannot be read, or holds no sentences.
    """
    path = Path(text)
    if not is_file(path):
        raise UsageError(f"{_OPTION} {text}: there is no such file", hint=_EXAMPLE)
    pairs = _table(path) if path.suffix.lower() in _TABLES else read_pairs(path, "the sentence of each code", _EXAMPLE)
    texts: dict[str, str] = {}
    twice = [code for code, sentence in pairs if texts.setdefault(code.strip(), sentence.strip()) != sentence.strip()]
    if twice:
        raise UsageError(f"{path}: several sentences for the code {first_few(twice)}", hint="keep one of them")
    if not texts:
        raise DataError(f"{path}: holds no sentences", hint=_EXAMPLE)
    return TextMap(texts, path)


def _table(path: Path) -> list[tuple[str, str]]:
    findings = Findings()
    table = read_separated(read_text(path), findings)
    if findings:
        raise DataError(problem_list(path, findings.lines()), hint=_EXAMPLE)
    if not set(_COLUMNS) <= set(table.header):
        raise DataError(f"{path}: expected the columns code and text", hint=_EXAMPLE)
    code, text = map(table.header.index, _COLUMNS)
    return [(row[code], row[text]) for _, row in table.rows]
