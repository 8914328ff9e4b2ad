"""Encoding of a text that is not UTF-8: one is named only if what it gives looks like a language.

Nearly every byte means something in every encoding, so that decoding without an error shows little. A guess is believed
if the letters are of the script that the encoding is made for, if they are common ones, and if they stand in words as
letters do: no accented letters without plain ones, no two scripts in a word, no capital behind a small letter.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

_WORD = re.compile(r"[^\W\d_]+")
_MOST = 50_000  # bytes that are looked at
_SURE = 0.9  # least share of letters of the script, and of words that are like words
_COMMON = 0.45  # least share of common letters
_SIGNS = frozenset("€©®°§\xa0")  # symbols of transcripts; others mostly come from a wrong encoding


@dataclass(frozen=True)
class Encoding:
    """An encoding: Python's name, that of the program iconv, and the one for a sentence."""

    codec: str
    iconv: str
    title: str


Score = Callable[[str], float]  # how well a text fits an encoding: 0 if it does not, at most 1


def guess_encoding(content: bytes) -> Encoding | None:
    """Return the encoding in which bytes read as a text of some language; None if there is no such encoding.

    Args:
        content: whole lines with characters beyond ASCII.
    """
    if len(content) > _MOST:
        content = content[: content.rfind(b"\n", 0, _MOST) + 1 or _MOST]
    for group in (_LATIN, _JAPANESE, _KOREAN, _CHINESE, _ALPHABETS):
        scores = {encoding: _score(content, encoding, score) for encoding, score in group}
        best = max(scores, key=lambda encoding: scores[encoding])  # the first of equal ones
        if scores[best] > 0:
            return best
    return None


def _score(content: bytes, encoding: Encoding, score: Score) -> float:
    try:
        text = content.decode(encoding.codec)
    except UnicodeDecodeError:
        return 0.0
    foreign = [sign for sign in text if not sign.isascii()]
    odd = sum(not _usual(sign) for sign in foreign)
    return score(text) if odd <= (1 - _SURE) * len(foreign) else 0.0


def _usual(sign: str) -> bool:
    """Check whether a character is frequent in texts: a letter, mark or punctuation, few symbols."""
    return unicodedata.category(sign)[0] in "LMP" or sign in _SIGNS


def _letters(text: str) -> list[str]:
    return [sign for sign in text if sign.isalpha() and not sign.isascii()]


def _part(letters: list[str], wanted: Callable[[str], bool]) -> float:
    return sum(map(wanted, letters)) / len(letters) if letters else 0.0


def _is(letter: str, *scripts: str) -> bool:
    return unicodedata.name(letter, "").startswith(scripts)


def _in_rows(letter: str, codec: str, first: int, last: int) -> bool:
    """Check whether a character's first byte lies in the rows that a national standard keeps for common ones."""
    try:
        return first <= letter.encode(codec)[0] <= last
    except UnicodeEncodeError:
        return False


def _japanese(text: str) -> float:
    letters = _letters(text)
    kana = _part(letters, lambda letter: _is(letter, "HIRAGANA", "KATAKANA"))
    known = _part(letters, lambda letter: _is(letter, "HIRAGANA", "KATAKANA", "CJK"))
    return kana if kana > 1 - _SURE and known > _SURE else 0.0


def _korean(text: str) -> float:
    hangul = _part(_letters(text), lambda letter: _in_rows(letter, "euc_kr", 0xB0, 0xC8))
    return hangul if hangul > _SURE else 0.0


def _chinese(text: str, codec: str, first: int, last: int) -> float:
    common = _part(_letters(text), lambda letter: _in_rows(letter, codec, first, last))
    return common if common > _SURE else 0.0


