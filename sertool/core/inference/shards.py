"""Predictions in shards of the clips, by this process or by the workers of a cluster, with the same results."""

import platform
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sertool.core.compute.device import Precision
from sertool.core.compute.jobs import Job, Launcher, Lost, Share, Waiting, describe_placement
from sertool.core.features.extract import unseen_error
from sertool.core.formatting import plural
from sertool.core.inference.certainty import Certainty
from sertool.core.inference.clips import Clip, RefusedClip
from sertool.core.inference.dialogues import whole_dialogues
from sertool.core.inference.passages import Listener, Passage
from sertool.core.inference.prediction import Prediction
from sertool.core.inference.predictor import SHARD, Predictor
from sertool.core.inference.speakers import Speakers, fit_passages
from sertool.core.runs.ensemble_size import EnsembleSize
from sertool.core.runs.members import Trained
from sertool.core.training.logits import is_small


@dataclass(frozen=True)
class PredictedShard:
    """Predictions and refused clips of a shard; ``unseen`` are recordings that do not exist on the node."""

    clips: int
    predictions: list[Prediction]
    refused: list[RefusedClip]
    unseen: list[Path]
    node: str


@dataclass(frozen=True)
class Shard:
    """Clips that are predicted together; the first of them is clip number ``first``, from 0."""

    first: int
    clips: Sequence[Clip]


@dataclass(frozen=True)
class ShardPrediction:
    """Data that all shards share; relative paths of recordings start at ``folder``.

    ``speakers`` holds the statistics for ``standardize: speaker`` over all shards; None for those of each shard.
    """

    trained: Trained
    size: EnsembleSize
    certainty: Certainty
    precision: Precision
    listener: Listener
    folder: Path
    speakers: Speakers | None = None

    def open(self) -> Callable[[Shard], Iterator[PredictedShard]]:
        """Open the model on a worker and return a function that predicts a shard."""
        # Once per worker: it serves all shards that come to it.
        opened = Predictor(self.trained, self.size, self.certainty, self.precision)

        def do(shard: Shard) -> Iterator[PredictedShard]:
            yield self.predict(opened, shard)

        return do

    def predict(self, opened: Predictor, shard: Shard) -> PredictedShard:
        """Read and predict the clips of a shard with the opened model."""
        passages: list[Passage] = []
        refused: list[RefusedClip] = []
        unseen: list[Path] = []
        # That of the opened model: its encoders are loaded once for all shards, on the worker's own device.
        listener = opened.listener(self.listener.window, self.listener.hop)
        with self.precision.threaded(listener.frontends.threads(self.precision.cores)):
            attempts = listener.attempt(shard.clips, shard.first, self.folder)
            for clip, made in zip(shard.clips, attempts, strict=True):
                if isinstance(made, RefusedClip):
                    refused.append(made)
                    # The driver decides whether the file is missing everywhere, or on this node alone.
                    if clip.audio is not None and not (self.folder / clip.audio).is_file():
                        unseen.append(clip.audio)
                else:
                    passages += made
        return PredictedShard(
            len(shard.clips), opened.predict_passages(passages, self.speakers), refused, unseen, platform.node()
        )


class Journal:
    """The shards of a job that are done, in memory; :class:`~sertool.core.inference.journal.FileJournal` keeps them.

    Attributes:
        done: the shards, by the number of their first clip.
    """

    def __init__(self) -> None:
        self.done: dict[int, PredictedShard] = {}

    def add(self, first: int, shard: PredictedShard) -> None:
        """Keep a shard, by the number of its first clip."""
        self.done[first] = shard


def predict_shards(
    opened: Predictor,
    listener: Listener,
    clips: Sequence[Clip],
    *,
    precision: Precision,
    launcher: Launcher | None = None,
    journal: Journal | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[PredictedShard]:
    """Read and predict clips shard by shard; yield the shards in the order of the clips, each as soon as it is done.

    The predictions are those of :meth:`Listener.listen_all` and :meth:`Predictor.predict_passages`. On a cluster,
    recordings must lie at the same paths on every node.

    Args:
        opened: the model.
        listener: makes passages for the model.
        clips: clips, in the order of the result.
        precision: device and number format.
        launcher: runs the shards on a cluster; None: this process predicts them.
        journal: shards that were predicted before; new ones are added to it, in any order. None keeps none.
        tell: called with notes about the cluster for the user.

    Raises:
        SertoolError: a recording does not exist on a node, workers died, or the journal cannot be written.
    """
    journal = journal or Journal()
    shards = [Shard(first, clips[first:last]) for first, last in _division(opened, clips)]
    work = ShardPrediction(opened.trained, opened.size, opened.certainty, precision, listener, Path.cwd())
    if listener.recipe.dataset.by_speaker and len(shards) > 1:
        work = replace(work, speakers=_speakers(listener, clips, precision, tell))
    if launcher is not None:
        yield from _by_workers(launcher, work, shards, journal, tell)
        return
    for shard in shards:
        if shard.first not in journal.done:
            journal.add(shard.first, work.predict(opened, shard))
        yield journal.done[shard.first]


def _division(opened: Predictor, clips: Sequence[Clip]) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 of each shard; for a model with context a shard holds whole dialogues."""
    if opened.trained.recipe.context is not None:
        yield from whole_dialogues(clips, SHARD)
        return
    for first in range(0, len(clips), SHARD):
        yield first, min(first + SHARD, len(clips))


def _speakers(listener: Listener, clips: Sequence[Clip], precision: Precision, tell: Callable[[str], None]) -> Speakers:
    """Compute the statistics of speakers over all clips, whose frames would not fit into memory together."""
    named = [clip for clip in clips if clip.speaker is not None]
    if named:
        tell(f"statistics of the speakers first: {plural(len(named), 'recording')} are read twice")
    with precision.threaded(listener.frontends.threads(precision.cores)):
        attempts = (made for made in listener.attempt(named) if not isinstance(made, RefusedClip))
        return fit_passages(passage for made in attempts for passage in made)


def _by_workers(
    launcher: Launcher,
    work: ShardPrediction,
    shards: Sequence[Shard],
    journal: Journal,
    tell: Callable[[str], None],
) -> Iterator[PredictedShard]:
    """Yield shards in order, though workers finish them in any order."""
    # Small members run as one stack with one thread, so a worker needs no more.
    small = is_small(work.trained.recipe.model.hidden_width)
    share = Share(threads=1 if small else work.precision.cores, gpu=work.precision.device.type == "cuda")

    def take(first: int, predicted: PredictedShard) -> None:
        if hidden := [path for path in predicted.unseen if path.is_file()]:
            raise unseen_error(hidden[0], predicted.node)
        journal.add(first, predicted)

    waiting = deque(shard.first for shard in shards)
    missing = [shard for shard in shards if shard.first not in journal.done]
    events = launcher.run(work, [_job(shard, take) for shard in missing], share) if missing else iter(())
    for event in events:
        if isinstance(event, Lost | Waiting):
            tell(describe_placement(event))
        while waiting and waiting[0] in journal.done:
            yield journal.done[waiting.popleft()]
    yield from (journal.done[first] for first in waiting)


def _job(shard: Shard, take: Callable[[int, PredictedShard], None]) -> Job:
    name = f"inputs {shard.first + 1} to {shard.first + len(shard.clips)}"
    return Job(name, lambda: shard, partial(take, shard.first))
