"""A run beside its linear probe: what does its architecture gain over one linear layer on the same input?"""

from collections.abc import Iterator

from sertool.core.command_line import run_command
from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.formatting import first_few, plural
from sertool.core.metrics.distributions import DISTRIBUTION_METRICS
from sertool.core.metrics.selection import LOWER_IS_BETTER
from sertool.core.recipe.differences import INPUT, differences
from sertool.core.reports.compare.asked import comparable
from sertool.core.reports.compare.contents import MetricRow, Pair
from sertool.core.reports.compare.pairs import compare_judged, verdict
from sertool.core.reports.compare.runs import Judged, judge, open_contender
from sertool.core.reports.linear_row import LinearFigure, LinearRow
from sertool.core.reports.load import Loaded, as_sentence
from sertool.core.reports.provenance import input_notes
from sertool.core.reports.wording import change, change_interval, is_share, metric_name
from sertool.core.runs.folder import LINEAR


def linear_beside(run: Loaded) -> LinearRow | None:
    """Return the linear probe of a run that lies beside it as ``NAME-linear``; None if there is none.

    Raises:
        DataError: it cannot be read, or was given other data than the run.
    """
    name = run.name + LINEAR
    if (
        run.imported
        or run.recipe.model.architecture == "linear"
        or "test" not in run.sets
        or not run.folder.with_name(name).is_dir()
    ):
        return None
    try:
        linear = open_contender(name, run.folder.parent, "test")
        # Whoever names a probe may know why its input differs; one that is found by its name must have the same.
        other = [one for one in _differing(run, linear) if one.startswith(INPUT)]
        other[:0] = ["data or splits"] * (run.origin.data_hash != linear.origin.data_hash)
        if other:
            raise DataError(f"its input differs: {first_few(other)}", hint=f"--linear {name} shows it all the same")
        return _row(run, linear)
    except SertoolError as error:
        raise DataError(f"{name} is not shown beside {run.name}: {as_sentence(error)}") from error


def linear_named(run: Loaded, name: str) -> LinearRow:
    """Return the linear probe that a user names for a run.

    Raises:
        UsageError: there is no such run, or it or the run itself has the wrong architecture.
        DataError: one of them has no predictions of the test set, or these are of different utterances or labels.
    """
    if run.recipe.model.architecture == "linear":
        raise UsageError(f"--linear {name}: {run.name} is a linear probe itself", hint="leave --linear out")
    return _row(run, open_contender(name, run.folder.parent, "test"))


def _row(run: Loaded, linear: Loaded) -> LinearRow:
    _check(run, linear)
    own, probe = judge(run, "test"), judge(linear, "test")
    metrics = [name for name in comparable(own.stored.predictions.kind) if name not in DISTRIBUTION_METRICS]
    (pair,) = compare_judged([probe, own], metrics, run.by).pairs
    if pair.only_a or pair.only_b:
        raise DataError(
            f"{linear.name} and {run.name} have different test utterances: {pair.only_a:,} only in the first, "
            f"{pair.only_b:,} only in the second",
            hint=f"evaluate both on the same corpus: {run_command('ensemble', linear.folder, '--split', 'valid,test')}",
        )
    rows = [row for row in pair.metrics if not row.score]  # of several scores the means
    judged = next(row for row in rows if row.metric == run.recipe.training.select)
    # This metric was chosen before any test label was read, so its p-value is not corrected for the others.
    lower = judged.metric in LOWER_IS_BETTER
    told = verdict(judged.difference, judged.difference.p, tests=1, lower_is_better=lower)
    found = "cannot tell" if pair.by_cluster else told
    return LinearRow(
        name=linear.name,
        k=probe.contender.k,
        members=probe.contender.members,
        figures=tuple(LinearFigure(row.metric, row.b, row.a, row.difference) for row in rows),
        judged_by=judged.metric,
        verdict=found,
        sentence=_sentence(run, own, pair, judged, found),
        notes=tuple(_notes(run, linear, probe, pair)),
    )


def _check(run: Loaded, linear: Loaded) -> None:
    if "test" not in run.sets:
        raise DataError(
            f"{run.name}: no stored predictions for the test split",
            hint=run_command("ensemble", run.folder, "--split", "valid,test"),
        )
    if (architecture := linear.recipe.model.architecture) != "linear":
        raise UsageError(
            f"{linear.name}: its architecture is {architecture}, expected linear",
            hint=f"sertool train --recipe RECIPE --name {run.name}{LINEAR} --set model.architecture=linear",
        )


def _sentence(run: Loaded, own: Judged, pair: Pair, judged: MetricRow, found: str) -> str:
    """Say whether the architecture is worth its parameters, with the difference in the metric of the verdict."""
    model = "the fusion" if len(run.recipe.dataset.modalities) > 1 else f"the {run.recipe.model.title}"
    difference, metric = judged.difference, judged.metric
    between = "" if difference.low is None else f" (95 % interval {change_interval(difference, metric)})"
    size = f"{change(difference.value, metric, 1)}{' points' * is_share(metric)}"
    figures = f"{metric_name(metric, own.stored.predictions.kind)} {size}{between}"
    if pair.by_cluster:
        lower = metric in LOWER_IS_BETTER
        better = sum(
            (one.b[metric] < one.a[metric]) if lower else (one.b[metric] > one.a[metric]) for one in pair.by_cluster
        )
        of = plural(pair.clusters, pair.unit)
        return (
            f"{of} cannot tell whether {model} is better than its linear probe: {figures}, "
            f"{'lower' if lower else 'higher'} for {better} of {of}"
        )
    if found == "better":
        return f"{model} earns its keep beside its linear probe: {figures}"
    if found == "worse":
        return f"{model} is worse than its linear probe: {figures}"
    return f"{model} is not shown to be better than its linear probe: {figures}"


def _notes(run: Loaded, linear: Loaded, probe: Judged, pair: Pair) -> Iterator[str]:
    yield from pair.notes
    told = ["", *input_notes(linear.recipe)]  # the section of the run tells these
    notes = (probe.contender.stamp, *probe.contender.notes)
    yield from (f"{linear.name}: {note}" for note in notes if note not in told)
    if other := _differing(run, linear):
        yield f"{linear.name} has other settings: {first_few(other)}"


def _differing(run: Loaded, linear: Loaded) -> list[str]:
    """List the settings that differ apart from the architecture, as ``training.learning_rate 0.0001 -> 0.001``."""
    found = differences(run.recipe, linear.recipe, (*INPUT, "model", "context", "training"))
    return [one for one in found if not one.startswith("model.architecture ")]
