"""Split texts into words and clean them.

This file imports nothing else of the package: a bundle holds a copy of it, so that its texts are split in the same way.

A splitting is the name of a way to split a text:

* None: at white space, and only the reference's signs are cleaned (:func:`clean_words`).
* ``spaces``: the same, and the punctuation of every script is cleaned.
* ``characters``: also, a script that is written without spaces is divided into characters, or into the groups of
  letters and vowel signs that are read together: Burmese syllables, clusters of Thai, Lao and Khmer.
* a language of ``LANGUAGES``: as ``characters``, but its own script is divided into words by spaCy's tokenizer.

Digits, and letters of other scripts, stay words in all of them. An emoji is a word of its own in the last two.
"""

import logging
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

REMOVED = str.maketrans(dict.fromkeys(".,'!?\"()*#:;", "") | {"-": " ", "/": " "})

# Typographic characters become ASCII, also Windows-1252 bytes that were read as Latin-1 (as in MELD).
TYPOGRAPHIC = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`\u0091\u0092\u0082\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u0093\u0094\u0084", '"')
    | dict.fromkeys("\u2010\u2011", "-")
    | dict.fromkeys("\u2012\u2013\u2014\u2015\u0096\u0097\u0085", " ")
    | {"\u2026": "...", "\ufeff": "", "\u200b": ""}
)

# Letters and marks of the scripts that are written without spaces, as the inside of a set of a regular expression.
SCRIPTS = {
    # Chinese characters, kana with their marks of length and repetition, Bopomofo, Yi.
    "cjk": "\u3005-\u3007\u3021-\u302f\u3031-\u3035\u3038-\u303c\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa"
    "\u30fc-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua48c\uf900-\ufaff"
    "\uff66-\uff9f\U0001aff0-\U0001afff\U0001b000-\U0001b16f\U00020000-\U0003ffff",
    "thai": "\u0e01-\u0e2e\u0e30-\u0e3a\u0e40-\u0e4e",
    "lao": "\u0e81-\u0eae\u0eb0-\u0ece\u0edc-\u0edf",
    "khmer": "\u1780-\u17d3\u17d7\u17dc\u17dd",
    "burmese": "\u1000-\u103f\u104c-\u108f\u109a-\u109d\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f",
    "tai": "\u1950-\u197f\u1980-\u19c9\u1a20-\u1a7f\u1aa7\uaa80-\uaadd",  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
}
KANA = "\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d"
_HANGUL_LETTERS = "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"
# Joiners, variation selectors and accents belong to the letter before them, in any script.
_EXTEND = "\u0300-\u036f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef"

# The characters of these scripts, as regular expressions of one character each; what fits none is one by itself.
_THAI_MARKS, _LAO_MARKS = f"\u0e31\u0e34-\u0e3a\u0e47-\u0e4e{_EXTEND}", f"\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece{_EXTEND}"
_KHMER_MARKS = f"\u17b4-\u17d3\u17dd{_EXTEND}"
_TAI_MARKS = f"\u1a55-\u1a7f\uaab0\uaab2-\uaab4\uaab7\uaab8\uaabe\uaabf\uaac1{_EXTEND}"
# A Burmese syllable begins with a letter, unless that is stacked below the one before it or closes the syllable.
_BURMESE_BEGIN = (
    "(?<!\u1039)[\u1000-\u102a\u103f\u104c-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e"
    "\ua9e0-\ua9e4\ua9e7-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7a\uaa7e\uaa7f](?!\u1037?[\u1039\u103a])"
)
_CHARACTER = {
    "cjk": re.compile(f".[\u302a-\u302f\u3099\u309a\uff9e\uff9f{_EXTEND}]*"),
    # Vowels that are written before a consonant, and those behind it, are read with it.
    "thai": re.compile(
        f"[\u0e40-\u0e44]{{0,2}}[\u0e01-\u0e2e][{_THAI_MARKS}]*[\u0e30\u0e32\u0e33\u0e45]*[{_THAI_MARKS}]*"
        f"|.[{_THAI_MARKS}]*"
    ),
    "lao": re.compile(
        f"[\u0ec0-\u0ec4]{{0,2}}[\u0e81-\u0eae\u0edc-\u0edf][{_LAO_MARKS}]*[\u0eb0\u0eb2\u0eb3\u0ebd]*[{_LAO_MARKS}]*"
        f"|.[{_LAO_MARKS}]*"
    ),
    # The sign U+17D2 puts the next consonant below the one before it.
    "khmer": re.compile(f".(?:\u17d2[\u1780-\u17b3]|[{_KHMER_MARKS}])*"),
    "burmese": re.compile(f".(?:(?!{_BURMESE_BEGIN}).)*"),
    "tai": re.compile(f".[{_TAI_MARKS}]*"),
}

_EMOJI_BASE = "\u2300-\u23ff\u2600-\u2767\u2776-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
_EMOJI_REST = "\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
_EMOJI = f"[\U0001f1e6-\U0001f1ff]{{2}}|[{_EMOJI_BASE}][{_EMOJI_REST}]*(?:\u200d[{_EMOJI_BASE}][{_EMOJI_REST}]*)*"
_PARTS = {script: f"(?P<{script}>[{own}][{own}{_EXTEND}]*)" for script, own in SCRIPTS.items()}
_PARTS["emoji"] = f"(?P<emoji>{_EMOJI})"
_ANY = re.compile("|".join(_PARTS.values()))
_NOT_CJK = re.compile("|".join(part for name, part in _PARTS.items() if name != "cjk"))
_HANGUL, _CJK = re.compile(f"[{_HANGUL_LETTERS}]"), re.compile(f"[{SCRIPTS['cjk']}]")
_UNSPACED = re.compile(f"[{''.join(SCRIPTS.values())}]")
# An invisible space marks the end of a word in these scripts, and nothing elsewhere.
_WORD_END = re.compile(f"(?<={_UNSPACED.pattern})\u200b+(?={_UNSPACED.pattern})")

# Punctuation that stands inside words, as the ASCII apostrophe does; U+00B7 is between syllables in Catalan.
_INSIDE = "\u00b7\u055a\u05f3\u05f4"
_ONE_SIGN_WORDS = "\u104c\u104d\u104e\u104f"  # Burmese words, which Unicode calls punctuation
_ABBREVIATION = "\u0e2f\u0eaf"  # Thai and Lao signs, which Unicode calls letters
_FULL_WIDTH_TILDE = "\uff5e"  # lengthens a sound at the end of a word
_INVISIBLE = re.compile(f"[{_EXTEND}]+")  # left over where what they changed was punctuation
_CLEANED = REMOVED | str.maketrans(dict.fromkeys(_INSIDE, ""))
LONGEST_RUN = 10_000  # characters that a tokenizer is given at a time: Sudachi refuses more than 49,149 bytes


class _Signs(dict[int, str | int]):
    """Table for ``str.translate``: punctuation of all scripts becomes a space, full-width ASCII becomes ASCII."""

    def __missing__(self, code: int) -> str | int:
        self[code] = made = self._made(chr(code))
        return made

    @staticmethod
    def _made(sign: str) -> str | int:
        punctuation = unicodedata.category(sign)[0] == "P" or sign in _ABBREVIATION + _FULL_WIDTH_TILDE
        if punctuation and not sign.isascii() and sign not in _INSIDE + _ONE_SIGN_WORDS:
            return " "
        return ord(sign) - 0xFEE0 if "\uff01" <= sign <= "\uff5e" else ord(sign)


_SIGNS = _Signs()


@dataclass(frozen=True)
class Language:
    """A language whose words spaCy finds with the help of other packages.

    Attributes:
        name: name of the language.
        script: key of ``SCRIPTS``.
        modules: modules that spaCy's tokenizer needs.
        config: spaCy's settings of the tokenizer.
    """

    name: str
    script: str
    modules: tuple[str, ...]
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that are not installed."""
        return tuple(module for module in ("spacy", *self.modules) if find_spec(module) is None)


LANGUAGES = {
    "zh": Language("Chinese", "cjk", ("jieba",), {"nlp": {"tokenizer": {"segmenter": "jieba"}}}),
    "ja": Language("Japanese", "cjk", ("sudachipy", "sudachidict_core")),
    "th": Language("Thai", "thai", ("pythainlp",)),
}
SPLITTINGS = ("spaces", "characters", *LANGUAGES)


def clean_words(words_or_text: str | Sequence[str]) -> tuple[str, ...]:
    """Clean words as the vocabulary counts them.

    A word is lower-cased and loses ``. , ' ! ? " ( ) * # : ;``; ``-`` and ``/`` become a space, but the word is
    not split (``well-known`` is the one word ``well known``, and ``--`` the word of two spaces, as in the
    reference's vocabularies). Words that have no character left are dropped.

    Args:
        words_or_text: words, or a sentence, whose typographic quotes, dashes and ellipses are first replaced by
            ASCII and which is then split at white space.
    """
    if isinstance(words_or_text, str):
        words_or_text = unicodedata.normalize("NFC", words_or_text).translate(TYPOGRAPHIC).split()
    cleaned = (word.lower().translate(REMOVED) for word in words_or_text)
    return tuple(word for word in cleaned if word)


def split_words(text: str, splitting: str | None) -> tuple[str, ...]:
    """Split a text into cleaned words.

    Args:
        text: a sentence.
        splitting: name of the way, see above.

    Raises:
        ValueError: there is no such way, or a package that it needs is not installed.
    """
    if splitting is not None and splitting not in SPLITTINGS:
        raise ValueError(f"words are split by {splitting!r}, expected {', '.join(SPLITTINGS)}")
    if splitting is None or text.isascii():
        return clean_words(text)
    chunks = _plain_signs(text).split()
    if splitting == "spaces":
        return _cleaned(chunks)
    pattern = _NOT_CJK if _is_korean(text) else _ANY
    return _cleaned(word for chunk in chunks for word in _divided(chunk, pattern, splitting))


def _plain_signs(text: str) -> str:
    """Replace the punctuation of all scripts by spaces or ASCII."""
    composed = _WORD_END.sub(" ", unicodedata.normalize("NFC", text))
    return composed.translate(TYPOGRAPHIC).translate(_SIGNS)


def unspaced_runs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the letters of a text that stand together in a script without spaces, each with the script's key."""
    if text.isascii() or not _UNSPACED.search(text):
        return
    for found in (_NOT_CJK if _is_korean(text) else _ANY).finditer(text):
        if found.lastgroup in SCRIPTS:
            yield found.lastgroup, found[0]


def characters(run: str, script: str) -> list[str]:
    """Divide letters of a script into characters, or into the groups of letters that are read together."""
    return _CHARACTER[script].findall(run)


def _is_korean(text: str) -> bool:
    """Check for a Korean text, in which Chinese characters are parts of words between spaces."""
    hangul = len(_HANGUL.findall(text))
    return hangul > 0 and 2 * hangul >= len(_CJK.findall(text))


def _cleaned(words: Iterator[str] | Sequence[str]) -> tuple[str, ...]:
    cleaned = (word.lower().translate(_CLEANED) for word in words)
    return tuple(word for word in cleaned if word.strip() and not _INVISIBLE.fullmatch(word))


def _divided(chunk: str, pattern: re.Pattern[str], splitting: str) -> Iterator[str]:
    """Divide what stands between two spaces where the script changes, and each part as its script is."""
    place = 0
    for found in pattern.finditer(chunk):
        if place < found.start():
            yield chunk[place : found.start()]
        place, script = found.end(), str(found.lastgroup)
        if script == "emoji":
            yield found[0]
        elif splitting in LANGUAGES and LANGUAGES[splitting].script == script:
            yield from _tokenized(found[0], splitting)
        else:
            yield from characters(found[0], script)
    if place < len(chunk):
        yield chunk[place:]


def _tokenized(run: str, language: str) -> Iterator[str]:
    tokenize = tokenizer(language)
    for start in range(0, len(run), LONGEST_RUN):
        for token in tokenize(run[start : start + LONGEST_RUN]):
            yield token.text


@cache
def tokenizer(language: str) -> Callable[[str], Any]:
    """Open spaCy's tokenizer of a language.

    Raises:
        ValueError: a package that it needs is not installed.
    """
    own = LANGUAGES[language]
    if own.missing:
        missing = " ".join(own.missing)
        raise ValueError(f"{own.name} texts are split into words by {missing}, not installed: pip install {missing}")
    import spacy

    # jieba logs to stderr that it reads its dictionary.
    logging.getLogger("jieba").addFilter(lambda record: record.levelno >= logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated imports of the packages, which concern their authors
        tokenize: Callable[[str], Any] = spacy.blank(language, config=own.config).tokenizer
    return tokenize
