"""Text from outside in a page: a browser obeys no sign in it, and its direction reorders nothing beside it."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from sertool.core.formatting import escaped

# Code points that HTML forbids, besides the control signs and halves of characters that ``escaped`` spells out.
_FORBIDDEN = re.compile(
    "[\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
# Words of scripts that are written from right to left. Digits and commas end a run: they belong to the sentence.
_LETTERS = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]+"
_RIGHT_TO_LEFT = re.compile(rf"{_LETTERS}(?:[ _\u200c\u200d-]{_LETTERS})*")
_OPTION = re.compile(r"(?<!\S)--[a-z][a-z-]*")


def visible(text: str) -> str:
    r"""Spell out control and direction signs, and replace what else HTML forbids; markup of our own stays.

    >>> print(visible("sad\u202e\ufdd0"))
    sad\u202e�
    """
    return text if isinstance(text, Markup) else _FORBIDDEN.sub("\ufffd", escaped(text))


def name(text: str) -> Markup:
    """Write a name from outside as an element of its own direction.

    >>> str(name("a<b"))
    '<bdi>a&lt;b</bdi>'
    """
    return Markup("<bdi>{}</bdi>").format(visible(text))


def sentence(text: str) -> Markup:
    """Write an English sentence that may hold names: each run of words from right to left is an element of its own.

    Options of a command and figures with their unit are kept on one line.

    >>> str(sentence("class שמח: 3 of 4"))
    'class <bdi>שמח</bdi>: 3 of 4'
    """
    written = _RIGHT_TO_LEFT.sub(r"<bdi>\g<0></bdi>", str(escape(visible(text))))
    # An option is not broken after its first hyphen, nor a figure before its unit.
    return Markup(_OPTION.sub(r'<span class="option">\g<0></span>', written).replace(" %", "\u00a0%"))


def as_json(content: Any) -> Markup:
    r"""Write JSON for ``<script>``: texts as the page shows them, and ``<`` as ``\u003c``: none ends the script."""
    text = json.dumps(_visible(content), ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _visible(content: Any) -> Any:
    """Return JSON content with all texts made visible."""
    if isinstance(content, str):
        return visible(content)
    if isinstance(content, Mapping):
        return {key: _visible(value) for key, value in content.items()}
    return [_visible(value) for value in content] if isinstance(content, (list, tuple)) else content


def policy_hash(text: str) -> str:
    """Return the hash by which a content security policy allows an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_HEAD = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>""")


def head(title: str, policy: str, style: str) -> Markup:
    """Write the beginning of a page up to its body; the page asks for no file beside it.

    Args:
        title: title of the page, a text from outside.
        policy: content security policy.
        style: style sheet of our own.
    """
    return _HEAD.format(title=visible(title), policy=policy, style=Markup(style))


def environment_of(templates: Path) -> Environment:
    """Make the environment of a folder of templates: every value is escaped and made visible.

    Templates have the function :func:`head`. A misspelt name in a template is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
    )
    environment.globals["head"] = head
    return environment
