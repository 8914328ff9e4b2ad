"""``sertool ensemble``: average the members of a run and evaluate the result."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sertool.commands import _options as options
from sertool.commands._console import console, say
from sertool.commands._kernels import say_kernels
from sertool.commands._options import option
from sertool.commands._outputs import Outputs, corpus_inputs
from sertool.commands._training import left_out
from sertool.core.formatting import padded, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sertool.core.inference.ensemble import Ensemble
    from sertool.core.inference.evaluate import Evaluation
    from sertool.core.reports.details import Details
    from sertool.core.runs.ensemble_size import EnsembleSize
    from sertool.core.runs.predictions import Predictions


PROBED = "reading or listening?"


def ensemble(
    name: options.Run,
    split: Annotated[
        str, option("--split", "Splits to evaluate: test, valid, private.", "SPLIT,...", ("--sets",))
    ] = "test",
    members: options.Members = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
    device: options.Device = "auto",
    precision: options.EvaluationPrecision = None,
    csv: Annotated[
        Path | None,
        option("--csv", "Write one row per utterance to this file.", "FILE", ("--predictions",), dir_okay=False),
    ] = None,
    raw_csv: options.RawCsv = False,
    probe: Annotated[bool, option("--probe", "Also evaluate with text or audio masked or shuffled.")] = False,
    json: options.Json = None,
) -> None:
    """Average the members of a run and evaluate the result.

    Members are ordered by their validation score, and the best 1, 2, ... are averaged. Validation chooses how many: all
    where it cannot tell. The size is stored with the run for every other command. So are the predictions, and a
    temperature fitted on validation, which calibrates the probabilities of sertool predict. A folder of the reference's
    best*.pkl files is read like a run.
    """
    from sertool.core.command_line import run_command
    from sertool.core.compute.device import choose
    from sertool.core.errors import SertoolError
    from sertool.core.files.csv_text import csv_text
    from sertool.core.inference.ensemble import open_ensemble, result_table
    from sertool.core.inference.evaluate import calibration_table, evaluate
    from sertool.core.reports.data_files import plain
    from sertool.core.runs.ensemble_size import read_size

    files = Outputs({"--csv": csv, "--json": json}, [output / name])
    opened = open_ensemble(name, output, data)
    files.spare(corpus_inputs(opened.experiment.recipe, data))
    chosen = choose(device, precision or "fp32")
    talk = console()
    for line in [*left_out(opened.experiment), f"{plural(len(opened.members), 'member')} · {chosen.reason}"]:
        say(talk, line)
    say_kernels(talk, chosen.device)
    wanted = dict.fromkeys(part.strip() for part in split.split(","))  # each once, in their order
    before = read_size(opened.folder)
    evaluation = evaluate(opened, list(wanted), members, chosen, "sertool ensemble", probed=probe)
    results, k = evaluation.results, evaluation.k
    files.write("--csv", csv_text(_rows(results, k), raw=raw_csv))
    details = {own.set: _details(opened, own, evaluation) for own in results if own.targets is not None}
    table = result_table(opened, results, evaluation.size)
    for one, own in details.items():
        if probe and own.use is None:
            say(talk, f"--probe: no verdict on {one}: one modality only, or logits that are not finite")
        table["sets"][one] |= plain(own)
    files.write_json("--json", "evaluation", {**table, "calibration": calibration_table(evaluation)})
    shown = [line for own in results for line in (*show(opened, own, k), *show_details(details.get(own.set), own, k))]
    stored = bool(details) and not evaluation.unstored  # a report is of labelled splits
    following = [f"next: {run_command('report', output / name, data=data)}"] * stored
    files.show([*shown, *show_size(evaluation, before), show_calibration(evaluation), *following])
    if evaluation.unstored:
        raise SertoolError(evaluation.unstored)


def show(opened: "Ensemble", result: "Predictions", k: int) -> list[str]:
    """Format the result of a set as lines: each member, each size of the ensemble, and the chosen size per class."""
    from sertool.core.reports.provenance import input_notes
    from sertool.core.reports.wording import figure, metric_name

    experiment = opened.experiment
    corpus = f"{experiment.corpus.name}{experiment.corpus.caveats}"
    lines = [f"{opened.name} · {corpus} · {result.set} · {len(result.ids):,} utterances"]
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
    if result.targets is None:
        saved = f"--csv FILE saves the predictions of {plural(k, 'member')}"
        return [*lines, "", f"this set has no labels, so there is nothing to evaluate; {saved}"]
    accuracy = metric_name("accuracy", result.kind)
    accuracies = ["" if one.accuracy is None else figure(one.accuracy) for one in result.members]
    lines += ["", *padded([["member", *(one.name for one in result.members)], [accuracy, *accuracies]])]
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
    lines += ["", result.report(k, numbered=numbered)]
    return [*lines, *_figures(result, k)]


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


def _details(opened: "Ensemble", result: "Predictions", evaluation: "Evaluation") -> "Details":
    from sertool.core.inference.evaluate import spoken_of
    from sertool.core.reports.details import details_of

    experiment = opened.experiment
    spoken, probes = spoken_of(experiment, result.utterances), dict(evaluation.probes.get(result.set, {}))
    modalities, folds = experiment.recipe.dataset.modalities, len(experiment.folds)
    temperature = evaluation.calibration.temperature if evaluation.calibration else 1.0
    return details_of(result, spoken, probes, evaluation.k, modalities, folds, temperature=temperature)


def show_details(details: "Details | None", result: "Predictions", k: int) -> list[str]:
    """Format as lines the figures of each cluster if there are few, and what a masked or shuffled modality costs."""
    from sertool.core.formatting import printable
    from sertool.core.reports.wording import falls_shown, figure, metric_name, points_interval

    if details is None:
        return []
    lines = []
    accuracy, uar = (metric_name(name, result.kind) for name in ("accuracy", "uar"))
    names = [printable(one.name) for one in details.by_cluster]
    if names:
        columns = [
            [details.unit, *names],
            ["utterances", *(f"{one.utterances:,}" for one in details.by_cluster)],
            [accuracy, *(figure(one.accuracy) for one in details.by_cluster)],
            [uar, *(figure(one.uar) for one in details.by_cluster)],
        ]
        lines += ["", *padded(columns), details.unit_note]
    if details.probes:
        rows = details.probes
        columns = [
            [PROBED, "as it is", *(row.name for row in rows)],
            [
                accuracy,
                *map(figure, (result.metric("accuracy", k), *(row.metrics["accuracy"].value for row in rows))),
            ],
            ["falls by", "", *(figure(row.drop.value) for row in rows)],
        ]
        falls = [list(row.by_cluster.values()) for row in rows]
        columns += [[name, "", *(figure(one[place]) for one in falls)] for place, name in enumerate(names)]
        columns += [] if names else [["95 % interval", "", *(points_interval(row.drop) for row in rows)]]
        lines += ["", *padded(columns), *([falls_shown(details.unit)] if names else [])]
        lines += [details.use.sentence] if details.use else []
    return lines


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
