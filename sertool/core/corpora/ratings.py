"""Ratings of several raters as arrays: a vote for each rater who chose a class, or a number for each who gave a score.

An utterance keeps what each rater said by task (:attr:`~sertool.core.corpora.corpus.Utterance.ratings`). Whoever chose
several classes splits one vote evenly among them. Classes that the task does not have do not count: a rater who chose
none of the task's classes has no vote, and one who chose others beside has one vote among the task's.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Rating

FloatArray = NDArray[np.float64]
ROUNDING = 1e-9  # shares of one vote, such as thirds, do not add up exactly
IntArray = NDArray[np.int64]


def shares_of(ratings: Mapping[str, Rating] | None, classes: Sequence[str]) -> FloatArray | None:
    """Return (C,) the share of an utterance's raters who chose each class; None where nobody chose any.

    Args:
        ratings: a class, or several, by rater; None where nothing is known.
        classes: names of the classes, C of them.

    >>> shares_of({"ann": "sad", "bob": ("angry", "sad"), "cas": "bored"}, ["angry", "sad"]).tolist()
    [0.25, 0.75]
    >>> shares_of({"cas": "bored"}, ["angry", "sad"])
    """
    places = {name: place for place, name in enumerate(classes)}
    shares = np.zeros(len(classes))
    for said in (ratings or {}).values():
        if chosen := _chosen(said, places):
            shares[list(chosen)] += 1 / len(chosen)
    total = shares.sum()
    return shares / total if total else None


def votes_of(corpus: Corpus, task: str, classes: Sequence[str]) -> FloatArray:
    """Return (N, C) the shares of :func:`shares_of` for each utterance, NaN where nobody chose any of the classes.

    Args:
        corpus: N utterances.
        task: name of the task.
        classes: names of its classes, C of them.
    """
    of, said = each_vote(corpus, task, classes)
    sums = np.zeros((len(corpus.utterances), len(classes)))
    np.add.at(sums, of, said)
    total = sums.sum(1, keepdims=True)
    return np.asarray(sums / np.where(total > 0, total, np.nan))


def each_vote(corpus: Corpus, task: str, classes: Sequence[str]) -> tuple[IntArray, FloatArray]:
    """Return every vote of a task: (V,) the utterance that it is about, and (V, C) its share of each class.

    A row has a single 1, or equal shares where the rater chose several classes; it sums to 1. Utterances come in the
    order of the corpus.

    Args:
        corpus: the utterances.
        task: name of the task.
        classes: names of its classes, C of them.
    """
    places = {name: place for place, name in enumerate(classes)}
    known: dict[Rating, FloatArray | None] = {}  # corpora have few different votes, and up to a million of them
    of, said = list[int](), list[FloatArray]()
    for row, utterance in enumerate(corpus.utterances):
        for rating in (utterance.ratings or {}).get(task, {}).values():
            if rating not in known:
                known[rating] = _vote(rating, places)
            if (vote := known[rating]) is not None:
                of.append(row)
                said.append(vote)
    return np.array(of, np.int64), np.array(said, np.float64).reshape(len(said), len(classes))


def each_score(corpus: Corpus, task: str) -> tuple[IntArray, FloatArray]:
    """Return every rater's score of a task: (V,) the utterance that it is about, and (V,) the score in its units.

    Classes that some raters named instead do not count. Utterances come in the order of the corpus.

    Args:
        corpus: the utterances.
        task: name of the task.
    """
    pairs = [
        (row, rating)
        for row, utterance in enumerate(corpus.utterances)
        for rating in (utterance.ratings or {}).get(task, {}).values()
        if isinstance(rating, int | float)
    ]
    return np.array([row for row, _ in pairs], np.int64), np.array([score for _, score in pairs], np.float64)


def rated_tasks(corpus: Corpus) -> dict[str, tuple[str, ...]]:
    """Return the classes of each task that at least one rater rated; none for scores.

    They are the corpus's own, or else all that raters named, in alphabetical order. Emotion comes first.
    """
    found: dict[str, set[str]] = {}
    seen: set[tuple[str, Rating]] = set()  # corpora have few different votes, and up to a million of them
    for utterance in corpus.utterances:
        for task, ratings in (utterance.ratings or {}).items():
            for rating in ratings.values():
                if (task, rating) not in seen:
                    seen.add((task, rating))
                    found.setdefault(task, set()).update(_names(rating))
    order = sorted(found, key=lambda task: (task != "emotion", not found[task], task))
    return {task: tuple(corpus.classes.get(task, sorted(found[task]))) for task in order}


def _vote(rating: Rating, places: Mapping[str, int]) -> FloatArray | None:
    chosen = _chosen(rating, places)
    if not chosen:
        return None
    vote = np.zeros(len(places))
    vote[list(chosen)] = 1 / len(chosen)
    return vote


def _chosen(rating: Rating, places: Mapping[str, int]) -> set[int]:
    """Return the numbers of the classes that a rater chose; empty for a score and for classes of other tasks."""
    return {places[name] for name in _names(rating) if name in places}


def _names(rating: Rating) -> tuple[str, ...]:
    return (rating,) if isinstance(rating, str) else rating if isinstance(rating, tuple) else ()


def favourites(ratings: Mapping[str, Rating]) -> set[str]:
    """Return the class that most raters of an utterance chose, or those that tie; all classes that they named count.

    >>> sorted(favourites({"ann": "sad", "bob": ("angry", "sad"), "cas": "bored", "dan": "bored"}))
    ['bored']
    """
    votes: dict[str, float] = defaultdict(float)
    for said in ratings.values():
        names = (said,) if isinstance(said, str) else said if isinstance(said, tuple) else ()
        for name in names:
            votes[name] += 1 / len(names)
    most = max(votes.values(), default=0.0)
    return {name for name, number in votes.items() if number > most - ROUNDING}
