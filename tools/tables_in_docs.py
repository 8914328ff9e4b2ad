"""Tables of the documentation that a script writes: each stands between two markers, which name the script."""


def begin(name: str, script: str) -> str:
    """Return the line in front of a table; ``name`` is what it shows, ``script`` the name of its script."""
    return f"<!-- {name}: made by tools/{script}.py -->\n"


def end(name: str) -> str:
    """Return the text behind a table."""
    return f"<!-- {name}: end -->"


def with_table(text: str, name: str, script: str, table: str) -> str:
    """Return a page with one of its tables written again.

    Raises:
        SystemExit: the page has no place for the table.
    """
    head, opened, rest = text.partition(begin(name, script))
    _, closed, tail = rest.partition(end(name))
    if not (opened and closed):
        raise SystemExit(f"the markers of {name} are not there")
    return f"{head}{opened}{table}{closed}{tail}"
