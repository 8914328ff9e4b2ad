"""Texts that say nothing about the label, because each of them is spoken with many labels, or many scores.

Recordings of actors are often of this kind: every emotion is played with every sentence, so a model of the text has
nothing to learn.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.tasks import Target
from sertool.core.doctor.findings import Finding, found
from sertool.core.doctor.subject import Subject
from sertool.core.formatting import cut, plural

# Share of the errors of always guessing the most frequent label that the text must avoid; below it, it cannot tell.
AVOIDED = 0.25
_LONGEST = 60  # characters of a text among the examples

Labels = Counter[Target]


def check(subject: Subject) -> Iterator[Finding]:
    """Report texts from which neither the label nor any score can be told."""
    if not subject.uses("text") or subject.corpus.text_frames is not None:
        return
    if subject.task.kind == "scores":
        yield from _of_scores(subject)
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


def _of_scores(subject: Subject) -> Iterator[Finding]:
    rows = [row for row, target in enumerate(subject.targets) if subject.corpus.utterances[row].words and target]
    texts = [subject.corpus.utterances[row].words for row in rows]
    scores = np.array([subject.targets[row] for row in rows], np.float64).reshape(len(rows), -1)
    shares = [share for column in scores.T if (share := variance_explained(texts, column)) is not None]
    if not shares or max(shares) >= AVOIDED:
        return
    often = {words: number for words, number in Counter(texts).items() if number > 1}
    each = f"each of {len(often):,} texts" if len(often) > 1 else "the same text"
    text = f"the text cannot tell: {each} occurs with scores that differ almost as much as all of them do"
    examples = (f"{cut(' '.join(words), _LONGEST)!r}: {number} utterances" for words, number in often.items())
    yield found("text-cannot-tell", len(often), text, examples)


def variance_explained(texts: Sequence[Hashable], scores: NDArray[np.float64]) -> float | None:
    """Return the share of the variance of a score that lies between texts.

    The variance within a text is that of its utterances, of n - 1. A text that occurs once has none, and so counts as
    one that tells: nothing shows that it does not. Where each text occurs equally often, the share is the intraclass
    correlation of a one-way analysis of variance but for terms of the order of one over the number of texts.

    Args:
        texts: N texts.
        scores: (N,) scores, NaN where one is missing.

    Returns:
        The share, which chance may make negative; None where the scores do not differ.

    >>> variance_explained(["no", "no", "yes", "yes"], np.array([1.0, 1.0, 2.0, 2.0]))
    1.0
    """
    groups = defaultdict[Hashable, list[float]](list)
    for text, score in zip(texts, scores.tolist(), strict=True):
        if not math.isnan(score):
            groups[text].append(score)
    known = scores[~np.isnan(scores)]
    if len(known) < 2 or not np.ptp(known):
        return None
    within = sum(len(own) * float(np.var(own, ddof=1)) for own in groups.values() if len(own) > 1)
    return 1 - within / (len(known) * float(np.var(known, ddof=1)))


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
