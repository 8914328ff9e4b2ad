"""Predictions on a cluster: workers read and predict shards of the clips, with the same results as one process."""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.compute.device import Precision
from sertool.core.compute.jobs import Job, Launcher, Lost, Share, Waiting, describe_placement
from sertool.core.features.extract import unseen_error
from sertool.core.inference.clips import Clip, RefusedClip, check_refused
from sertool.core.inference.passages import Listener, Passage, Progress
from sertool.core.inference.predictor import SHARD, Prediction, Predictor
from sertool.core.metrics.calibration import Calibration
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
    """Data that all shards share; relative paths of recordings start at ``folder``."""

    trained: Trained
    k: int
    calibration: Calibration | None
    precision: Precision
    listener: Listener
    folder: Path

    def open(self) -> Callable[[Shard], Iterator[PredictedShard]]:
        """Open the model on a worker and return a function that predicts a shard."""
        # Once per worker: it serves all shards that come to it.
        opened = Predictor(self.trained, self.k, self.calibration, self.precision)

        def do(shard: Shard) -> Iterator[PredictedShard]:
            passages: list[Passage] = []
            refused: list[RefusedClip] = []
            unseen: list[Path] = []
            with self.precision.threaded(1):  # one recording is too short to share among threads
                for place, clip in enumerate(shard.clips, start=shard.first):
                    made = self.listener.attempt(clip, place, self.folder)
                    if isinstance(made, RefusedClip):
                        refused.append(made)
                        # The driver decides whether the file is missing everywhere, or on this node alone.
                        if clip.audio is not None and not (self.folder / clip.audio).is_file():
                            unseen.append(clip.audio)
                    else:
                        passages += made
            yield PredictedShard(len(shard.clips), opened.predict_passages(passages), refused, unseen, platform.node())

        return do


def predict_with(
    launcher: Launcher,
    opened: Predictor,
    listener: Listener,
    clips: Sequence[Clip],
    refused: Sequence[RefusedClip] = (),
    *,
    precision: Precision,
    skip_bad: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> tuple[list[Prediction], list[RefusedClip]]:
    """Read and predict clips with the workers of a launcher.

    The result is that of :meth:`Listener.listen_all` and :meth:`Predictor.predict_passages`. Recordings must lie at the
    same paths on every node.

    Args:
        launcher: runs the shards.
        opened: the model.
        listener: makes passages for the model.
        clips: clips, in the order of the result.
        refused: inputs that were refused before.
        precision: device and number format of the workers.
        skip_bad: leave out clips that cannot be used, as long as any is left.
        progress: called with the number of clips done and of all clips.
        tell: called with notes about the cluster for the user.

    Raises:
        DataError: clips cannot be used, and ``skip_bad`` is False; the message lists all of them.
        SertoolError: a recording does not exist on a node, or workers died.
    """
    shards = [Shard(first, clips[first : first + SHARD]) for first in range(0, len(clips), SHARD)]
    received: dict[int, PredictedShard] = {}
    work = ShardPrediction(opened.trained, opened.k, opened.calibration, precision, listener, Path.cwd())
    # Small members run as one stack with one thread, so a worker needs no more.
    small = is_small(opened.trained.recipe.model.hidden_size)
    share = Share(threads=1 if small else precision.cores, gpu=precision.device.type == "cuda")
    done = 0
    for event in launcher.run(work, [_job(shard, received) for shard in shards], share):
        if isinstance(event, PredictedShard):
            for _ in range(event.clips):
                done += 1
                if progress is not None:
                    progress(done, len(clips))
        elif isinstance(event, Lost | Waiting):
            tell(describe_placement(event))
    ordered = [received[shard.first] for shard in shards]  # of the input, whichever worker was first
    predictions = [prediction for predicted in ordered for prediction in predicted.predictions]
    bad = [*refused, *(own for predicted in ordered for own in predicted.refused)]
    check_refused(bad, len(clips) + len(refused), skip_bad=skip_bad, usable=bool(predictions))
    return predictions, bad


def _job(shard: Shard, received: dict[int, PredictedShard]) -> Job:
    def take(predicted: PredictedShard) -> None:
        if hidden := [path for path in predicted.unseen if path.is_file()]:
            raise unseen_error(hidden[0], predicted.node)
        received[shard.first] = predicted

    return Job(f"inputs {shard.first + 1} to {shard.first + len(shard.clips)}", lambda: shard, take)
