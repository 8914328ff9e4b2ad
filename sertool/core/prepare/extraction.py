"""Computation of frames for ``prepare``: processes, threads or a cluster, device, cache and progress."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sertool.core.compute.jobs import Launcher
from sertool.core.features.audio import Segment
from sertool.core.features.cache import FeatureCache, ShardCache
from sertool.core.features.encode import encoded_texts
from sertool.core.features.extract import default_workers, extracts, extracts_by
from sertool.core.features.frontend import Extract, FrameMaker, TextFrameMaker, on_device

Progress = Callable[[int, int], None]


def _uncounted(what: str) -> AbstractContextManager[Progress]:
    return nullcontext(lambda done, total: None)


@dataclass(frozen=True)
class Extraction:
    """Ways and places of an extraction.

    Attributes:
        cache: folder for finished frames, so that the same call resumes after an interruption; None: they are not kept.
        device: device of an encoder, such as ``cuda``.
        workers: processes, or threads of an encoder, that decode; None: as many as fit. The result does not depend on
            it.
        launcher: decodes recordings instead of ``workers``; needs a cache.
        tell: called with messages about the launcher for the user.
        counting: opens the progress of items by their name; what it yields is called with the number done and in all.
    """

    cache: Path | None = None
    device: str = "cpu"
    workers: int | None = 1
    launcher: Launcher | None = None
    tell: Callable[[str], None] = lambda text: None
    counting: Callable[[str], AbstractContextManager[Progress]] = _uncounted

    def frames(self, segments: Sequence[Segment], maker: FrameMaker) -> Iterator[Extract | str]:
        """Yield the frames of each segment in order, or the reason why there are none.

        Raises:
            SertoolError: the cache cannot be written, or a process or node failed.
        """
        on_device(maker, self.device)
        cache = self.cache and self.cache / "frames"
        if self.launcher is not None and cache is not None:
            each = extracts_by(self.launcher, segments, maker, ShardCache(cache), self.tell)
        else:
            workers = self.workers or default_workers(len(segments), maker.name)
            each = extracts(segments, maker, FeatureCache(cache) if cache else None, workers)
        with self.counting("recordings") as progress:
            for done, one in enumerate(each, start=1):
                progress(done, len(segments))
                yield one

    def text_frames(self, texts: Sequence[str], maker: TextFrameMaker) -> list[NDArray[Any]]:
        """Return the frames of each text.

        Raises:
            SertoolError: the cache cannot be written.
            DataError: the model cannot be used.
        """
        on_device(maker, self.device)
        with self.counting("texts") as progress:
            return encoded_texts(texts, maker, self.cache and self.cache / "texts", progress)


NOWHERE = Extraction()
