"""``sertool import``: judge the predictions of any tool as a run, with the same intervals, slices and warnings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sertool.commands import _options as options
from sertool.commands._options import option
from sertool.commands._outputs import Outputs

if TYPE_CHECKING:
    from sertool.core.inference.answers.store import ImportedRun
    from sertool.core.runs.imported import Imported


Predictions = Annotated[
    Path,
    typer.Argument(metavar="PREDICTIONS", help="CSV, TSV or JSON lines, a row for each utterance; - for stdin."),
]
Name = Annotated[str, option("--name", "Name of the new run, a folder under --output.", "NAME")]
Task = Annotated[
    str | None,
    option("--task", "Label that is predicted; scores separated by commas. Default: as the columns say.", "TASK"),
]
Training = Annotated[
    str | None, option("--training", "How the tool was trained, in a sentence; shown beside every figure.", "TEXT")
]
Licence = Annotated[str | None, option("--licence", "Licence of the predictions or of the tool.", "TEXT")]
Columns = Annotated[
    str | None,
    option("--columns", "Names for columns of the file, such as id=file,label=predicted.", "NAME=COLUMN,..."),
]


def import_(
    predictions: Predictions,
    corpus: options.JudgedCorpus,
    name: Name,
    task: Task = None,
    split: options.JudgedSplit = None,
    label_map: options.LabelMap = None,
    training: Training = None,
    licence: Licence = None,
    columns: Columns = None,
    json: options.Json = None,
    data: options.Data = options.DEFAULT_DATA,
    output: options.Output = options.DEFAULT_OUTPUT,
) -> None:
    """Judge the predictions of any tool.

    The file has the ids of the corpus and, for each utterance, a label, a probability for each class (columns named by
    class, prob_CLASS or logit_CLASS), or scores. Several tools are columns such as TOOL:label, and each becomes a run
    NAME-TOOL. Nothing is known of the training unless --training states it. Then sertool report and sertool compare
    judge the run as any other.
    """
    from sertool.core.corpora.label_maps import load_label_map
    from sertool.core.corpora.load import corpus_folder
    from sertool.core.inference.answers.store import import_predictions
    from sertool.core.inference.answers.table import parse_columns

    folder = corpus_folder(corpus, data)
    files = Outputs({"--json": json}, [predictions, folder, output / name])
    runs = import_predictions(
        predictions,
        folder,
        output,
        name,
        task=task,
        split=split,
        label_map=None if label_map is None else load_label_map(label_map),
        columns=None if columns is None else parse_columns(columns),
        training=training,
        licence=licence,
    )
    files.write_json("--json", "import", {"runs": [_result(run) for run in runs]})
    names = [run.stored.origin.run for run in runs]
    files.show([*(line for run in runs for line in _lines(run)), *_next(names, data, output), *files.written()])


def _result(run: "ImportedRun") -> dict[str, Any]:
    """Return what was stored as plain data."""
    from sertool.core.runs.imported import plain_imported

    origin, own = run.stored.origin, run.stored.predictions
    assert origin.imported is not None
    return {
        "name": origin.run,
        "dataset": origin.dataset,
        "task": origin.task,
        "kind": own.kind,
        "classes": list(own.classes),
        "set": own.set,
        "utterances": len(own.ids),
        "imported": plain_imported(origin.imported),
        "notes": list(run.answers.notes),
    }


def _lines(run: "ImportedRun") -> list[str]:
    """Say what was stored, what was mapped, and what was not read as it stands."""
    from sertool.core.formatting import names_of, plural, printable

    origin, own, answers = run.stored.origin, run.stored.predictions, run.answers
    assert origin.imported is not None
    what = {
        "labels": "labels without probabilities",
        "probabilities": "probabilities",
        "scores": "scores",
    }[origin.imported.answers]
    split = "" if origin.imported.split == "all" else f" ({origin.imported.split})"
    goal = names_of(own.classes) if own.kind == "scores" else f"{origin.task}: {names_of(own.classes)}"
    lines = [
        f"{origin.run}: {what} for {plural(len(own.ids), 'utterance')} of {origin.dataset}{split}, {goal}",
        *(answers.subject.map_note.lines if answers.subject.map_note is not None else []),
        _training(origin.imported),
        *(f"note: {note}" for note in answers.notes),
    ]
    return [printable(line) for line in lines]


def _training(imported: "Imported") -> str:
    more = "" if imported.training is not None else '; --training "..." states it'
    return imported.stated + more


def _next(names: list[str], data: Path, output: Path) -> list[str]:
    """Return the command that judges the new runs."""
    from sertool.core.command_line import command_line

    words = [word for name in names for word in ("--name", name)]
    return [f"next: {command_line('report', *words, data=data, output=output)}"]
