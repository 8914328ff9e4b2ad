"""``sertool ensemble``: average the members of a run and evaluate the result."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sertool.commands._console import console, say
from sertool.commands._options import (
    DEFAULT_DATA,
    DEFAULT_OUTPUT,
    DataOption,
    DeviceOption,
    EvaluationPrecisionOption,
    IndexOption,
    JsonOption,
    OutputOption,
    RunOption,
)
from sertool.commands._training import left_out

if TYPE_CHECKING:
    from sertool.core.inference.ensemble import Ensemble
    from sertool.core.inference.evaluate import Evaluation
    from sertool.core.runs.predictions import Predictions


PROBED = "reading or listening?"


def ensemble(
    name: RunOption,
    sets: Annotated[
        str, typer.Option("--sets", metavar="SET,...", help="Sets to evaluate: test, valid, private.")
    ] = "test",
    index: IndexOption = None,
    data: DataOption = DEFAULT_DATA,
    output: OutputOption = DEFAULT_OUTPUT,
    device: DeviceOption = "auto",
    precision: EvaluationPrecisionOption = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions",
            metavar="FILE.csv",
            help="Write one row per utterance to this file.",
            dir_okay=False,
        ),
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Also evaluate with text or audio masked or shuffled.")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Average the members of a run and evaluate the result.

    Members are ordered by their validation score; the best 1, 2, ... are averaged. Predictions are stored with the run
    for sertool report and sertool compare. So is a temperature fitted on validation, which calibrates the probabilities
    of sertool predict. A folder of the reference's best*.pkl files is read like a run.
    """
    from sertool.core.compute.device import choose
    from sertool.core.files.artifacts import write_json, write_text
    from sertool.core.inference.ensemble import chosen_size, open_ensemble, result_table
    from sertool.core.inference.evaluate import calibration_table, evaluate

    opened = open_ensemble(name, output, data)
    k = chosen_size(opened.depth, index)
    chosen = choose(device, precision or "fp32")
    talk = console()
    for line in [*left_out(opened.experiment), f"{len(opened.members)} members · {chosen.reason}"]:
        say(talk, line)
    wanted = dict.fromkeys(part.strip() for part in sets.split(","))
    evaluation = evaluate(opened, list(wanted), k, chosen, "sertool ensemble", probed=probe)
    results = evaluation.results
    for result in results:
        typer.echo("\n".join([*show(opened, result, k), *show_probes(opened, result, evaluation)]))
    typer.echo(show_calibration(evaluation))
    if evaluation.unstored:
        say(talk, evaluation.unstored)
    if predictions is not None:
        write_text(predictions, predictions_csv(results, k))
    if json is not None:
        table = result_table(opened, results, index)
        write_json(json, {**table, "calibration": calibration_table(evaluation)})


def show(opened: "Ensemble", result: "Predictions", k: int) -> list[str]:
    """A set's result as lines."""
    from sertool.core.metrics.classification import MAIN_METRICS, METRICS

    experiment = opened.experiment
    corpus = f"{experiment.corpus.name}{experiment.corpus.caveats}"
    lines = [f"{opened.name} · {corpus} · {result.set} · {len(result.ids):,} utterances"]
    if experiment.selected_on_test:
        lines.append(
            "selected on test: members and their order were chosen on these utterances, as in the paper"
        )
    if opened.seen_in_test and result.set == "test":
        lines.append(
            f"warning: {opened.started_from}, which the members started from, was trained or selected on "
            f"{opened.seen_in_test} of them"
        )
    if result.targets is None:
        lines += ["", f"unlabelled: the predictions of {k} members are the result (--predictions FILE.csv)"]
        return lines
    width = max(len(member.name) for member in result.members)
    lines += ["", f"{'member':<{width}}  accuracy"]
    lines += [f"{m.name:<{width}}  {m.accuracy:.4f}" for m in result.members]
    lines += ["", "averaged  accuracy"]
    sizes = range(1, len(result.logits) + 1)
    lines += [
        f"{size:>8}  {result.metric('accuracy', size):.4f}{'  <- report' * (size == k)}" for size in sizes
    ]
    numbered = opened.protocol == "paper"
    if numbered:
        named = ", ".join(f"{number} {name}" for number, name in enumerate(result.classes))
        lines += ["", f"classes: {named}"]
    lines += ["", result.report(k, numbered=numbered)]
    figures = (f"{METRICS[name].title} {100 * result.metric(name, k):.2f}" for name in MAIN_METRICS)
    lines.append(f"{k} members: {' · '.join(figures)}")
    return lines


def show_probes(opened: "Ensemble", result: "Predictions", evaluation: "Evaluation") -> list[str]:
    """What a masked or shuffled modality costs, a line each, and a verdict; none where that was not asked."""
    from sertool.core.reports.probes import probe_rows_of, verdict

    if result.set not in evaluation.probes:
        return []
    rows = probe_rows_of(opened.experiment.corpus, result, dict(evaluation.probes[result.set]), evaluation.k)
    accuracy = result.metric("accuracy", evaluation.k)
    lines = ["", f"{PROBED}  accuracy  falls by  95 % interval"]
    lines.append(f"{'as it is':<{len(PROBED)}}  {accuracy:.4f}")
    for row in rows:
        low, high = row.drop.low, row.drop.high
        interval = f"{low:.4f} to {high:.4f}" if low is not None and high is not None else ""
        value = f"{row.name:<{len(PROBED)}}  {row.metrics['accuracy'].value:.4f}    {row.drop.value:7.4f}   {interval}"
        lines.append(value.rstrip())
    found = verdict(rows, accuracy)
    return [*lines, *([f"it {found}"] if found is not None else [])]


def show_calibration(evaluation: "Evaluation") -> str:
    """The temperature and what it does to the calibration error, or why there is none."""
    from sertool.core.inference.evaluate import calibration_table

    if evaluation.calibration is None:
        return f"calibration: none; {evaluation.note}"
    figures = calibration_table(evaluation)["sets"]
    errors = [f"{name} {own['ece_before']:.3f} -> {own['ece_after']:.3f}" for name, own in figures.items()]
    return f"calibration: temperature {evaluation.calibration.temperature:.2f} · ECE " + " · ".join(errors)


def predictions_csv(results: Sequence["Predictions"], k: int) -> str:
    """All sets' predictions as one CSV."""
    from sertool.core.runs.predictions import prediction_rows

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, result in enumerate(results):
        header, rows = prediction_rows(result, k)
        if number == 0:
            writer.writerow(header)
        writer.writerows(rows)
    return text.getvalue()
