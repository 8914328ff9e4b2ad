"""Stored predictions of scores and of classes with raters' votes, made of random numbers without training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scored_corpora import RANGES, scored_recipe
from stored_sets import MEMBERS, make_origin, make_set

from sertool.core.metrics.scores import score_figures
from sertool.core.recipe.schema import Recipe
from sertool.core.runs.prediction_files import Origin, StoredSet
from sertool.core.runs.predictions import MemberScore, Predictions


def score_origin(scores: Sequence[str] = ("valence", "arousal"), recipe: Recipe | None = None, **changes) -> Origin:
    """Describe a clean run that predicts scores; ``changes`` replace fields."""
    means = [sum(RANGES[name]) / 2 for name in scores]
    fields = {"task": ", ".join(scores), "rule": "scores", "train_classes": [], "train_means": means, **changes}
    return make_origin(recipe or scored_recipe(), **fields)


def make_score_set(
    name: str = "test",
    number: int = 400,
    *,
    noise: float = 0.15,
    slope: float = 1.0,
    scores: Sequence[str] = ("valence", "arousal"),
    origin: Origin | None = None,
    members: int = MEMBERS,
    speakers: int = 10,
    missing: int = 0,
    seed: int = 1,
) -> StoredSet:
    """Make predictions that miss the true scores by normal noise.

    Args:
        name: name of the set.
        number: number of utterances.
        noise: its standard deviation, as a share of each score's range.
        slope: what is left of a true score's distance from the middle of its range; 0 predicts always the middle.
        scores: names of ``RANGES``.
        origin: origin of the predictions.
        members: number of members, each with noise of its own beside that of all.
        speakers: number of speakers.
        missing: every utterance of this number in a row lacks the last score; 0: none does.
        seed: seed of the noise; the true scores are the same for every seed.
    """
    base = make_set(name, number, members=members, speakers=speakers)
    truth, random = (np.random.default_rng([own, name == "test"]) for own in (0, seed))
    low, high = np.array([RANGES[one] for one in scores]).T
    targets = low + (high - low) * truth.beta(2, 2, (number, len(scores)))
    shared, own = (random.normal(0, noise, shape) for shape in (targets.shape, (members, *targets.shape)))
    told = (low + high) / 2 + slope * (targets - (low + high) / 2)
    values = (told + (shared + own / 2) * (high - low)).astype(np.float32)
    if missing:
        targets[::missing, -1] = np.nan
    judged = [score_figures(targets, one) for one in values]
    predictions = Predictions(
        set=name,
        utterances=base.predictions.utterances,
        ids=base.predictions.ids,
        logits=values,
        targets=targets,
        kind="scores",
        classes=tuple(scores),
        members=tuple(MemberScore(f"run-{n + 1}", 0, None, one["ccc"], one) for n, one in enumerate(judged)),
        ranges=tuple(RANGES[one] for one in scores),
    )
    return StoredSet(origin or score_origin(scores), predictions, base.spoken)


def make_voted_set(name: str = "test", number: int = 400, *, raters: int = 5, **options) -> StoredSet:
    """Make predictions of :func:`make_set` beside the votes of raters, who agree with most labels."""
    stored = make_set(name, number, **options)
    own = stored.predictions
    random = np.random.default_rng([7, name == "test"])
    shares = np.full((number, len(own.classes)), 0.4 / (len(own.classes) - 1))
    shares[np.arange(number), own.targets] = 0.6
    votes = np.stack([random.multinomial(raters, one) for one in shares]) / raters
    return replace(stored, predictions=replace(own, votes=votes))
