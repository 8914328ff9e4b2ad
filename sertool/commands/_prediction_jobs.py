"""A prediction job: a short one reads all inputs first, a long one writes results while it works and can be resumed."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sertool.commands._console import console, counting, say
from sertool.commands._outputs import Outputs
from sertool.commands._predictions import json_lines, predictions_table, show
from sertool.core.formatting import plural
from sertool.core.inference.prediction import Prediction, check_abstaining
from sertool.core.inference.results import Cells, prediction_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sertool.core.compute.device import Precision
    from sertool.core.compute.jobs import Launcher
    from sertool.core.inference.clips import Inputs, RefusedClip
    from sertool.core.inference.passages import Listener
    from sertool.core.inference.predictor import Predictor
    from sertool.core.inference.shards import Journal, PredictedShard

    Results = tuple[list[Prediction], list[RefusedClip]]

GROWING = ("--csv", "--jsonl")  # results that grow while a long job works


class Form:
    """Writes predictions of whole inputs.

    Attributes:
        inputs: noun for several inputs.
        options: options whose results the form writes itself when all predictions are there.
    """

    inputs: str = "recordings"
    options: tuple[str, ...] = ()

    def rows(self, opened: "Predictor", predictions: "Sequence[Prediction]", abstain: float | None) -> list[Cells]:
        """Return a header and a row for each prediction."""
        return prediction_rows(opened.classes, predictions, abstain, scores=bool(opened.ranges))

    def lines(self, predictions: "Sequence[Prediction]", abstain: float | None) -> str:
        """Write a line of JSON for each prediction."""
        return json_lines(predictions, abstain)

    def named(self, predictions: "Sequence[Prediction]") -> "Sequence[Prediction]":
        """Return the predictions by the names that messages give them."""
        return predictions

    def table(
        self,
        opened: "Predictor",
        predictions: "Sequence[Prediction]",
        abstain: float | None,
        refused: "Sequence[RefusedClip]",
    ) -> dict[str, Any]:
        """Return everything as plain data."""
        return predictions_table(opened, predictions, abstain, refused)

    def show(
        self,
        opened: "Predictor",
        predictions: "Sequence[Prediction]",
        abstain: float | None,
        width: int | None,
        places: "Sequence[str]",
    ) -> list[str]:
        """Format the predictions for a terminal."""
        return show(opened, predictions, abstain, width, places)

    def finish(
        self, files: Outputs, opened: "Predictor", predictions: "Sequence[Prediction]", abstain: float | None
    ) -> None:
        """Write the results of ``options``."""


@dataclass(frozen=True)
class PredictionJob:
    """Inputs and the model that predicts them.

    Attributes:
        opened: the model.
        listener: makes passages for the model.
        inputs: clips, and rows of a table that cannot be used.
        precision: device and number format.
        cluster: runs the job on a cluster; None: this process does.
        skip_bad: leave out inputs that cannot be used.
        form: how predictions are written.
    """

    opened: "Predictor"
    listener: "Listener"
    inputs: "Inputs"
    precision: "Precision"
    cluster: "Launcher | None"
    skip_bad: bool
    form: Form

    @property
    def is_long(self) -> bool:
        """Check for more inputs than are predicted together."""
        from sertool.core.inference.predictor import SHARD

        return len(self.inputs.clips) > SHARD

    def run(self, files: Outputs, abstain: float | None, *, raw: bool) -> "Results":
        """Predict the inputs; return the predictions and the inputs that were left out.

        Results of ``GROWING`` are written, and those that the form writes itself.

        Args:
            files: results.
            abstain: probability below which the answer is unsure; None: never.
            raw: write texts to CSV as they are.

        Raises:
            DataError: inputs cannot be used, and they may not be left out. Of a job with results that grow the others
                are in the results; else nothing was predicted.
            UsageError: another job was cut off that wrote to the same file, or ``abstain`` is given for scores.
        """
        from sertool.core.files.csv_text import csv_text

        check_abstaining(abstain, self.opened.ranges, "--abstain")
        if self.is_long and any(option in files for option in (*GROWING, *self.form.options)):
            return self._grow(files, abstain, raw=raw)
        predictions, bad = self._read_first()
        files.write("--csv", csv_text(self._rows(predictions, abstain), raw=raw))
        files.write("--jsonl", self.form.lines(predictions, abstain))
        self.form.finish(files, self.opened, predictions, abstain)
        return predictions, bad

    def _read_first(self) -> "Results":
        """Read all inputs, then predict them."""
        clips = self.inputs.clips
        with counting(self.form.inputs, len(clips)) as progress:
            if self.cluster is not None:
                return self._collected(self._shards(), progress)
            with self.precision.threaded(self.listener.frontends.threads(self.precision.cores)):
                passages, bad = self.listener.listen_all(
                    clips, self.inputs.refused, skip_bad=self.skip_bad, progress=progress
                )
        return self.opened.predict_passages(passages), bad

    def _grow(self, files: Outputs, abstain: float | None, *, raw: bool) -> "Results":
        """Predict the inputs part by part, and add each part to the results at once.

        What is done is kept beside the first result that is a file, so that the same command goes on if this process
        ends early.
        """
        from sertool.core.files.csv_text import csv_text
        from sertool.core.inference.journal import job_identity, journal_path, open_journal

        with ExitStack() as stack:
            journal = None
            if place := files.first_file((*GROWING, *self.form.options)):
                identity = job_identity(self.opened, self.listener, self.inputs.clips, self.precision)
                journal = stack.enter_context(open_journal(journal_path(place), identity))
                if journal.done:
                    done = sum(shard.clips for shard in journal.done.values())
                    say(console(), f"resuming: {done:,} of {plural(len(self.inputs.clips), 'input')} are done")
            add = {option: stack.enter_context(files.growing(option)) for option in GROWING if option in files}
            if "--csv" in add:
                add["--csv"](csv_text(self._rows([], abstain)))

            def written() -> "Iterator[PredictedShard]":
                for shard in self._shards(journal):
                    if "--csv" in add:
                        _, *rows = self._rows(shard.predictions, abstain)
                        add["--csv"](csv_text(rows, raw=raw))
                    if "--jsonl" in add:
                        add["--jsonl"](self.form.lines(shard.predictions, abstain))
                    yield shard

            progress = stack.enter_context(counting(self.form.inputs))
            result = self._collected(written(), progress)
            # Before the journal ends, so that a command killed here does not predict all again.
            self.form.finish(files, self.opened, result[0], abstain)
            if journal is not None:
                journal.end()
            return result

    def _rows(self, predictions: "Sequence[Prediction]", abstain: float | None) -> list[Cells]:
        return self.form.rows(self.opened, predictions, abstain)

    def _shards(self, journal: "Journal | None" = None) -> "Iterator[PredictedShard]":
        from sertool.core.inference.shards import predict_shards

        return predict_shards(
            self.opened,
            self.listener,
            self.inputs.clips,
            precision=self.precision,
            launcher=self.cluster,
            journal=journal,
            tell=partial(say, console()),
        )

    def _collected(self, shards: "Iterator[PredictedShard]", progress: "Callable[[int, int], None]") -> "Results":
        """Return the predictions and the refused inputs of all shards; refuse the job if some may not be left out."""
        from sertool.core.inference.clips import check_refused

        predictions, bad, done, number = [], [*self.inputs.refused], 0, len(self.inputs.clips)
        for shard in shards:
            predictions += shard.predictions
            bad += shard.refused
            for _ in range(shard.clips):
                done += 1
                progress(done, number)
        number += len(self.inputs.refused)
        check_refused(bad, number, skip_bad=self.skip_bad, usable=bool(predictions))
        return predictions, bad
