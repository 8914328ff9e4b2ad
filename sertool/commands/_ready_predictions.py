"""``sertool predict --model``: predictions of a ready model for recordings and texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sertool.commands._console import console, counting, say
from sertool.commands._outputs import Outputs
from sertool.commands._predictions import json_lines, left_out, prediction_entry, show
from sertool.commands._ready import facts_table, input_files, open_model
from sertool.core.formatting import printable

if TYPE_CHECKING:
    from sertool.core.inference.clips import Inputs, RefusedClip
    from sertool.core.inference.prediction import Prediction
    from sertool.core.inference.ready.predicting import ReadyPredictor


@dataclass(frozen=True)
class ReadyModelAsked:
    """A ready model that a command was asked to use.

    Attributes:
        name: folder, file or name on the hub.
        revision: branch, tag or commit of a model on the hub.
        label_map: name or file of a label map for its classes.
        device: where to compute.
        batch: most inputs that are computed at a time.
    """

    name: str
    revision: str | None
    label_map: str | None
    device: Literal["auto", "cpu", "cuda"]
    batch: int | None = None

    def open(self) -> "ReadyPredictor":
        """Open the model; its classes are those of the label map if there is one."""
        from sertool.core.corpora.label_maps import load_label_map
        from sertool.core.errors import UsageError
        from sertool.core.inference.ready.predicting import ReadyPredictor

        named = None if self.label_map is None else load_label_map(self.label_map)
        model = open_model(self.name, self.revision, self.device, self.batch)
        if named is None:
            return ReadyPredictor(model)
        if model.facts.kind == "scores":
            raise UsageError(f"--map {self.label_map}: {self.name} predicts scores, and no classes")
        return ReadyPredictor(model, named.model_columns(model.facts.names))


def asked_model(
    name: str | None,
    model: str | None,
    revision: str | None,
    label_map: str | None,
    device: Literal["auto", "cpu", "cuda"],
    trained: Mapping[str, Any],
) -> ReadyModelAsked | None:
    """Check that a run or a ready model is named, with options that fit it.

    Args:
        name: the run.
        model: the ready model.
        revision: its revision.
        label_map: a label map for its classes.
        device: where to compute.
        trained: values of the options that only a run has; None or False where not given.

    Returns:
        The ready model; None for a run.

    Raises:
        UsageError: neither or both are named, or an option does not fit.
    """
    from sertool.core.errors import UsageError

    if name is not None and model is not None:
        raise UsageError("--model: is a ready model, and --name is a run; give one of them")
    if name is None and model is None:
        raise UsageError(
            "no model is named: expected --name NAME, a run that was trained, or --model MODEL, a ready model",
            hint="sertool predict --model superb/hubert-base-superb-er new.wav",
        )
    of_ready = {"--map": label_map, "--revision": revision}
    others, whose = (of_ready, "a ready model, which --model names") if model is None else (trained, "a trained run")
    if given := [option for option, value in others.items() if value not in (None, False)]:
        raise UsageError(f"{given[0]}: is of {whose}", hint=f"leave {given[0]} out")
    return None if model is None else ReadyModelAsked(model, revision, label_map, device)


@dataclass(frozen=True)
class Wanted:
    """Settings of predictions.

    Attributes:
        window: seconds of the windows that recordings are divided into; None leaves them whole.
        hop: seconds from one window to the next. Default: the window.
        abstain: probability below which the answer is unsure; None: never.
        skip_bad: leave out inputs that cannot be used.
        raw_csv: write texts to CSV as they are.
    """

    window: float | None
    hop: float | None
    abstain: float | None
    skip_bad: bool
    raw_csv: bool


def predict_ready(asked: ReadyModelAsked, inputs: "Inputs", files: Outputs, wanted: Wanted) -> None:
    """Predict with a ready model, write and show.

    Args:
        asked: the model.
        inputs: clips, and rows of a table that cannot be used.
        files: results.
        wanted: settings.
    """
    from sertool.core.errors import UsageError
    from sertool.core.files.csv_text import csv_text
    from sertool.core.inference.prediction import check_abstaining
    from sertool.core.inference.results import prediction_rows

    files.spare(input_files(asked.name))
    talk = console()
    for note in inputs.notes:
        say(talk, f"note: {printable(note)}")
    opened = asked.open()
    check_abstaining(wanted.abstain, opened.ranges, "--abstain")
    if wanted.window is not None and opened.facts.modality == "text":
        raise UsageError("--window: this model uses text alone, which cannot be divided")
    with counting("inputs", len(inputs.clips)) as progress:
        predictions, bad = opened.predict(
            inputs.clips,
            inputs.refused,
            window=wanted.window,
            hop=wanted.hop,
            skip_bad=wanted.skip_bad,
            progress=progress,
        )
    rows = prediction_rows(opened.classes, predictions, wanted.abstain, scores=bool(opened.ranges))
    files.write("--csv", csv_text(rows, raw=wanted.raw_csv))
    files.write("--jsonl", json_lines(predictions, wanted.abstain))
    files.write_json("--json", "ready-prediction", _table(opened, predictions, wanted.abstain, bad))
    for line in opened.notes(inputs.clips, predictions):
        say(talk, printable(line))
    files.show(show(opened, predictions, wanted.abstain, files.width(), files.places()))
    for line in left_out(bad):
        say(talk, line)


def _table(
    opened: "ReadyPredictor",
    predictions: "Sequence[Prediction]",
    abstain: float | None,
    refused: "Sequence[RefusedClip]",
) -> dict[str, Any]:
    """Return everything as plain data, for JSON."""
    return {
        **facts_table(opened.facts),
        "kind": opened.task.kind,
        "classes": list(opened.classes),
        "ranges": {name: list(ends) for name, ends in opened.ranges.items()} or None,
        "abstain": abstain,
        "predictions": [prediction_entry(own, abstain) for own in predictions],
        "left_out": [{"id": item.name, "reason": item.reason} for item in refused],
    }
