"""Words of texts: split as the recipe says, split at all, and known from training."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sertool.core.corpora.splitting import splitting_advice, splitting_difference, unsplit
from sertool.core.doctor.findings import Finding, found, places
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import plural


@dataclass(frozen=True)
class KnownWords:
    """The words of the test utterances that are in the training utterances too, over all folds.

    Attributes:
        words: number of words.
        known: number of words that are known from training.
        distinct: number of different words.
        distinct_known: number of different words that are known.
    """

    words: int
    known: int
    distinct: int
    distinct_known: int

    def to_json(self) -> dict[str, int]:
        """Return the numbers as plain data for a JSON file."""
        return asdict(self)


def check(subject: Subject) -> Iterator[Finding]:
    """Report texts that are not split into words, and a corpus that is split in another way than the recipe's."""
    if not subject.uses("text"):
        return
    wanted = subject.recipe.dataset.words
    if difference := splitting_difference(wanted, subject.corpus):
        yield found("splitting", 1, difference, (), splitting_advice(wanted))
    if rows := unsplit(subject.corpus):
        text = f"{plural(len(rows), 'text')} without spaces between words, split at spaces all the same"
        yield found("unsplit", len(rows), text, places(subject.corpus, rows))


def known_words(subject: Subject) -> KnownWords | None:
    """Count the words of test that training knows; None without words or without a test set."""
    if not subject.uses("text") or subject.corpus.text_frames is not None:
        return None
    texts = [utterance.words for utterance in subject.corpus.utterances]
    words = known = distinct = distinct_known = 0
    for fold in subject.folds:
        trained = {word for row in fold.sets["train"] for word in texts[row]}
        tested = [word for row in fold.sets.get("test", ()) for word in texts[row]]
        different = set(tested)
        words += len(tested)
        known += sum(word in trained for word in tested)
        distinct += len(different)
        distinct_known += len(different & trained)
    return KnownWords(words, known, distinct, distinct_known) if words else None
