"""Scores by which epochs and members are chosen: of every metric, more is better."""

LOWER_IS_BETTER = ("mae", "rmse", "hamming", "cross_entropy", "jsd")  # errors and losses


def score_of_figure(figure: float, metric: str) -> float:
    """Return the score of a figure; an error gets a minus, so that more is better.

    >>> score_of_figure(0.6, "mae"), score_of_figure(0.6, "ccc")
    (-0.6, 0.6)
    """
    return -figure if metric in LOWER_IS_BETTER else figure


def figure_of_score(score: float, metric: str) -> float:
    """Return the figure of a score, the inverse of :func:`score_of_figure`.

    >>> figure_of_score(-0.6, "mae")
    0.6
    """
    return -score if metric in LOWER_IS_BETTER else score
