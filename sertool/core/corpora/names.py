"""Names of classes, speakers, utterances and splits: one normal form of a name, and the cells that hold no value.

Two names that look alike are one name. The normal form of a name

* is composed (Unicode's NFC): ``ö`` is one character, not an ``o`` and two dots;
* has no characters that show nothing: zero-width spaces, direction signs, soft hyphens, variation selectors;
* has one plain space for every stretch of white space inside, no-break spaces included, and none at its ends.

Two joiners (U+200C, U+200D) change the shape of the letters beside them in Persian or Hindi, and make one emoji of
several. They stay where they do that, and are removed elsewhere. Case is kept: ``Angry`` and ``angry`` look different.
Texts are not names: a transcript is stored as it was written.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Set

# Characters of Unicode's property Default_Ignorable_Code_Point, without the joiners. Signs that shape Mongolian
# letters stay behind those, and the letters of a flag's name stay behind the flag.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0100-\U000e01ef]"
    "|(?<![\u1820-\u18aa\u180b-\u180f])[\u180b-\u180f]+"
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]+"
)
_JOINERS = re.compile("[\u200c\u200d]+")
_BLANK = "\u2800"  # the Braille pattern without dots shows as a space, but is none for Python
_VIRAMA = 9  # combining class of the sign that joins two consonants in the scripts of India

# What pandas, R, spreadsheets and databases write for a missing value. Words of a language are not among them: "none",
# "no", "na" and "Null" are what somebody said, or the name of a class.
MISSING = frozenset(
    (
        *("", "nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "None", "NULL", "null", "<null>", "<NULL>", "\\N"),
        *("NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "#NV", "#N/D"),
        *("#VALUE!", "#REF!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"),
        *("-", "--", "\u2013", "\u2014", "?", "??", "???"),
    )
)
_EXACT = 2**53  # up to here, floats hold every whole number
# Letters of the Cyrillic and Greek scripts that no reader can tell from Latin ones.
_LIKE_LATIN = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421"
    "\u0422\u0423\u0425\u0406\u0408\u0405\u03bf\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4"
    "\u03a5\u03a7",
    "aeopcyxijsABEKMHOPCTYXIJSoABEZHIKMNOPTYX",
)
_LONGEST = 40  # characters; a longer cell, with what it has of invisible ones, is some text
_WORD = 4  # letters; shorter words that differ in one are often different words: sad and mad
_JOINED = re.compile(r"\s*[,;/&+]\s*")  # signs that may stand between two classes
_ALWAYS = (",", ";")  # the ones of these that hardly stand in the name of a class
_COMPARED = 200  # classes; more of them are texts or numbers, and comparing all pairs would take long


def normal(name: str) -> str:
    r"""Return the normal form of a name.

    >>> normal("bo\u0308se\u200b"), normal(" very\u00a0 sad"), normal("Angry")
    ('böse', 'very sad', 'Angry')
    """
    if name.isascii():
        return " ".join(name.split())
    # What is removed or brought together may make another sign superfluous, so this ends where nothing changes.
    while (plain := _simplified(name)) != name:
        name = plain
    return name


def _simplified(name: str) -> str:
    name = unicodedata.normalize("NFC", _INVISIBLE.sub("", name).replace(_BLANK, " "))
    return " ".join(_JOINERS.sub(_joiner, name).split())


def _joiner(found: re.Match[str]) -> str:
    """Return the joiner if it changes what its neighbours look like, else nothing."""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    if not before or not after:
        return ""
    consonants = _VIRAMA in (unicodedata.combining(before), unicodedata.combining(after))
    # Marks (NSM) may stand between an Arabic letter and the joiner.
    arabic = unicodedata.bidirectional(before) in ("AL", "NSM") and unicodedata.bidirectional(after) == "AL"
    emoji = unicodedata.category(before) in ("So", "Sk") and unicodedata.category(after) in ("So", "Sm")
    return found[0][0] if consonants or arabic or emoji else ""


def spelling(name: str) -> str:
    r"""Return a key that is the same for likely spellings of one name.

    It ignores case, takes - and _ for spaces, and Cyrillic and Greek letters for the Latin ones that they look like.

    >>> spelling("Very_Sad"), spelling("h\u0430ppy"), spelling("\uff33\uff10\uff11") == spelling("s01")
    ('very sad', 'happy', True)
    """
    folded = unicodedata.normalize("NFKC", normal(name).translate(_LIKE_LATIN)).casefold()
    return normal(folded.replace("_", " ").replace("-", " "))


def likely_spellings(names: Iterable[str], *, classes: bool) -> list[list[str]]:
    r"""Group the names that are likely spellings of one; names without another spelling are left out.

    Names are alike if :func:`spelling` is the same. Classes are also alike if only spaces differ, or if one word
    differs by one letter: a wrong, missing or superfluous one, or two that are swapped. Names of speakers, such as
    ``anna`` and ``hanna``, may well differ by a letter.

    >>> likely_spellings(["neutral", "Angry", "sad", "angry ", "neutrl", "mad"], classes=True)
    [['Angry', 'angry '], ['neutral', 'neutrl']]
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        key = spelling(name)
        alike[key.replace(" ", "") if classes else key].append(name)
    groups = list(alike.values())
    if not classes or len(groups) > _COMPARED:
        return [group for group in groups if len(group) > 1]
    joined: list[list[str]] = []
    for group in groups:
        # The first name stands for its group: the others differ from it in case or spaces alone.
        key = spelling(group[0])
        near = next((other for other in joined if any(_is_misspelt(spelling(name), key) for name in other)), None)
        if near is None:
            joined.append(list(group))
        else:
            near += group
    return [group for group in joined if len(group) > 1]


