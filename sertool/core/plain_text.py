"""Texts for a terminal and for files: those from outside made fit, long lists cut short, sizes in words."""

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
