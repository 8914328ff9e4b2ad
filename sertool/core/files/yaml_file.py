"""Read and write YAML as users expect it: ``1e-4`` is a number, ``no`` and ``03`` are text, duplicate keys are errors.

Plain words follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema). Tags, aliases and
merge keys are refused: a recipe's values stand where they are read, and reading it runs nothing.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from sertool.core.errors import DataError, UsageError
from sertool.core.files.artifacts import read_text
from sertool.core.formatting import readable_size

MAX_DEPTH = 30  # recipes nest 5 deep; PyYAML itself fails with a RecursionError at a few hundred
LARGEST = 1 << 20  # characters; a recipe has some thousand, and PyYAML takes three seconds for a million

# PyYAML's own patterns follow YAML 1.1: `1e-4` is text, `no` is false, `03` is three, `1:30` is ninety.
# Each entry: tag, pattern, first characters of a word that the pattern is tried on.
_WORDS = (
    ("null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"^[-+]?(?:0|[1-9]\d*(?:_\d+)*)$"), list("-+0123456789")),
    (
        "float",
        re.compile(
            r"^(?:[-+]?(?:\d+(?:_\d+)*\.\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        list("-+0123456789."),
    ),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own way to declare them)
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            _refuse("aliases (*name) are not supported", event.start_mark)
        if getattr(event, "tag", None) is not None:
            _refuse(f"tags ({event.tag}) are not supported", event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            _refuse(f"nested more than {MAX_DEPTH} deep", event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        # "\ud800" is an escape that YAML allows, but no file could be written with such a name.
        if any("\ud800" <= character <= "\udfff" for character in value):
            _refuse("half a character (a lone surrogate) is not text", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                _refuse(f"key {key!r} is not text", key_node.start_mark)
            if key in keys:
                _refuse(f"key {key!r} is given twice", key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Writer that quotes exactly those texts which `_Loader` would read as something else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True  # a list that two keys share is written twice, because aliases are not read back

    def represent_text(self, data: str) -> yaml.ScalarNode:
        # Unicode's other line ends: PyYAML writes them unescaped and reads them back as a space.
        escaped = '"' if any(character in data for character in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=escaped)


_Dumper.add_representer(str, _Dumper.represent_text)


for _tag, _pattern, _first in _WORDS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)


def _refuse(problem: str, mark: Any) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def parse_yaml(text: str, origin: str) -> Any:
    """Parse YAML into text, numbers, booleans, None, lists and tables; ``origin`` names it in errors.

    Raises:
        UsageError: the text is not such YAML; the message gives line and column.
    """
    if len(text) > LARGEST:
        raise UsageError(f"{origin}: larger than {readable_size(LARGEST)}, which is the most that is read")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"{origin}{where}: {error.problem or 'not valid YAML'}") from error
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise UsageError(f"{origin}: not valid YAML ({str(error).splitlines()[0]})") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UsageError: the file is missing, not UTF-8, or not valid YAML.
    """
    try:
        text = read_text(path, LARGEST)
    except DataError as error:
        raise UsageError(str(error)) from error
    return parse_yaml(text, str(path))


def dump_yaml(content: dict[str, Any]) -> str:
    """Write a table as YAML in the order of its keys; ``parse_yaml`` reads the same content back."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
