"""Files of pairs, such as new names of classes: a line ``old=new`` for each, or a JSON or YAML object."""

from pathlib import Path

from sertool.core.corpora.names import text_of
from sertool.core.errors import DataError, UsageError
from sertool.core.files.yaml_file import read_yaml
from sertool.core.prepare.table_text import read_text

_OBJECTS = (".json", ".yaml", ".yml")


def read_pairs(path: Path, what: str, hint: str) -> list[tuple[str, str]]:
    """Read the pairs of a file; empty lines and those that begin with ``#`` are passed over.

    Args:
        path: the file.
        what: the right-hand sides in words, for messages, such as ``the new name of each class``.
        hint: an example.

    Raises:
        UsageError: a line is no pair.
        DataError: the file cannot be read, or is no object of pairs.
    """
    if path.suffix.lower() in _OBJECTS:
        content = read_yaml(path)
        if not isinstance(content, dict) or any(isinstance(new, dict | list) for new in content.values()):
            raise DataError(f"{path}: expected an object with {what}", hint=hint)
        return [(old, text_of(new)) for old, new in content.items()]
    lines = [line.strip() for line in read_text(path).splitlines()]
    return [split_pair(line, str(path), hint) for line in lines if line and not line.startswith("#")]


def split_pair(text: str, origin: str, hint: str) -> tuple[str, str]:
    """Split ``old=new`` at its first ``=``.

    Raises:
        UsageError: there is none.
    """
    if "=" not in text:
        raise UsageError(f"{origin}: {text!r} is not old=new", hint=hint)
    old, _, new = text.partition("=")
    return old, new
