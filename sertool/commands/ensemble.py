"""``sertool ensemble``: average the members of a run and evaluate the result."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from sertool.commands import _options as options
from sertool.commands._console import console, say, table_width
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._other_corpus import Asked, OtherCorpus, judge_elsewhere
from sertool.commands._outputs import Outputs, corpus_inputs
from sertool.commands._score_figures import ceiling_lines, interval_lines, member_lines, score_lines, vote_lines
from sertool.commands._training import left_out
from sertool.core.formatting import padded, plural, printable, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sertool.core.inference.ensemble import Ensemble
    from sertool.core.inference.evaluate import Evaluation
    from sertool.core.inference.figures import ScoreFigures, VoteFigures
    from sertool.core.reports.details import Details
    from sertool.core.runs.ensemble_size import EnsembleSize
    from sertool.core.runs.predictions import Predictions


PROBED = "reading or listening?"

Split = Annotated[
    str | None,
    option(
        "--split",
        "Splits to evaluate: test, valid, private; with --corpus one of test, valid, train, all. Default: test.",
        "SPLIT,...",
        ("--sets",),
    ),
]
Csv = Annotated[
    Path | None,
    option("--csv", "Write one row per utterance to this file.", "FILE", ("--predictions",), dir_okay=False),
]
Probe = Annotated[bool, option("--probe", "Also evaluate with text, audio or context masked or shuffled.")]
CorpusOption = Annotated[Path | None, option("--corpus", "Judge the run on this other corpus.", "DIR", file_okay=False)]
TaskOption = Annotated[
    str | None, option("--task", "Label of the other corpus. Default: as in the training, or its only one.", "NAME")
]
CalibrateOption = Annotated[
    str | None,
    option("--calibrate-on", "Fit the temperature on validation of the other corpus. Default: not fitted.", "valid"),
]


def ensemble(
    name: options.Run,
    split: Split = None,
    members: options.Members = None,
    corpus: CorpusOption = None,
    label_map: options.LabelMap = None,
    task: TaskOption = None,
    calibrate_on: CalibrateOption = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    precision: options.EvaluationPrecision = None,
    csv: Csv = None,
    raw_csv: options.RawCsv = False,
    probe: Probe = False,
    json: options.Json = None,
) -> None:
    """Average the members of a run and evaluate the result.

    Members are ordered by their validation score, and the best 1, 2, ... are averaged. Validation chooses how many: all
    where it cannot tell. The size is stored with the run for every other command. So are the predictions, and a
    temperature fitted on validation, which calibrates the probabilities of sertool predict. A folder of the reference's
    best*.pkl files is read like a run.

    With --corpus, the run is judged on another corpus with the same frontend; a label map brings the classes of both
    under common names. The predictions are stored below the run, in on/CORPUS.
    """
    other = OtherCorpus(corpus, label_map, task, calibrate_on)
    other.refuse(split=split, probe=probe)
    files = Outputs({"--csv": csv, "--json": json}, [output / name])
    asked = Asked(name, output, split, members, data, device, precision, raw_csv)
    width = table_width()
    if corpus is not None:
        return judge_elsewhere(other, asked, files, width)
    _evaluate(asked, files, width, probe=probe)


def _evaluate(asked: Asked, files: Outputs, width: int | None, *, probe: bool) -> None:
    """Evaluate a run on its own corpus, and store, show and write the results."""
    from sertool.core.command_line import run_command
    from sertool.core.compute.device import choose
    from sertool.core.errors import SertoolError
    from sertool.core.files.csv_text import csv_text
    from sertool.core.inference.ensemble import open_ensemble
    from sertool.core.inference.evaluate import evaluate
    from sertool.core.runs.ensemble_size import read_size

    opened = open_ensemble(asked.name, asked.output, asked.data)
    files.spare(corpus_inputs(opened.experiment.recipe, asked.data))
    chosen = choose(asked.device, asked.precision or "fp32")
    talk = console()
    for line in [*left_out(opened.experiment), f"{plural(len(opened.members), 'member')} · {chosen.reason}"]:
        say(talk, line)
    say_kernels(talk, chosen.device)
    wanted = dict.fromkeys(part.strip() for part in (asked.split or "test").split(","))  # each once, in their order
    before = read_size(opened.folder)
    evaluation = evaluate(opened, list(wanted), asked.members, chosen, "sertool ensemble", probed=probe)
    results, k = evaluation.results, evaluation.k
    files.write("--csv", csv_text(_rows(results, k), raw=asked.raw_csv))
    judged = {own.set: judge(opened, own, evaluation) for own in results if own.targets is not None}
    for one in [one for one, own in judged.items() if probe and own.details.use is None]:
        say(talk, f"--probe: no verdict on {one}: one modality only, or logits that are not finite")
    files.write_json("--json", "evaluation", _table(opened, evaluation, judged))
    shown = [line for own in results for line in show(opened, own, k, judged.get(own.set), width)]
    stored = bool(judged) and not evaluation.unstored  # a report is of labelled splits
    following = [f"next: {run_command('report', asked.folder, data=asked.data)}"] * stored
    told = [*show_size(evaluation, before), *_trust(opened, evaluation, judged)]
    told = [part for line in told for part in wrapped(line, width)]
    files.show([*shown, *told, *following])
    if evaluation.unstored:
        raise SertoolError(evaluation.unstored)


@dataclass(frozen=True)
class Judged:
    """Facts about a labelled set beside the metrics of decisions.

    Attributes:
        details: its clusters and probes.
        scores: figures of predicted scores; None for a task of classes.
        votes: figures beside raters' votes; None without votes.
        table: both of these as plain data, for JSON.
    """

    details: "Details"
    scores: "ScoreFigures | None" = None
    votes: "VoteFigures | None" = None
    table: "Mapping[str, Any]" = field(default_factory=dict)


def _trust(opened: "Ensemble", evaluation: "Evaluation", judged: "Mapping[str, Judged]") -> list[str]:
    """Say what tells how far predictions can be trusted: intervals of scores, or calibrated probabilities."""
    if opened.experiment.task.kind != "scores":
        return [show_calibration(evaluation)]
    return interval_lines(evaluation, {one: own.scores for one, own in judged.items() if own.scores is not None})


def judge(opened: "Ensemble", result: "Predictions", evaluation: "Evaluation") -> Judged:
    """Compute what is shown of a labelled set beside the metrics of decisions."""
    from sertool.core.inference.figures import score_figures_of, score_table, vote_figures_of, vote_table
    from sertool.core.inference.label_facts import spoken_of
    from sertool.core.metrics import clusters_of
    from sertool.core.reports.data_files import plain
    from sertool.core.reports.details import details_of
    from sertool.core.runs.target_statistics import training_means

    experiment, k = opened.experiment, evaluation.k
    spoken, probes = spoken_of(experiment.corpus, result.utterances), dict(evaluation.probes.get(result.set, {}))
    modalities, folds = experiment.recipe.dataset.modalities, len(experiment.folds)
    temperature = evaluation.calibration.temperature if evaluation.calibration else 1.0
    details = details_of(result, spoken, probes, k, modalities, folds, temperature=temperature)
    clusters = clusters_of(spoken)
    if result.kind == "scores":
        means = training_means(experiment.targets, experiment.folds)
        scores = score_figures_of(result, k, clusters, means, evaluation.intervals)
        return Judged(details, scores, None, plain(score_table(result, scores)))
    votes = vote_figures_of(result, k, clusters, temperature)
    return Judged(details, None, votes, {"distribution": plain(vote_table(votes))} if votes else {})


def _table(opened: "Ensemble", evaluation: "Evaluation", judged: "Mapping[str, Judged]") -> dict[str, Any]:
    """Return everything as plain data, for JSON."""
    from sertool.core.inference.ensemble import result_table
    from sertool.core.inference.evaluate import calibration_table
    from sertool.core.inference.score_intervals import intervals_table
    from sertool.core.reports.data_files import plain

    table = result_table(opened, evaluation.results, evaluation.size)
    for one, own in judged.items():
        table["sets"][one] |= plain(own.details) | own.table
    coverage = {one: own.scores.coverage for one, own in judged.items() if own.scores is not None}
    table["calibration"] = calibration_table(evaluation)
    table["intervals"] = intervals_table(evaluation.intervals, evaluation.no_intervals, coverage)
    return table


def show(
    opened: "Ensemble", result: "Predictions", k: int, judged: "Judged | None", width: int | None = None
) -> list[str]:
    """Format the result of a set as lines: each member, each size of the ensemble, the chosen size, and the details.

    Args:
        opened: the members and their corpus.
        result: predictions of the set.
        k: number of averaged members.
        judged: facts about the set; None for a set without labels.
        width: columns of the terminal; None: no table is divided and no sentence wrapped.
    """
    lines = _heading(opened, result)
    if judged is None:
        saved = f"--csv FILE saves the predictions of {plural(k, 'member')}"
        return [*lines, "", f"this set has no labels, so there is nothing to evaluate; {saved}"]
    if judged.scores is not None:
        lines += member_lines(result, opened.experiment.recipe.training.select, k)
        lines += score_lines(result, judged.scores, k, width)
        told = ceiling_lines(result)
    else:
        lines += [*_decisions(opened, result, k), *_figures(result, k)]
        told = vote_lines(judged.votes)
    lines += [part for line in told for part in wrapped(line, width)]
    return [*lines, *show_details(judged.details, result, k)]


def _heading(opened: "Ensemble", result: "Predictions") -> list[str]:
    """Name the run and the set, and say what its user should know."""
    from sertool.core.reports.provenance import input_notes

    experiment = opened.experiment
    corpus = f"{experiment.corpus.name}{experiment.corpus.caveats}"
    lines = [f"{opened.name} · {corpus} · {result.set} · {len(result.ids):,} utterances"]
    lines += experiment.map_note.lines if experiment.map_note is not None else []
    lines += input_notes(experiment.recipe)
    if experiment.selected_on_test:
        lines.append("selected on test: members and their order were chosen on these utterances, as in the paper")
    if opened.seen_in_test and result.set == "test":
        lines.append(
            f"warning: the members started from {opened.started_from}, which was trained or selected on "
            f"{opened.seen_in_test} of these utterances"
        )
    if note := experiment.corpus.speakers_note:
        lines.append(f"warning: {note} [speakers-unknown]")
    return lines


def _decisions(opened: "Ensemble", result: "Predictions", k: int) -> list[str]:
    """Format the accuracy of each member and of each size of the ensemble, and the chosen size per class."""
    from sertool.core.reports.wording import figure, metric_name

    accuracy = metric_name("accuracy", result.kind)
    accuracies = ["" if one.accuracy is None else figure(one.accuracy) for one in result.members]
    lines = ["", *padded([["member", *(one.name for one in result.members)], [accuracy, *accuracies]])]
    sizes = range(1, len(result.logits) + 1)
    averaged = [
        ["averaged", *map(str, sizes)],
        [accuracy, *(figure(result.metric("accuracy", n)) for n in sizes)],
    ]
    chosen = ["", *("<- report" * (size == k) for size in sizes)]
    lines += ["", *padded([*averaged, chosen], named=False)]
    # Digit for digit as scikit-learn prints it, so that it can be compared with the one in the paper's repository.
    lines += [
        "",
        f"classification report of {plural(k, 'member')}, as scikit-learn prints it: fractions, not percent",
    ]
    numbered = opened.protocol == "paper"  # the paper's repository prints class numbers
    if numbered:
        named = ", ".join(f"{number} {name}" for number, name in enumerate(result.classes))
        lines.append(f"classes: {named}")
    return [*lines, "", result.report(k, numbered=numbered)]


def _figures(result: "Predictions", k: int) -> list[str]:
    """Format the main metrics of the first k members, and of always the same answer."""
    from sertool.core.metrics.baselines import baseline_metrics, baseline_name
    from sertool.core.metrics.classification import metrics_of
    from sertool.core.reports.wording import figure, metric_name

    assert result.targets is not None
    names = [name for name, metric in metrics_of(result.kind).items() if metric.is_main]
    constant = baseline_metrics(result.targets, len(result.classes))
    rows = {
        plural(k, "member"): {name: result.metric(name, k) for name in names},
        f"baseline, {baseline_name(result.targets, result.classes)}": constant,
    }
    return [
        f"{title}: {' · '.join(f'{metric_name(name, result.kind)} {figure(own[name])}' for name in names)}"
        for title, own in rows.items()
    ]


def show_details(details: "Details", result: "Predictions", k: int) -> list[str]:
    """Format as lines the figures of each cluster if there are few, and what a masked or shuffled modality costs."""
    from sertool.core.reports.probes import judged_metric, second_metric
    from sertool.core.reports.wording import figure, metric_name, over_clusters

    if not details.by_cluster:
        lines = [over_clusters(details)] if result.kind == "scores" else []
        return [*lines, *_probes(details, result, k)]
    rows = details.by_cluster
    keys = judged_metric(result.kind), second_metric(result.kind)
    own = [one.scores if result.kind == "scores" else {"accuracy": one.accuracy, "uar": one.uar} for one in rows]
    columns = [
        [details.unit, *(printable(one.name) for one in rows)],
        ["utterances", *(f"{one.utterances:,}" for one in rows)],
        *([metric_name(key, result.kind), *(figure(one[key], key) for one in own)] for key in keys),
    ]
    return ["", *padded(columns), details.unit_note, *_probes(details, result, k)]


def _probes(details: "Details", result: "Predictions", k: int) -> list[str]:
    """Format by how much the accuracy, or CCC, falls with each probe, and the verdict; no line without probes."""
    from sertool.core.reports.probes import judged_metric
    from sertool.core.reports.wording import change_interval, falls_shown, figure, metric_name

    rows, metric = details.probes, judged_metric(result.kind)
    if not rows:
        return []
    figures = [result.metric(metric, k), *(row.metrics[metric].value for row in rows)]
    columns = [
        [PROBED, "as it is", *(row.name for row in rows)],
        [metric_name(metric, result.kind), *(figure(one, metric) for one in figures)],
        ["falls by", "", *(figure(row.drop.value, metric) for row in rows)],
    ]
    for one in details.by_cluster:
        columns.append([printable(one.name), "", *(figure(row.by_cluster[one.name], metric) for row in rows)])
    if not details.by_cluster:
        columns.append(["95 % interval", "", *(change_interval(row.drop, metric) for row in rows)])
    lines = ["", *padded(columns), *([falls_shown(details.unit)] if details.by_cluster else [])]
    return [*lines, details.use.sentence] if details.use else lines


def show_size(evaluation: "Evaluation", before: "EnsembleSize | None") -> list[str]:
    """Say which size was chosen and why, and whether it is stored; ``before`` is the one that was stored until now."""
    size = evaluation.size
    if evaluation.unstored:
        return [f"not stored: {size.explained}"]
    lines = [f"stored: {size.explained}"]
    if size.left_out:
        lines.insert(0, f"left out because their logits are not finite: {', '.join(size.left_out)}")
    if before is not None and before.chosen_by == "user" and before.k != size.k:
        lines.append(f"it replaces {before}; --members {before.k} stores that again")
    return lines


def show_calibration(evaluation: "Evaluation") -> str:
    """Describe the temperature and its effect on the calibration error, or why it is not calibrated, in one line."""
    from sertool.core.inference.evaluate import calibration_table
    from sertool.core.reports.wording import figure

    table, calibration = calibration_table(evaluation), evaluation.calibration
    if calibration is None or not calibration.calibrated:
        return f"calibration: uncalibrated, {table['reason']}"
    errors, worse = [], []
    for name, own in table["sets"].items():
        errors.append(f"{name} {figure(own['ece_before'])} % -> {figure(own['ece_after'])} %")
        if own["ece_after"] > own["ece_before"]:
            worse.append(name)
    warning = f" · higher than before on {' and '.join(worse)}" * bool(worse)
    note = f" · {calibration.note}" * bool(calibration.note)
    low, high = calibration.low, calibration.high
    interval = "" if low is None or high is None else f" ({low:.2f} - {high:.2f})"
    return f"calibration: temperature {calibration.temperature:.2f}{interval} · ECE {' · '.join(errors)}{warning}{note}"


def _rows(results: "Sequence[Predictions]", k: int) -> "Iterator[list[str | float]]":
    """Yield the rows of all sets below one header."""
    from sertool.core.runs.predictions import prediction_rows

    for number, result in enumerate(results):
        yield from prediction_rows(result, k)[number > 0 :]  # all sets have the same columns
