"""What goes wrong in a user's hands: one message, an optional next step, an exit code."""


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
