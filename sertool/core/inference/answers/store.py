"""Predictions of other tools from a table to runs without training."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sertool.core.corpora.class_maps import ClassMap
from sertool.core.errors import UsageError
from sertool.core.files.standard_input import STDIN
from sertool.core.inference.answers.read import ToolAnswers, read_answers
from sertool.core.inference.answers.table import read_answer_table
from sertool.core.inference.imported import check_free, run_names, store_imported
from sertool.core.inference.subject import open_judged
from sertool.core.runs.imported import PREDICTIONS, Imported
from sertool.core.runs.prediction_files import StoredSet


@dataclass(frozen=True)
class ImportedRun:
    """A run of imported predictions: what was stored, and how it was read."""

    stored: StoredSet
    answers: ToolAnswers


def import_predictions(
    path: Path,
    corpus: Path,
    output: Path,
    name: str,
    *,
    task: str | None = None,
    split: str | None = None,
    label_map: ClassMap | None = None,
    columns: Mapping[str, str] | None = None,
    training: str | None = None,
    licence: str | None = None,
) -> list[ImportedRun]:
    """Store the predictions of a table for a corpus as runs; nothing is stored unless all of it is in order.

    Args:
        path: the table, see :func:`~sertool.core.inference.answers.table.read_answer_table`.
        corpus: folder of the corpus.
        output: folder of all runs.
        name: name of the new run; with several tools in the table, runs are called ``NAME-TOOL``.
        task: name of the label, see :func:`~sertool.core.inference.subject.open_subject`.
        split: the judged split; None: test, or all where there is none.
        label_map: labels and answers are compared through it.
        columns: names that columns are read under, each with that of the file.
        training: how the tools were trained, in a sentence; None where it is not known.
        licence: licence of the predictions or of the tools, if known.

    Raises:
        UsageError: an option is wrong, or a run of that name was trained.
        DataError: the table or the corpus cannot be used; the message says why.
        SertoolError: a file cannot be written.
    """
    for flag, text in (("--training", training), ("--licence", licence)):
        if text is not None and not text.strip():
            raise UsageError(f"{flag}: is empty, expected a sentence")
    run_names(name, [""])  # refused before any file is read
    table = read_answer_table(path, columns)
    found = read_answers(table, open_judged(corpus), task=task, split=split, label_map=label_map)
    names = run_names(name, [own.tool for own in found])
    for own in names:
        check_free(output / own)
    source = "standard input" if path == STDIN else path.name
    runs = []
    for run, answers in zip(names, found, strict=True):
        facts = Imported(PREDICTIONS, source, answers.kind, training=training, licence=licence)
        stored = store_imported(output / run, answers.subject, answers.logits, facts)
        runs.append(ImportedRun(stored, answers))
    return runs
