"""Metrics, their 95 % intervals by jackknife over clusters, and tests of whether two models differ."""

from sertool.core.metrics.clusters import FEWEST, Clusters, choose_clusters, clusters_of, few_by_name, few_clusters
from sertool.core.metrics.intervals import (
    Interval,
    class_estimates,
    decision_differences,
    decision_estimates,
    uar_interval,
)
from sertool.core.metrics.jackknife import Difference, Estimate, Jackknife
from sertool.core.metrics.significance import McNemar, cohens_h, fisher_less, holm, mcnemar

__all__ = [
    "FEWEST",
    "Clusters",
    "Difference",
    "Estimate",
    "Interval",
    "Jackknife",
    "McNemar",
    "choose_clusters",
    "class_estimates",
    "clusters_of",
    "cohens_h",
    "decision_differences",
    "decision_estimates",
    "few_by_name",
    "few_clusters",
    "fisher_less",
    "holm",
    "mcnemar",
    "uar_interval",
]
