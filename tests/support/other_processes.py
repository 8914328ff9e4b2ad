"""Functions that tests run in other processes, which can import this module but no test file."""

import io
import os
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from sertool.core.features.audio import Segment
from sertool.core.features.cache import FeatureCache
from sertool.core.features.log_mel import LogMel
from sertool.core.fetch.download import Policy, download
from sertool.core.recipe.frontends import Frontend


def die(segment, maker, cache):
    os.kill(os.getpid(), signal.SIGKILL)


def warn(segment, maker, cache):
    own = sys.stderr
    own.stream = io.StringIO()
    warnings.warn("\x1b[31mRED", stacklevel=2)
    return own.stream.getvalue()


def fill(folder: Path, recordings: list[Path], rounds: int) -> None:
    cache = FeatureCache(folder)
    for _ in range(rounds):
        for path in recordings:
            cache.extract_frames(Segment(path), LogMel(Frontend(sample_rate=8000)))
        cache.clear()


QUICK = Policy(
    tries=4,
    first_wait=0.001,
    longest_wait=0.002,
    longest_retry_after=5.0,
    connect_timeout=2.0,
    stall_timeout=0.2,
    lock_wait=0.1,
)


def hold(url: str, target: Path, results) -> None:
    slow = replace(QUICK, lock_wait=10.0)
    results.put(download([url], target, policy=slow).url)
