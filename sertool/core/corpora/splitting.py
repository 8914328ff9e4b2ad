"""Choose how the texts of a corpus are split into words, and say which way was chosen.

The ways themselves are in :mod:`~sertool.core.corpora.words`. A recipe names one in ``dataset.words`` or leaves it to
the texts (``auto``). A corpus remembers the one that it was prepared with, and so does each run that is trained on it.
"""

import re
from collections import Counter
from collections.abc import Iterable

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.words import (
    KANA,
    LANGUAGES,
    SPLITTINGS,
    characters,
    clean_words,
    split_words,
    unspaced_runs,
)
from sertool.core.errors import DataError, UsageError
from sertool.core.formatting import plural

AUTO = "auto"
# Texts whose spaces divide words have chunks of this many characters on average, at most: a word has one to three.
WORD_CHARACTERS = 3.5
LONG_TEXT = 6  # characters; a shorter text may be a single word
JAPANESE_SHARE = 0.2  # of kana among Chinese characters and kana; a Japanese sentence has about half

_KANA = re.compile(f"[{KANA}]")
_NAMES = {"thai": "Thai", "lao": "Lao", "khmer": "Khmer", "burmese": "Burmese", "tai": "Tai"}


def check_installed(splitting: str | None) -> None:
    """Refuse a language whose packages are not installed.

    Raises:
        UsageError: a package is missing.
    """
    if splitting in LANGUAGES and (missing := LANGUAGES[splitting].missing):
        language = LANGUAGES[splitting].name
        raise UsageError(
            f"{language} texts are split into words by {' and '.join(missing)}, which is not installed",
            hint=f"pip install 'sertool[{splitting}]'",
        )


def check_splitting(splitting: object, origin: object) -> str | None:
    """Return the splitting that a file names, or None if it names none.

    Raises:
        DataError: this version knows no such way; ``origin`` names the file.
    """
    if splitting is not None and (not isinstance(splitting, str) or splitting not in SPLITTINGS):
        known = ", ".join(SPLITTINGS)
        raise DataError(f"{origin}: word_splitting is {splitting!r:.60}, expected one of {known}")
    return splitting


def choose_splitting(texts: Iterable[str], wanted: str) -> str | None:
    """Choose how to split texts into words.

    Args:
        texts: all texts of a corpus.
        wanted: the recipe's ``dataset.words``. ``auto`` takes the language of the texts if its packages are
            installed, else characters; spaces where the texts have them between words; and None where no text is in a
            script without spaces, and the reference's rule makes the same words.

    Raises:
        UsageError: a package that the wanted way needs is not installed.
    """
    if wanted != AUTO:
        check_installed(wanted)
        return wanted
    special = [text for text in texts if not text.isascii()]
    unspaced = [text for text in special if next(unspaced_runs(text), None)]
    if unspaced:
        if has_spaces(unspaced):
            return "spaces"
        language = _language(unspaced)
        return language if language is not None and not LANGUAGES[language].missing else "characters"
    return "spaces" if any(split_words(text, "spaces") != clean_words(text) for text in special) else None


def has_spaces(texts: Iterable[str]) -> bool:
    """Check whether texts in scripts without spaces have spaces between their words, as a program may have put them."""
    letters = chunks = 0
    for text in texts:
        sizes = [size for chunk in text.replace("\u200b", " ").split() if (size := _size(chunk))]
        if sum(sizes) > LONG_TEXT:
            letters += sum(sizes)
            chunks += len(sizes)
    return letters > 0 and letters <= WORD_CHARACTERS * chunks


def _size(chunk: str) -> int:
    """Count the characters of a chunk that are in a script without spaces."""
    return sum(len(characters(run, script)) for script, run in unspaced_runs(chunk))


def _letters(texts: Iterable[str]) -> Counter[str]:
    """Count the letters of each script without spaces, and the kana among them."""
    counts: Counter[str] = Counter()
    for text in texts:
        for script, run in unspaced_runs(text):
            counts[script] += len(run)
            if script == "cjk":
                counts["kana"] += len(_KANA.findall(run))
    return counts


def _names(counts: Counter[str]) -> list[str]:
    """Name the languages of the scripts, the most frequent first."""
    cjk = "Japanese" if counts["kana"] > JAPANESE_SHARE * counts["cjk"] else "Chinese"
    return [(_NAMES | {"cjk": cjk})[script] for script, _ in counts.most_common() if script != "kana"]


def _language(texts: Iterable[str]) -> str | None:
    """Return the key of the language that most letters belong to; None if spaCy has no tokenizer for it."""
    first = _names(_letters(texts))[0]
    return next((key for key, language in LANGUAGES.items() if language.name == first), None)


def unsplit(corpus: Corpus) -> list[int]:
    """List the utterances whose text has no spaces between words and was split at spaces all the same."""
    if corpus.text_frames is not None or corpus.word_splitting not in (None, "spaces"):
        return []
    texts = {row: text for row, text in _texts(corpus) if next(unspaced_runs(text), None)}
    return [] if has_spaces(texts.values()) else list(texts)


def _texts(corpus: Corpus) -> Iterable[tuple[int, str]]:
    """Yield the texts of a corpus that may be in another script, each with its position."""
    for row, utterance in enumerate(corpus.utterances):
        if not utterance.text.isascii():
            yield row, utterance.text


def describe_splitting(corpus: Corpus) -> str:
    """Say in a sentence how texts in scripts without spaces were split; empty if the corpus has none."""
    texts = [text for _, text in _texts(corpus) if next(unspaced_runs(text), None)]
    if not texts or corpus.text_frames is not None:
        return ""
    names = _names(_letters(texts))
    head, splitting = f"words: {plural(len(texts), 'text')} in {' and '.join(names)}", corpus.word_splitting
    if splitting in LANGUAGES:
        own = LANGUAGES[splitting]
        others = "" if names == [own.name] else f" where it is {own.name}, else into characters"
        return f"{head}, split into words by {own.modules[0]}{others}"
    if splitting == "characters":
        language = _language(texts)
        better = f" (for words: pip install 'sertool[{language}]', then prepare it with dataset.words={language})"
        return f"{head}, split into characters{better if language else ''}"
    if has_spaces(texts):
        return f"{head}, split at the spaces that they have"
    return f"{head}, split at spaces: whole sentences count as words"


def check_recipe(wanted: str, corpus: Corpus, origin: object) -> None:
    """Refuse a recipe that names another splitting than the corpus was prepared with.

    Args:
        wanted: the recipe's ``dataset.words``.
        corpus: the corpus.
        origin: folder of the corpus, for the message.

    Raises:
        UsageError: they differ.
    """
    if difference := splitting_difference(wanted, corpus):
        raise UsageError(f"{origin}: {difference}", hint=splitting_advice(wanted))


def splitting_difference(wanted: str, corpus: Corpus) -> str:
    """Say in which way the splitting of a corpus differs from the recipe's; empty if it does not."""
    own = corpus.word_splitting or "spaces"
    if wanted in (AUTO, own):
        return ""
    return f"was prepared with dataset.words={own} (recipe: {wanted})"


def splitting_advice(wanted: str) -> str:
    """Say what to do about :func:`splitting_difference`."""
    return f"prepare it again with --set dataset.words={wanted}, or train with --set dataset.words={AUTO}"
