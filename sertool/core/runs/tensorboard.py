"""Training curves for TensorBoard, from the history in each member's folder.

``ckpt/<name>/tensorboard/run-<seed>[-<fold>]/`` gets one event file a member: the mean loss, the validation score and
the learning rate by epoch. Only TensorBoard reads them. Each command starts a member's file again,
with the epochs of its ``history.jsonl``, so that a resumed training shows no epoch twice.
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from sertool.core.errors import UsageError
from sertool.core.files import artifacts
from sertool.core.metrics.selection import figure_of_score
from sertool.core.runs.checkpoint import run_folder
from sertool.core.runs.folder import read_history
from sertool.core.runs.plan import Plan
from sertool.core.runs.train import Event
from sertool.core.training.history import MemberEpoch
from sertool.core.training.loop import Epoch, Member

FOLDER = "tensorboard"
FILE_VERSION = "brain.Event:2"  # an event file's first record, by which TensorBoard knows it


def check_tensorboard() -> None:
    """Refuse --tensorboard where the package is missing.

    Raises:
        UsageError: tensorboard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs the package tensorboard", hint="pip install 'sertool[track]'")


def tracked(plan: Plan, events: Iterable[Event]) -> Iterator[Event]:
    """Pass on the events of a training, and write the scores of each epoch for TensorBoard.

    Args:
        plan: plan of the training; members that have finished before get their curves too.
        events: events of :func:`sertool.core.runs.train.train_recipe`.

    Raises:
        SertoolError: an event file cannot be written.
        DataError: the history of a member is damaged.
    """
    writers: dict[tuple[int, int], _Writer] = {}
    for place in sorted(plan.done):
        member = plan.members[place]
        writers[member.seed, member.fold] = _begin(plan, member, plan.experiment.recipe.training.max_epochs)
    for event in events:
        for member, row in event.rows if isinstance(event, Epoch) else ():
            # A member that had finished may train again in its old stack after a kill; its curve is complete.
            if (member.seed, member.fold) not in writers:
                writers[member.seed, member.fold] = _begin(plan, member, row.epoch - 1)
            writers[member.seed, member.fold].write([row])
        yield event


def _begin(plan: Plan, member: Member, epochs: int) -> "_Writer":
    """Start a member's event file with its first ``epochs`` epochs."""
    run = run_folder(plan.folder, member, len(plan.experiment.folds))
    writer = _Writer(plan.folder / FOLDER / run.name, plan.experiment.recipe.training.select)
    writer.write([row for row in read_history(run) if row.epoch <= epochs])
    return writer


class _Writer:
    """The event file of a member. It is opened and closed for each epoch, so no handle or thread stays open."""

    def __init__(self, folder: Path, select: str) -> None:
        self.select, self.last = select, 0
        # The time in the name lets a TensorBoard that is watching recognise a new file.
        self.path = folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}.sertool"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("events.out.tfevents.*.sertool"):
                old.unlink()
        except OSError as error:
            raise artifacts.write_error(folder, error) from error
        self._append([{"file_version": FILE_VERSION}])

    def write(self, rows: Sequence[MemberEpoch]) -> None:
        """Append the epochs that the file does not hold yet."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        events = []
        for row in rows:
            if row.epoch <= self.last:
                continue
            figure = figure_of_score(row.score, self.select)
            values = {"loss": row.loss, f"valid/{self.select}": figure, "learning_rate": row.learning_rate}
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=one) for tag, one in values.items()])
            events.append({"step": row.epoch, "summary": summary})
            self.last = row.epoch
        self._append(events)

    def _append(self, events: Sequence[dict[str, object]]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.summary.writer.record_writer import RecordWriter

        try:
            with self.path.open("ab") as file:
                writer = RecordWriter(file)
                for event in events:
                    writer.write(Record(wall_time=time.time(), **event).SerializeToString())
        except OSError as error:
            raise artifacts.write_error(self.path, error) from error
