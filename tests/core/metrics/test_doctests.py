"""The examples in docstrings run, and every public function of these modules has one."""

import doctest
import importlib
import inspect

import pytest

# How many examples each module has, and its public functions without one. Those work on whole tables,
# which no short example shows; they have tests of their own.
MODULES = {
    "metrics.agreement": (17, set()),
    "metrics.baselines": (7, set()),
    "metrics.bootstrap": (9, set()),
    "metrics.calibration": (11, {"calibrate"}),
    "metrics.classification": (15, {"indicators", "counts_of", "report_text", "report_table"}),
    "metrics.clusters": (7, {"clusters_of"}),
    "metrics.conformal": (8, {"fit_intervals"}),
    "metrics.distributions": (4, {"distribution_estimates", "distribution_differences"}),
    "metrics.intervals": (3, {"decision_estimates", "class_estimates", "decision_differences"}),
    "metrics.jackknife": (3, set()),
    "metrics.reliability": (5, {"ece_estimate", "brier_estimate"}),
    "metrics.moments": (12, set()),
    "metrics.scores": (9, {"dimension_estimates", "mean_estimates", "score_differences", "dimension_differences"}),
    "metrics.score_agreement": (8, set()),
    "metrics.sentiment": (7, {"sentiment_estimates", "score_estimates"}),
    "metrics.significance": (4, set()),
    "inference.notebook": (4, {"bars", "facts", "table", "tracks"}),
    "inference.trust": (3, set()),
    "prepare.audio_paths": (1, {"find_audio", "why_missing", "is_audio_name", "is_file"}),
    "prepare.pattern": (1, {"parse_pattern"}),
    "prepare.label_columns": (3, {"is_label_column", "is_rater", "holds_classes", "label_columns"}),
    "prepare.raters": (3, {"places_of", "tie_notes", "check_classes", "doubtful_classes"}),
    "prepare.ranges": (1, set()),
    "prepare.scale": (2, {"parse_scale"}),
    "prepare.scores": (2, {"read_scores"}),
    "prepare.votes": (1, {"expand_votes"}),
    "formatting": (16, {"first_lines", "wrapped", "aligned", "total_width"}),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name):
    module = importlib.import_module(f"sertool.core.{name}")
    result = doctest.testmod(module)
    assert (result.failed, result.attempted) == (0, MODULES[name][0])


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_an_example(name):
    module = importlib.import_module(f"sertool.core.{name}")
    own = {
        key: function
        for key, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not key.startswith("_")
    }
    assert {key for key, function in own.items() if ">>>" not in function.__doc__} == MODULES[name][1]
