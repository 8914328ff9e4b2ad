"""Texts for a terminal and for files: those from outside made fit, long lists cut short, sizes in words."""

from collections.abc import Iterable, Sequence

SHOWN = 20  # lines of a list


def unicode_only(text: str) -> str:
    """A text that any file can hold: ``?`` for half a character, or a byte of a command line that was no UTF-8."""
    return text.encode(errors="replace").decode()


def printable(text: str) -> str:
    r"""A text on one line that any terminal and file takes: what is not printable is spelled out, as in ``\x1b``."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def few(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    return lines[:SHOWN] + ([f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def readable_size(size: float) -> str:
    """Bytes in decimal units, as in "12.3 MB"."""
    if size < 1000:
        return f"{size:.0f} bytes"
    value = float(size)
    for unit in ("kB", "MB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} GB"


def enumerate_few(items: Iterable[str], limit: int = 5) -> str:
    """``a, b, c and 3 more``."""
    every = list(items)
    more = len(every) - limit
    return ", ".join(every[:limit]) + (f" and {more} more" if more > 0 else "")


def numbers(rows: Sequence[int | None]) -> str:
    """``row 3`` or ``rows 3, 5, 7 and 12 more``; ``3 files`` where these are no rows of a table."""
    if None in rows:
        return f"{len(rows)} file{'s' * (len(rows) > 1)}"
    return ("row " if len(rows) == 1 else "rows ") + enumerate_few(map(str, rows), 10)


def plural(number: int, one: str, many: str = "") -> str:
    """``1 utterance``, ``1,085 utterances``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """``3 % of 1,085``."""
    percent = 100 * part / max(whole, 1)
    return f"{percent:.0f} % of {whole:,}" if percent >= 1 else f"under 1 % of {whole:,}"


INTERVAL = "95 %"  # header of a column that belongs to the one before it
