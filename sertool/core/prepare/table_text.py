"""Text of a table: UTF-8, or any encoding that a byte order mark names; what is no text is refused by its name."""

import codecs
import shlex
from pathlib import Path

from sertool.core.errors import DataError
from sertool.core.files import artifacts
from sertool.core.files.regular import read_regular
from sertool.core.files.signatures import STARTS, foreign_kind
from sertool.core.files.standard_input import STDIN, read_standard_input
from sertool.core.formatting import cut, first_few
from sertool.core.prepare.encodings import guess_encoding

_MARK = "\ufeff"  # decoded byte order mark
_MARKS = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHOWN = 80  # characters of a line
_SPREADSHEET = "save it as CSV UTF-8 in the spreadsheet"


def read_text(path: Path) -> str:
    """Read a table's text without byte order marks; the path ``-`` is standard input.

    Raises:
        DataError: the file cannot be read, is no text, or has an encoding that nothing in it names.
    """
    try:
        content = read_standard_input() if path == STDIN else read_regular(path)
    except OSError as error:
        raise artifacts.read_error(path, error) from error
    found = foreign_kind(content[:STARTS].removeprefix(codecs.BOM_UTF8).lstrip())
    if found is not None and found[0] != "JSON":
        kind, hint = found
        if kind == "a zip archive":
            kind, hint = "an Excel workbook or another zip archive", _SPREADSHEET
        raise DataError(f"{path}: is {kind}, expected a table as text", hint=hint)
    text = _decoded(path, content)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}: a zero byte in line {line}, which no text holds; is the file damaged?")
    return text.lstrip(_MARK)


def _decoded(path: Path, content: bytes) -> str:
    codec = next((codec for mark, codec in _MARKS if content.startswith(mark)), "utf-8")
    try:
        if codec == "utf-8" and 0 in content[:2] and len(content) > 1:
            wide = "UTF-16BE" if content[0] == 0 else "UTF-16LE"
            raise DataError(f"{path}: {wide} text without a byte order mark", hint=_convert(path, wide))
        return content.decode(codec)
    except UnicodeDecodeError as error:
        if codec != "utf-8":
            message = f"{path}: begins like {codec.upper()} text, but is none ({error.reason} at byte {error.start:,})"
            raise DataError(message, hint=_SPREADSHEET) from error
        raise _not_utf8(path, content, error.start) from error


def _not_utf8(path: Path, content: bytes, first: int) -> DataError:
    """Make the message for a text that is not UTF-8: lines, and the encoding that makes sense of them."""
    lines = content.split(b"\n")  # each by itself, to name all bad lines and to tell mixed encodings
    bad = [number for number, line in enumerate(lines, start=1) if not _is_utf8(line)]
    where = f"{'line' if len(bad) == 1 else 'lines'} {first_few(map(str, bad), 10)}"
    foreign = [lines[number - 1] for number in bad]
    encoding = guess_encoding(b"\n".join(foreign))
    sign = f"byte 0x{content[first]:02X}"
    if encoding is not None:
        line = foreign[0].decode(encoding.codec, errors="replace").strip()
        sign += f"; in {encoding.title} {cut(line, _SHOWN)!r}"
    message = f"{path}: not UTF-8 text in {where} ({sign})"
    if any(not line.isascii() and _is_utf8(line) for line in lines):
        hint = f"two encodings are mixed: correct {where} in an editor and save all as UTF-8"
    elif encoding is not None:
        hint = _convert(path, encoding.iconv)
    else:
        hint = "save it as UTF-8 in the program that wrote it; no encoding makes a text of these lines"
    return DataError(message, hint=hint)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _convert(path: Path, encoding: str) -> str:
    old, new = shlex.quote(path.name), shlex.quote(f"utf8-{path.name}")
    return f"iconv -f {encoding} -t UTF-8 {old} > {new}, or {_SPREADSHEET}"