def _alphabet(text: str, script: str, common: str) -> float:
    letters = _letters(text)
    if _part(letters, lambda letter: _is(letter, script)) < _SURE or not _like_words(text, mixed=False):
        return 0.0
    share = _part(letters, lambda letter: letter.lower() in common)
    # The small letters of one Cyrillic encoding are the capitals of another, and few texts are in capitals.
    capitals = _part(letters, str.isupper)
    return share - 0.2 * capitals if share > _COMMON else 0.0


def _latin(text: str, common: str) -> float:
    letters = _letters(text)
    if not all(_is(letter, "LATIN") for letter in letters) or not _like_words(text, mixed=True):
        return 0.0
    # Letters beyond ASCII and signs such as curly quotes stand beside plain letters, seldom beside each other.
    foreign = sum(not sign.isascii() for sign in text)
    if sum(not one.isascii() and not other.isascii() for one, other in pairwise(text)) > foreign / 2:
        return 0.0
    # Without letters, there are only signs such as curly quotes. A rare letter is better than none of a language.
    return 0.1 + (_part(letters, lambda letter: letter.lower() in common) if letters else 1.0)


def _like_words(text: str, *, mixed: bool) -> bool:
    """Check that most words with letters beyond ASCII are mixed with ASCII letters, or that most are not."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    right = sum(
        (len(word) == 1 or any(sign.isascii() for sign in word) == mixed)
        and not any(one.islower() and other.isupper() for one, other in pairwise(word))
        for word in words
    )
    return right >= _SURE * len(words)


_CYRILLIC = "оеаинтсрвлкі"
_WEST = "äöüßéèêëàâçîïôûùœåæøñáíóúãõìò"
_JAPANESE: tuple[tuple[Encoding, Score], ...] = (
    (Encoding("cp932", "CP932", "Shift-JIS"), _japanese),
    (Encoding("euc_jp", "EUC-JP", "EUC-JP"), _japanese),
)
_KOREAN: tuple[tuple[Encoding, Score], ...] = ((Encoding("cp949", "CP949", "EUC-KR"), _korean),)
_CHINESE: tuple[tuple[Encoding, Score], ...] = (
    (Encoding("gb18030", "GB18030", "GBK"), partial(_chinese, codec="gb2312", first=0xB0, last=0xD7)),
    (Encoding("cp950", "CP950", "Big5"), partial(_chinese, codec="big5", first=0xA4, last=0xC6)),
)
# With the letters that make up most of a text.
_ALPHABETS: tuple[tuple[Encoding, Score], ...] = tuple(
    (Encoding(codec, iconv, title), partial(_alphabet, script=script, common=common))
    for codec, iconv, title, script, common in (
        ("cp1251", "WINDOWS-1251", "Windows-1251", "CYRILLIC", _CYRILLIC),
        ("koi8_u", "KOI8-U", "KOI8", "CYRILLIC", _CYRILLIC),
        ("cp866", "CP866", "code page 866", "CYRILLIC", _CYRILLIC),
        ("cp1256", "WINDOWS-1256", "Windows-1256", "ARABIC", "اليمونتربهدعأ"),
        ("cp1253", "WINDOWS-1253", "Windows-1253", "GREEK", "αοιετσνηυρκςέίό"),
        ("cp1255", "WINDOWS-1255", "Windows-1255", "HEBREW", "יוהלאתרבםמנש"),
        ("cp874", "CP874", "Windows-874", "THAI", "านรอกเงมยลวดทสำไแบคตหใะพ"),
    )
)
_LATIN: tuple[tuple[Encoding, Score], ...] = tuple(
    (Encoding(codec, iconv, title), partial(_latin, common=common))
    for codec, iconv, title, common in (
        ("cp1252", "WINDOWS-1252", "Windows-1252", _WEST),
        ("mac_roman", "MACINTOSH", "Mac Roman", _WEST),
        ("cp1250", "WINDOWS-1250", "Windows-1250", "ąćęłńóśźżáčďéěíňřšťúůýžőűöüăâîșț"),
        ("cp1254", "WINDOWS-1254", "Windows-1254", "çğıöşüâîû"),
    )
)
