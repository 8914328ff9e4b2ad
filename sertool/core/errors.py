"""Errors that a user sees: one message, an optional next step, an exit code."""

import difflib


class SertoolError(Exception):
    """A failure that is shown to the user as one message, without a traceback.

    Args:
        message: the fault, its place (file, utterance, key), and the expected value.
        hint: next step to try; shown on a line of its own.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(SertoolError):
    """The command line or a recipe is wrong, and nothing was done (exit code 2)."""

    exit_code = 2


class DataError(SertoolError):
    """A file or a corpus cannot be used as it is (exit code 1)."""


_LONGEST_WORD = 100  # characters; a longer one is near no name, and comparing it would take long


def did_you_mean(word: str, known: list[str]) -> str:
    """Return ``, did you mean 'x'?`` where a known word is near, else nothing."""
    if len(word) > _LONGEST_WORD:
        return ""
    # Below difflib's default of 0.6: keys and names are short, so that one slip weighs much.
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f", did you mean {near[0]!r}?" if near else ""
