"""``sertool compare``: test whether one run is better than another, or whether that may be chance."""

from pathlib import Path
from typing import Annotated

import typer

from sertool.commands import _options as options
from sertool.commands._completion import run_names
from sertool.commands._console import table_width
from sertool.commands._options import option
from sertool.commands._outputs import Outputs


def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", help="Two or more runs. Each is compared with the first.", autocompletion=run_names
        ),
    ],
    split: Annotated[
        str, option("--split", "Split whose predictions are compared.", "test|valid", ("--set", "--sets"))
    ] = "test",
    metric: Annotated[
        str | None,
        option(
            "--metric",
            "Metrics: accuracy, uar, f1_macro, f1_weighted; of several labels also exact_match, f1_micro; beside votes "
            "of raters cross_entropy, jsd; of scores ccc, pearson, mae, rmse, r2; of scores from -3 to 3 also acc2, "
            "f1 (both with and without zeros), acc7, acc5. Default: the usual ones of the task.",
            "M,...",
        ),
    ] = None,
    flips: Annotated[
        int, option("--flips", "Number of flipped utterances or scores to show.", "N", min=0, max=1_000_000)
    ] = 10,
    csv: Annotated[
        Path | None,
        option("--csv", "Write all flipped utterances, or all scores, to this file.", "FILE", dir_okay=False),
    ] = None,
    by: options.By = None,
    raw_csv: options.RawCsv = False,
    json: options.Json = None,
    output: options.Output = options.DEFAULT_OUTPUT,
) -> None:
    """Test whether one run is better than another.

    Shows differences with their intervals over speakers, or what --by names, significance tests, and the utterances
    that flipped: those that only one of the two runs predicts correctly, or the scores whose error changes most. Works
    from stored predictions: first run sertool ensemble --name NAME --split test.
    """
    from sertool.core.files.csv_text import csv_text
    from sertool.core.reports.compare.data_files import flip_rows, to_json
    from sertool.core.reports.compare.pairs import compare as compare_runs
    from sertool.core.reports.compare.terminal import show

    files = Outputs({"--csv": csv, "--json": json}, [output / name for name in names])
    metrics = None if metric is None else [part.strip() for part in metric.split(",")]
    comparison = compare_runs(names, output, split, metrics, by)
    width = table_width()
    files.write("--csv", csv_text(flip_rows(comparison), raw=raw_csv))
    files.write_json("--json", "comparison", to_json(comparison))
    files.show([*show(comparison, width, flips), *files.written()])
