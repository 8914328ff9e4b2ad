"""Settings in which two recipes differ, as far as they change what members are trained on, or how."""

from collections.abc import Iterator, Sequence
from typing import Any

from sertool.core.recipe.frontends import OpenSmile, SpeechEncoder, TextEncoder
from sertool.core.recipe.schema import Context, Recipe

INPUT = ("dataset", "frontend", "text_frontend", "context")  # sections that decide what a model is given
# Other seeds add members, and a path only says where the data lie: neither changes a member. So it is with the
# splitting of words, which the corpus decides.
_NO_CHANGE = ("training.runs", "training.seed", "dataset.path", "dataset.words")


def differences(before: Recipe, after: Recipe, sections: Sequence[str]) -> list[str]:
    """List the settings of some sections that differ and change a member, as ``key old -> new``.

    >>> from sertool.core.recipe.load import load
    >>> differences(load("mosi"), load("mosi-7"), ("dataset", "frontend"))
    ['dataset.num_classes 2 -> 7']
    """
    found = []
    for name in sections:
        old, new = getattr(before, name), getattr(after, name)
        # Frontends of two kinds have no settings in common, nor have a context and none.
        pairs = _of_each(name, old, new) if type(old) is type(new) else iter([(name, _kind(old), _kind(new))])
        found += [f"{key} {was} -> {now}" for key, was, now in pairs if was != now and key not in _NO_CHANGE]
    return found


def _of_each(name: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys of a section with both values; text as words has none, nor has no context."""
    if not isinstance(old, str | None):
        yield from ((f"{name}.{key}", getattr(old, key), getattr(new, key)) for key in type(old).model_fields)


def _kind(section: Any) -> str:
    if isinstance(section, SpeechEncoder | OpenSmile | TextEncoder | Context):
        return section.title
    if section is None:
        return "none"
    return section if isinstance(section, str) else "log-mel"
