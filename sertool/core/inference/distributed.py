"""Predictions by a launcher: shards of the clips are read and judged where it puts them, with the same results."""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sertool.core.compute.device import Precision
from sertool.core.compute.jobs import Job, Launcher, Lost, Share, Waiting, describe_placement
from sertool.core.features.extract import unseen_error
from sertool.core.inference.clips import Clip, RefusedClip
from sertool.core.inference.passages import Listener, Passage, Progress, check_refused
from sertool.core.inference.predictor import SHARD, Prediction, Predictor
from sertool.core.metrics.calibration import Calibration
from sertool.core.runs.members import Trained
from sertool.core.training.logits import is_small


@dataclass(frozen=True)
class PredictedShard:
    """What came of a shard; ``unseen`` are recordings that are no files on the node."""

    clips: int
    predictions: list[Prediction]
    refused: list[RefusedClip]
    unseen: list[Path]
    node: str


@dataclass(frozen=True)
class Shard:
    """Clips that are judged at a time, the first of them at place ``first`` among all."""

    first: int
    clips: Sequence[Clip]


@dataclass(frozen=True)
class ShardPrediction:
    """What all shards have in common; relative paths of recordings start at ``folder``."""

    trained: Trained
    k: int
    calibration: Calibration | None
    precision: Precision
    listener: Listener
    folder: Path

    def open(self) -> Callable[[Shard], Iterator[PredictedShard]]:
        """What judges a shard."""
        opened = Predictor(self.trained, self.k, self.calibration, self.precision)

        def do(shard: Shard) -> Iterator[PredictedShard]:
            passages: list[Passage] = []
            refused: list[RefusedClip] = []
            unseen: list[Path] = []
            with self.precision.threaded(1):  # a recording is too short to divide
                for place, clip in enumerate(shard.clips, start=shard.first):
                    heard = self.listener.attempt(clip, place, self.folder)
                    if isinstance(heard, RefusedClip):
                        refused.append(heard)
                        if clip.audio is not None and not (self.folder / clip.audio).is_file():
                            unseen.append(clip.audio)
                    else:
                        passages += heard
            yield PredictedShard(
                len(shard.clips), opened.predict_passages(passages), refused, unseen, platform.node()
            )

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
    """What :meth:`Listener.listen_all` and :meth:`Predictor.predict_passages` give, with a launcher's workers.

    Recordings must lie at the same paths on every node.

    Args:
        launcher: where clips are judged.
        opened: the model.
        listener: of the model.
        clips: in the order of the result.
        refused: what was no clip to begin with.
        precision: of the workers' device.
        skip_bad: go on as long as anything can be used.
        progress: called with the number of clips done and of all.
        tell: called with what a user should know of the cluster.

    Raises:
        DataError: a clip cannot be used, and is not to be skipped; all of them are told at once.
        SertoolError: a node does not see a recording, or workers died.
    """
    shards = [Shard(first, clips[first : first + SHARD]) for first in range(0, len(clips), SHARD)]
    came: dict[int, PredictedShard] = {}
    work = ShardPrediction(opened.trained, opened.k, opened.calibration, precision, listener, Path.cwd())
    small = is_small(opened.trained.recipe.model.hidden_size)
    share = Share(threads=1 if small else precision.cores, gpu=precision.device.type == "cuda")
    done = 0
    for event in launcher.run(work, [_job(shard, came) for shard in shards], share):
        if isinstance(event, PredictedShard):
            for _ in range(event.clips):
                done += 1
                if progress is not None:
                    progress(done, len(clips))
        elif isinstance(event, Lost | Waiting):
            tell(describe_placement(event))
    ordered = [came[shard.first] for shard in shards]
    predictions = [prediction for judged in ordered for prediction in judged.predictions]
    bad = [*refused, *(own for judged in ordered for own in judged.refused)]
    check_refused(bad, len(clips) + len(refused), skip_bad=skip_bad, usable=bool(predictions))
    return predictions, bad


def _job(shard: Shard, came: dict[int, PredictedShard]) -> Job:
    def take(judged: PredictedShard) -> None:
        if hidden := [path for path in judged.unseen if path.is_file()]:
            raise unseen_error(hidden[0], judged.node)
        came[shard.first] = judged

    return Job(f"inputs {shard.first + 1} to {shard.first + len(shard.clips)}", lambda: shard, take)
