"""Agreement of a corpus's raters on each task, by class and by speaker, and the ceilings that they set for models."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.corpora.corpus import Corpus, Utterance
from sertool.core.corpora.ratings import each_score, each_vote, rated_tasks
from sertool.core.corpora.targets import raters_tie
from sertool.core.metrics import Clusters, Estimate, Jackknife, clusters_of
from sertool.core.metrics import agreement as classes_of
from sertool.core.metrics import score_agreement as scores_of
from sertool.core.metrics.agreement import Votes, alpha_by, majorities
from sertool.core.metrics.moments import mae_of, quotient
from sertool.core.metrics.score_agreement import Ratings

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """Agreement on the utterances of a class or of a speaker.

    Attributes:
        utterances: utterances with at least two raters: those of the speaker, or those of which most raters chose the
            class.
        alpha: Krippendorff's alpha; of a class, between that class and all others; of a speaker, by the disagreement
            that chance gives in the whole corpus.
        ceiling: how well one rater predicts the others: of a class, how often a rater chooses it where most of the
            others did; of a speaker the accuracy, or for scores the MAE.
    """

    utterances: int
    alpha: Estimate
    ceiling: Estimate

    def to_json(self) -> dict[str, Any]:
        """Return the part as plain data for a JSON file."""
        return {"utterances": self.utterances, "alpha": plain(self.alpha), "ceiling": plain(self.ceiling)}


@dataclass(frozen=True)
class Numbers:
    """Numbers of raters.

    Attributes:
        utterances: utterances with at least two raters, which the figures of agreement are about.
        alone: utterances with one rater.
        ratings: ratings of all these utterances.
        fewest, most: least and largest number of raters of one of them.
        ties: utterances without a majority; None for scores.
    """

    utterances: int
    alone: int
    ratings: int
    fewest: int
    most: int
    ties: int | None

    @property
    def mean(self) -> float:
        """Mean number of raters of a rated utterance."""
        return self.ratings / (self.utterances + self.alone)


@dataclass(frozen=True)
class Agreement:
    """Agreement of raters on a task.

    Attributes:
        task: name of the task.
        classes: its classes; empty for scores.
        raters: numbers of raters and utterances.
        alpha: Krippendorff's alpha.
        kappa: Fleiss' kappa; None for scores.
        spread: standard deviation of an utterance's raters, in the scores' unit; None for classes.
        ceilings: figures of one rater against the others: ``accuracy`` and ``uar`` against their majority; for scores
            ``ccc``, ``pearson``, ``mae``, ``rmse`` and ``r2`` against their mean.
        clusters: clusters that the intervals are over.
        by_class, by_speaker: the same by name; ``by_class`` is empty for scores.
    """

    task: str
    classes: tuple[str, ...]
    raters: Numbers
    alpha: Estimate
    kappa: Estimate | None
    spread: Estimate | None
    ceilings: dict[str, Estimate]
    clusters: Clusters
    by_class: dict[str, Part]
    by_speaker: dict[str, Part]

    def to_json(self) -> dict[str, Any]:
        """Return the agreement as plain data for a JSON file; a figure that is not defined is null."""
        own = {"kappa": self.kappa, "spread": self.spread}
        return {
            "kind": "classes" if self.classes else "scores",
            "classes": list(self.classes),
            "utterances": self.raters.utterances,
            "one_rater": self.raters.alone,
            "ratings": self.raters.ratings,
            "raters": {"mean": self.raters.mean, "fewest": self.raters.fewest, "most": self.raters.most},
            "ties": self.raters.ties,
            "unit": self.clusters.unit,
            "clusters": self.clusters.number,
            "note": self.clusters.note,
            "alpha": plain(self.alpha),
            **{name: plain(one) for name, one in own.items() if one is not None},
            "ceilings": {name: plain(one) for name, one in self.ceilings.items()},
            "by_class": {name: part.to_json() for name, part in self.by_class.items()},
            "by_speaker": {name: part.to_json() for name, part in self.by_speaker.items()},
        }


def plain(own: Estimate) -> dict[str, float | None]:
    """Return a figure with its interval as plain data for a JSON file; null where it is not defined.

    >>> plain(Estimate(float("nan")))
    {'value': None, 'low': None, 'high': None}
    """
    return {"value": own.value if math.isfinite(own.value) else None, "low": own.low, "high": own.high}


def agreements(corpus: Corpus, leave_out: Collection[str] = ()) -> dict[str, Agreement]:
    """Return the agreement on each task that at least one rater rated, by its name, but for those to leave out."""
    rated = {task: classes for task, classes in rated_tasks(corpus).items() if task not in leave_out}
    found = {task: agreement_on(corpus, task, classes) for task, classes in rated.items()}
    return {task: own for task, own in found.items() if own is not None}


def agreement_on(corpus: Corpus, task: str, classes: Sequence[str]) -> Agreement | None:
    """Return how much raters agree on a task; None where nobody rated it.

    Args:
        corpus: the utterances with what each rater said.
        task: name of the task.
        classes: its classes; votes for others do not count, nor do utterances without a label whose raters favour
            another class. Where nobody chose any of them, raters' scores count.
    """
    number = len(corpus.utterances)
    of, said = each_vote(corpus, task, classes)
    if len(of):
        kept = np.array([_is_of(one, task, classes) for one in corpus.utterances], np.bool_)[of]
        return _on_classes(corpus, task, tuple(classes), Votes(of[kept], said[kept], number)) if kept.any() else None
    of, scores = each_score(corpus, task)
    return _on_scores(corpus, task, Ratings(of, scores, number)) if len(of) else None


def ceilings_of(corpus: Corpus, task: str, classes: Sequence[str], rows: Sequence[int]) -> dict[str, Estimate]:
    """Return the accuracy and UAR that raters set for a model on some utterances, with intervals over their clusters.

    The figures are those of one rater against the majority of the others, see
    :func:`~sertool.core.metrics.agreement.accuracy_ceiling`. Utterances whose raters tie have no label, so they are in
    no set. Without them raters would seem to agree more than they do: those of the same split and speaker count, too.

    Args:
        corpus: the utterances with labels and ratings.
        task: name of the task.
        classes: its classes.
        rows: positions of the utterances, as of a test set.

    Returns:
        ``accuracy`` and ``uar``; NaN where no utterance has two raters.
    """
    utterances = corpus.utterances
    chosen = sorted({*rows, *tied_beside(corpus, task, classes, rows)})
    of, said = each_vote(corpus, task, classes)
    of, kept = _moved(of, chosen, len(utterances))
    jackknife = Jackknife(clusters_of([utterances[row] for row in chosen]))
    return _class_ceilings(Votes(of, said[kept], len(chosen)), jackknife)


def tied_beside(corpus: Corpus, task: str, classes: Sequence[str], rows: Sequence[int]) -> list[int]:
    """Return the positions of utterances whose raters tie, of the same split and speaker as some utterances.

    They have no label, so they are in no validation or test set.

    Args:
        corpus: the utterances with labels and ratings.
        task: name of the task.
        classes: its classes.
        rows: positions of the utterances, as of a test set.
    """
    utterances = corpus.utterances
    places = {(utterances[row].split, utterances[row].speaker) for row in rows}
    return [
        row
        for row, one in enumerate(utterances)
        if task not in one.labels and (one.split, one.speaker) in places and _is_of(one, task, classes)
    ]


def score_ceilings_of(corpus: Corpus, task: str, rows: Sequence[int]) -> dict[str, Estimate]:
    """Return the figures of one rater against the mean of the others on some utterances, by key, as ``ccc``.

    Args:
        corpus: the utterances with what each rater said.
        task: name of the score.
        rows: positions of the utterances, as of a test set.
    """
    of, said = each_score(corpus, task)
    of, kept = _moved(of, rows, len(corpus.utterances))
    jackknife = Jackknife(clusters_of([corpus.utterances[row] for row in rows]))
    return scores_of.score_ceilings(Ratings(of, said[kept], len(rows)), jackknife)


def _is_of(utterance: Utterance, task: str, classes: Sequence[str]) -> bool:
    """Check whether an utterance belongs to a task: it has a label, or its raters tie between classes of the task."""
    return task in utterance.labels or raters_tie((utterance.ratings or {}).get(task, {}), classes)


def _moved(of: IntArray, rows: Sequence[int], number: int) -> tuple[IntArray, Mask]:
    """Return the ratings of some utterances: (W,) their places among these, and (V,) True for those that are kept."""
    places = np.full(number, -1)
    places[np.asarray(rows, np.int64)] = np.arange(len(rows))
    moved = places[of]
    return moved[moved >= 0], moved >= 0


def _class_ceilings(votes: Votes, jackknife: Jackknife) -> dict[str, Estimate]:
    return {
        "accuracy": classes_of.accuracy_ceiling(votes, jackknife),
        "uar": classes_of.uar_ceiling(votes, jackknife),
    }


def _on_classes(corpus: Corpus, task: str, classes: tuple[str, ...], votes: Votes) -> Agreement:
    clusters = clusters_of(corpus.utterances)
    jackknife = Jackknife(clusters)
    most = majorities(votes)
    recalls = classes_of.recall_ceilings(votes, jackknife)
    by_class = {
        name: Part(
            int(((most == number) & votes.compared).sum()),
            classes_of.nominal_alpha(votes.rest(number), jackknife),
            recalls[number],
        )
        for number, name in enumerate(classes)
    }
    terms = classes_of.alpha_columns(votes)
    parts = _Parts(terms, float(classes_of.expected_of(terms.sum(0))), classes_of.ceiling_columns(votes), _right)
    return Agreement(
        task=task,
        classes=classes,
        raters=_numbers(votes, int(((votes.raters > 0) & (most < 0)).sum())),
        alpha=classes_of.nominal_alpha(votes, jackknife),
        kappa=classes_of.fleiss_kappa(votes, jackknife),
        spread=None,
        ceilings=_class_ceilings(votes, jackknife),
        clusters=clusters,
        by_class=by_class,
        by_speaker=parts.by_speaker(corpus, votes.compared),
    )


def _on_scores(corpus: Corpus, task: str, ratings: Ratings) -> Agreement:
    clusters = clusters_of(corpus.utterances)
    jackknife = Jackknife(clusters)
    terms = scores_of.alpha_columns(ratings)
    parts = _Parts(terms, float(scores_of.expected_of(terms.sum(0))), scores_of.ceiling_columns(ratings), mae_of)
    return Agreement(
        task=task,
        classes=(),
        raters=_numbers(ratings, None),
        alpha=scores_of.interval_alpha(ratings, jackknife),
        kappa=None,
        spread=scores_of.spread(ratings, jackknife),
        ceilings=scores_of.score_ceilings(ratings, jackknife),
        clusters=clusters,
        by_class={},
        by_speaker=parts.by_speaker(corpus, ratings.compared),
    )


def _numbers(own: Votes | Ratings, ties: int | None) -> Numbers:
    rated = own.raters[own.raters > 0]
    utterances = int(own.compared.sum())
    return Numbers(utterances, len(rated) - utterances, int(rated.sum()), int(rated.min()), int(rated.max()), ties)


@dataclass(frozen=True)
class _Parts:
    """Terms of the figures of parts of a corpus.

    Attributes:
        terms: (N, S) terms of alpha.
        expected: disagreement that chance gives in the whole corpus.
        ceilings: (N, T) terms of ceilings.
        ceiling: computes the ceiling of each part from sums (G, T).
    """

    terms: Array
    expected: float
    ceilings: Array
    ceiling: Callable[[Array], Array]

    def by_speaker(self, corpus: Corpus, compared: Mask) -> dict[str, Part]:
        """Return the agreement on each speaker's utterances; ``compared`` (N,) is True for those with two raters."""
        names = sorted({utterance.speaker for utterance in corpus.utterances if utterance.speaker})
        places = {name: place for place, name in enumerate(names)}
        # Utterances of unknown speakers count as one more, which is not shown.
        index = np.array([places.get(utterance.speaker or "", len(names)) for utterance in corpus.utterances])
        alphas = alpha_by(_sums(self.terms[:, :2], index, len(names) + 1), self.expected)
        ceilings = self.ceiling(_sums(self.ceilings, index, len(names) + 1))
        counts = np.bincount(index[compared], minlength=len(names))
        return {
            name: Part(int(counts[place]), Estimate(float(alphas[place])), Estimate(float(ceilings[place])))
            for name, place in places.items()
            if counts[place]
        }


def _sums(columns: Array, index: NDArray[np.intp], number: int) -> Array:
    """Sum columns (N, S) over the utterances of each part: (``number``, S)."""
    return np.stack([np.bincount(index, one, number) for one in columns.T], axis=-1).astype(np.float64)


def _right(sums: Array) -> Array:
    """Return (...) how often a rater is right, from sums (..., 2 C) of ``ceiling_columns``."""
    right, asked = np.split(sums, 2, axis=-1)
    return quotient(right.sum(-1), asked.sum(-1))
