"""Where commands talk: everything but results goes to stderr, a line at a time."""

from rich.console import Console


def console() -> Console:
    """Where a command talks; results go to stdout."""
    return Console(stderr=True, highlight=False)


def say(talk: Console, text: str) -> None:
    """Print a line as it is: wrapped between words on a terminal, whole elsewhere."""
    talk.print(text, markup=False, highlight=False, soft_wrap=not talk.is_terminal)
