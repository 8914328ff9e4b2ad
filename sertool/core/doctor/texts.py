"""Texts that say nothing about the label, because each of them is spoken with many labels.

Recordings of actors are often of this kind: every emotion is played with every sentence, so a model of the text has
nothing to learn.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from sertool.core.corpora.tasks import Target
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import cut, plural

# Share of the errors of always guessing the most frequent label that the text must avoid; below it, it cannot tell.
AVOIDED = 0.25
_LONGEST = 60  # characters of a text among the examples

Labels = Counter[Target]


def check(subject: Subject) -> Iterator[Finding]:
    """Report texts from which the label cannot be told."""
    if not subject.uses("text") or subject.corpus.text_frames is not None:
        return
    labels: dict[tuple[str, ...], Labels] = defaultdict(Counter)
    for utterance, target in zip(subject.corpus.utterances, subject.targets, strict=True):
        if utterance.words and target is not None:
            labels[utterance.words][target] += 1
    share = errors_avoided(labels)
    if share is None or share >= AVOIDED:
        return
    several = {words: own for words, own in labels.items() if len(own) > 1}
    numbers = sorted(map(len, several.values()))
    number = f"{numbers[0]}" if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"
    each = f"each of {len(several):,} texts" if len(several) > 1 else "the same text"
    others = f", {plural(len(labels) - len(several), 'other')} with one" if len(labels) > len(several) else ""
    text = f"the text cannot tell: {each} occurs with {number} labels{others}"
    examples = (f"{cut(' '.join(words), _LONGEST)!r}: {len(own)} labels" for words, own in several.items())
    yield found("text-cannot-tell", len(several), text, examples)


def errors_avoided(labels: Mapping[tuple[str, ...], Labels]) -> float | None:
    """Return the share of errors that the text avoids, against always guessing the most frequent label.

    The guess for an utterance is the most frequent label of the *other* utterances with its text; of several, one at
    random. A text that occurs once counts as one that tells: nothing shows that it does not. The share is 1 where
    the text decides the label, 0 where it does not help, and may be negative. In sample it is the lambda of
    L. Goodman, W. Kruskal, "Measures of Association for Cross Classifications", JASA 49, 1954.

    Args:
        labels: number of utterances of each label, for each text.

    Returns:
        The share; None where there is one label or none, so that there is nothing to tell.

    >>> errors_avoided({("yes",): Counter({0: 5}), ("no",): Counter({1: 5})})
    1.0
    >>> errors_avoided({("yes",): Counter({0: 6, 1: 4}), ("no",): Counter({0: 6, 1: 4})})
    0.0
    """
    total: Labels = Counter()
    right = 0.0
    for own in labels.values():
        total += own
        right += sum(number * _chance_of(label, own) for label, number in own.items())
    errors = total.total() - max(total.values(), default=0)
    return (right - (total.total() - errors)) / errors if errors else None


def _chance_of(label: Target, own: Labels) -> float:
    """Return the chance that the other utterances of a text lead to this label of one of them."""
    others = own - Counter({label: 1})  # drops a label that no other utterance has
    if not others:
        return 1.0
    most = max(others.values())
    best = [name for name, number in others.items() if number == most]
    return (label in best) / len(best)
