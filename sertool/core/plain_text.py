"""Texts from outside, made fit for a terminal and for files."""

SHOWN = 20  # lines of a list


def unicode_only(text: str) -> str:
    """A text that any file can hold: ``?`` for half a character, or a byte of a command line that was no UTF-8."""
    return text.encode(errors="replace").decode()


def printable(text: str) -> str:
    """The same on one line that a terminal shows as it is: ``?`` for control characters too."""
    return "".join(
        sign if sign.isprintable() else " " if sign.isspace() else "?" for sign in unicode_only(text)
    )


def few(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    return lines[:SHOWN] + ([f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])