def likely_several(names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the names of classes that are likely several classes, each with its parts.

    A comma and a semicolon hardly stand in the name of a class. A slash, a plus and an ampersand may, so they divide a
    name only if all its parts are classes too.

    >>> likely_several(["happy", "happy, sad", "happy/sad", "sad", "r&b"])
    {'happy, sad': ('happy', 'sad'), 'happy/sad': ('happy', 'sad')}
    """
    found = {}
    for name in sorted(names):
        parts = tuple(part for part in _JOINED.split(name) if part)
        if len(parts) > 1 and (any(sign in name for sign in _ALWAYS) or all(part in names for part in parts)):
            found[name] = parts
    return found


def _is_misspelt(a: str, b: str) -> bool:
    """Check whether all words of two names are equal but one, which differs by one letter."""
    words, others = a.split(), b.split()
    differing = [pair for pair in zip(words, others, strict=False) if pair[0] != pair[1]]
    return len(words) == len(others) and len(differing) == 1 and _one_letter_apart(*differing[0])


def _one_letter_apart(a: str, b: str) -> bool:
    if min(len(a), len(b)) < _WORD or not (a + b).isalpha():  # level1 and level2 are different names
        return False
    same = next(
        (place for place, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), min(len(a), len(b))
    )
    a, b = a[same:], b[same:]
    swapped = a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped


def is_missing(cell: str) -> bool:
    """Check whether a cell is empty, or holds what stands for a missing value.

    >>> is_missing("NaN"), is_missing("#N/A"), is_missing("none"), is_missing("No.")
    (True, True, False, False)
    """
    return len(cell) <= _LONGEST and normal(cell) in MISSING


def missing_among(cells: Set[str]) -> set[str]:
    """Return the cells that are missing, quickly where there are many; they have no white space at their ends."""
    return {*(cells & MISSING), *(cell for cell in cells if not cell.isascii() and is_missing(cell))}


def text_of(value: object) -> str:
    """Write a value of a JSON file as a cell: a whole number without a fraction, so that 0 and 0.0 are one name.

    >>> text_of(0.0), text_of(0), text_of("0"), text_of(1.5), text_of(None), text_of(float("nan")), text_of(True)
    ('0', '0', '0', '1.5', '', 'nan', 'True')
    """
    if value is None:
        return ""
    if isinstance(value, float) and abs(value) < _EXACT and value.is_integer():
        return str(int(value))
    return str(value).strip()


def visible(name: str) -> str:
    r"""Write a name in quotes so that it can be told from its normal form: what that lacks is spelled out.

    >>> print(visible("bo\u0308se\u200b"))
    'bo\u0308se\u200b'
    >>> print(visible("böse"))
    'böse'
    """
    kept = normal(name)
    return "'" + "".join(c if c in kept and c.isprintable() else ascii(c)[1:-1] for c in name) + "'"
