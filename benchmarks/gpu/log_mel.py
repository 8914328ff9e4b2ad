"""Part 7: log-mel frames of recordings, on one core and on the device."""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.gpu.child import Settings, missing, serve

RECORDINGS, TINY_RECORDINGS = 200, 4
FILES, KIND = 40, "WAV 44.1 kHz stereo"
ROUNDS = 5
AUDIO = ("soundfile", "soxr", "threadpoolctl")


def work(settings: Settings) -> None:
    """Compute frames of samples here and there, compare them, and read files where the packages are installed."""
    import torch

    from benchmarks._speech import speechlike
    from sertool.core.features.log_mel import log_mels, log_mels_batch
    from sertool.core.recipe.frontends import Frontend

    frontend, device = Frontend(), settings.precision().device
    count = TINY_RECORDINGS if settings.tiny else RECORDINGS
    waveforms = [torch.from_numpy(speechlike(seed)).float() for seed in range(count)]
    seconds = sum(map(len, waveforms)) / frontend.sample_rate
    found: dict[str, Any] = {"recordings": count, "seconds": round(seconds, 1), "times_real_time": {}}

    def measure(name: str, step: Callable[[], Any], length: float = seconds) -> Any:
        found["times_real_time"][name], result = _timed(step, length)
        settings.write(found)
        return result

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    measure("one by one, one core", lambda: [log_mels(own, frontend) for own in waveforms])
    here = measure("one batch, one core", lambda: log_mels_batch(waveforms, frontend))
    if lacking := missing(*AUDIO):
        found["left_out"] = {"frames of WAV files": f"no {' and no '.join(lacking)}"}
    else:
        with tempfile.TemporaryDirectory() as folder:
            measure(f"{KIND}, read from files, one core", *_from_files(Path(folder), min(count, FILES)))
    torch.set_num_threads(threads)
    ours = measure(f"one batch, {device.type}", lambda: log_mels_batch(waveforms, frontend, device))
    found["largest_difference"] = max(float((a - b).abs().max()) for a, b in zip(ours, here, strict=True))
    settings.write(found)


def _timed(step: Callable[[], Any], seconds: float) -> tuple[dict[str, float], Any]:
    """Return seconds of recording per second over some rounds after a warm-up, and the last result."""
    from sertool.core.bench.turns import Spread

    result, times = step(), []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        result = step()
        times.append(time.perf_counter() - begun)
    spread = Spread(*(seconds / own for own in (max(times), statistics.median(times), min(times))))
    return spread.to_json(), result


def _from_files(folder: Path, count: int) -> tuple[Callable[[], Any], float]:
    """Write recordings; return a function that reads them and computes their frames, and their seconds."""
    import soundfile

    from benchmarks import features
    from sertool.core.features.audio import Segment
    from sertool.core.features.frontend import extract_frames
    from sertool.core.features.log_mel import LogMel

    files = features.write_kinds(folder, *features.recordings(count))[KIND]
    extract = partial(extract_frames, maker=LogMel(features.FRONTEND))
    return lambda: [extract(Segment(path)) for path in files], sum(soundfile.info(path).duration for path in files)


if __name__ == "__main__":
    serve(work)
