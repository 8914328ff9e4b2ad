"""What goes wrong in a user's hands: one message, an optional next step, an exit code."""

import difflib


class SertoolError(Exception):
    """A failure that is told to the user as one message, without a traceback.

    Args:
        message: what is wrong and where (file, utterance, key), and what was expected.
        hint: what to try next; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(SertoolError):
    """The command line or a recipe is wrong: nothing was tried (exit code 2)."""

    exit_code = 2


class DataError(SertoolError):
    """A file or a corpus cannot be used as it is (exit code 1)."""


def did_you_mean(word: str, known: list[str]) -> str:
    """``, did you mean 'x'?`` where a known word is near, else nothing."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""
