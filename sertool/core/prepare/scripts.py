"""The script a text is written in, to find the one text that does not belong to the others."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache

from sertool.core.formatting import numbers

_TOGETHER = dict.fromkeys(("HIRAGANA", "KATAKANA", "HANGUL"), "CJK")  # are mixed with Chinese signs


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """``LATIN``, ``CYRILLIC``, ``CJK``, ...: how Unicode names of letters begin."""
    script = unicodedata.name(letter, "").partition(" ")[0]
    return _TOGETHER.get(script, script)


def script_of(text: str) -> str:
    """The script of most letters of a text; empty where it has none."""
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    return max(counts, key=lambda script: (counts[script], script), default="")


def script_warnings(texts: Iterable[tuple[int | None, str]]) -> list[str]:
    """Which texts are in another script than most, by row number and text."""
    places: dict[str, list[int | None]] = defaultdict(list)
    for number, text in texts:
        if script := script_of(text):
            places[script].append(number)
    usual = max(places, key=lambda script: (len(places[script]), script), default="")
    return [
        f"{numbers(rows)}: text is in {_title(script)} letters, most are in {_title(usual)} ones"
        for script, rows in sorted(places.items())
        if script != usual
    ]


def _title(script: str) -> str:
    return script if script == "CJK" else script.capitalize()
