"""Training words without a word vector, which start from zeros."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sertool.core.corpora.corpus import CachedVocabulary
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.errors import DataError, UsageError
from sertool.core.formatting import plural, share


def check(subject: Subject, data_dir: Path) -> Iterator[Finding]:
    """Look up the training words of all folds, in the cached vectors where the corpus has some."""
    cached, source = subject.corpus.vocabulary, subject.recipe.dataset.vectors
    if not subject.uses("text") or subject.corpus.text_frames is not None:
        return
    if cached is None and source == "none":
        return
    rows = {row: None for fold in subject.folds for row in fold.sets["train"]}
    words = list(dict.fromkeys(word for row in rows for word in subject.corpus.utterances[row].words))
    if cached is not None:
        missing, name = _without_row(cached, words), "the vectors that came with the corpus"
    else:
        # Imported here: spaCy takes a second.
        from sertool.core.corpora.word_vectors import load_vectors

        try:
            vectors = load_vectors(source, words, data_dir=data_dir)
        except (DataError, UsageError) as error:
            yield found("no-vectors", 1, f"the recipe's word vectors: {error}", (), error.hint or "")
            return
        missing = [word for word, there in zip(words, vectors.found, strict=True) if not there]
        name = vectors.source
    if missing:
        text = f"{plural(len(missing), 'training word')} ({share(len(missing), len(words))}) not in {name}"
        yield found("no-vector", len(missing), text, missing)


def _without_row(cached: CachedVocabulary, words: list[str]) -> list[str]:
    known = np.any(cached.vectors, axis=1).tolist()  # a row of zeros stands for a word without a vector
    return [word for word in words if word not in cached.index or not known[cached.index[word]]]
