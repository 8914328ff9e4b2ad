"""Seconds of audio a second on one core: recordings to log-mel frames, sertool against the script with librosa.

Both read the same files, one after the other, on one thread, warm. They take turns (A B A B ...), a turn is all files
once, and the ratio is taken pair by pair; the first pair warms up and does not count.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from threadpoolctl import threadpool_limits

from benchmarks._speech import RATE, speechlike
from sertool.core.bench.device import describe_machine
from sertool.core.bench.turns import compare
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.cache import FeatureCache
from sertool.core.features.frontend import Extract, extract_frames
from sertool.core.features.log_mel import LogMel, log_mels, log_mels_batch
from sertool.core.files import artifacts
from sertool.core.recipe.frontends import Frontend

TARGETS = {"times_real_time": 200, "ratio": 5}
FRONTEND = Frontend()
CPU = torch.device("cpu")
RESULTS = Path(__file__).parent / "results"
# What users have: name, ending, Hz, channels. EMO-DB's own files come before these.
KINDS = (
    ("WAV 22.05 kHz", "wav", 22050, 1),
    ("WAV 44.1 kHz stereo", "wav", 44100, 2),
    ("MP3 44.1 kHz stereo", "mp3", 44100, 2),
)


def script(path: Path, frontend: Frontend) -> np.ndarray:
    """Compute the frames with librosa: the settings of dc_tts, one frame in 16."""
    import librosa

    samples, _ = librosa.load(path, sr=frontend.sample_rate)
    samples, _ = librosa.effects.trim(samples, top_db=frontend.trim_db)
    samples = np.append(samples[0], samples[1:] - frontend.preemphasis * samples[:-1])
    magnitude = np.abs(
        librosa.stft(
            samples,
            n_fft=frontend.fft_size,
            hop_length=frontend.hop_length,
            win_length=frontend.window_length,
        )
    )
    mel = librosa.filters.mel(sr=frontend.sample_rate, n_fft=frontend.fft_size, n_mels=frontend.mel_bands)
    level = 20 * np.log10(np.maximum(1e-5, mel @ magnitude))
    return np.clip((level - 20 + 100) / 100, 1e-8, 1).T.astype(np.float32)[:: frontend.frame_step]


def recordings(count: int) -> tuple[str, list[tuple[np.ndarray, int]]]:
    """Speech: EMO-DB, if it is there, else something like it; samples and sampling rates."""
    checkout = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("SERTOOL_TEST_DATA", checkout.parent / "shared" / "data"))
    files = sorted((folder / "emodb" / "audio").glob("*.flac"))
    if files:
        chosen = files[:: max(1, len(files) // count)][:count]
        return "EMO-DB", [soundfile.read(path, dtype="float32") for path in chosen]
    return "generated", [(speechlike(seed), RATE) for seed in range(count)]


def write_kinds(folder: Path, origin: str, speech: Sequence[tuple[np.ndarray, int]]) -> dict[str, list[Path]]:
    """Write the same speech in each format."""
    files: dict[str, list[Path]] = {}
    for name, suffix, rate, channels in ((f"{origin}, FLAC 16 kHz", "flac", 0, 1), *KINDS):
        files[name] = []
        for number, (samples, own) in enumerate(speech):
            path = folder / f"{len(files)}-{number}.{suffix}"
            converted = samples if not rate else soxr.resample(samples, own, rate, "HQ")
            content = np.repeat(converted[:, None], channels, axis=1) * np.linspace(1, 0.7, channels)
            soundfile.write(path, content, rate or own)
            files[name].append(path)
    return files


def measure(files: Sequence[Path], rounds: int) -> dict[str, Any]:
    """Measure one kind of file: both sides in turns, the distance of their frames, and where our time goes."""
    seconds = sum(soundfile.info(path).duration for path in files)

    def turn(extract: Callable[[Path], Any]) -> float:
        _each(extract, files)
        return seconds

    def ours(path: Path) -> Extract:
        return extract_frames(Segment(path), LogMel(FRONTEND))

    compared = compare(1, partial(turn, partial(script, frontend=FRONTEND)), partial(turn, ours), rounds, CPU)
    row = compared.row()
    apart = [np.abs(ours(path).frames - script(path, FRONTEND)) for path in files]
    return {
        "files": len(files),
        "seconds": round(seconds, 1),
        "ratio": row["ratio"],
        "cpu_ratio": row["cpu_ratio"],
        "times_real_time": {
            "librosa": _spread([turn.wall for turn in compared.plain]),
            "sertool": _spread([turn.wall for turn in compared.sertool]),
        },
        "ms_a_file": parts(files, rounds),
        "difference": {
            "max": float(max(one.max() for one in apart)),
            "mean": float(np.concatenate([one.ravel() for one in apart]).mean()),
        },
    }


def parts(files: Sequence[Path], rounds: int) -> dict[str, float]:
    """Milliseconds a file, medians: decoding, decoding and resampling, frames of samples; batched; found in a cache."""
    waveforms = [read_audio(Segment(path), FRONTEND.sample_rate) for path in files]
    rate = soundfile.info(files[0]).samplerate
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder))
        steps: dict[str, Callable[[], Any]] = {
            "decoded": lambda: _each(lambda path: read_audio(Segment(path), rate), files),
            "decoded and resampled": lambda: _each(lambda path: read_audio(Segment(path), FRONTEND.sample_rate), files),
            "frames": lambda: _each(lambda waveform: log_mels(waveform, FRONTEND), waveforms),
            "frames, as one batch": lambda: log_mels_batch(waveforms, FRONTEND),
            "found in the cache": lambda: _each(
                lambda path: cache.extract_frames(Segment(path), LogMel(FRONTEND)), files
            ),
        }
        return {name: round(1000 * _median(step, rounds) / len(files), 3) for name, step in steps.items()}


def _each(work: Callable[[Any], Any], items: Sequence[Any]) -> None:
    """Results are dropped one by one: a list of them would measure the system handing out memory."""
    for item in items:
        work(item)


def _median(step: Callable[[], Any], rounds: int) -> float:
    step()
    return statistics.median(_times(step, rounds))


def _times(step: Callable[[], Any], rounds: int) -> Iterator[float]:
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        yield time.perf_counter() - began


def _spread(values: Sequence[float]) -> dict[str, int]:
    return {"min": round(min(values)), "median": round(statistics.median(values)), "max": round(max(values))}


def line(name: str, row: dict[str, Any]) -> str:
    """Format the result of a kind of file as a line."""
    ratio, speed = row["ratio"], row["times_real_time"]
    return (
        f"{name:<22} {speed['sertool']['median']:>5} times real time, librosa {speed['librosa']['median']:>4}; "
        f"ratio {ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}), "
        f"of CPU time {row['cpu_ratio']['median']:.2f}; "
        f"apart by {row['difference']['max']:.1e} at most, {row['difference']['mean']:.1e} in the mean"
    )


def main() -> None:
    """Parse the command line, measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=__doc__)
    parser.add_argument("--files", type=int, default=60, help="of each kind, default %(default)s")
    parser.add_argument("--rounds", type=int, default=9, help="pairs that count, default %(default)s")
    parser.add_argument("--json", type=Path, default=RESULTS / "frontend.json", help="default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "machine": describe_machine(CPU),
        "targets": TARGETS,
        "rounds": options.rounds,
        "kinds": {},
    }
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()), flush=True)
    origin, speech = recordings(options.files)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        warnings.simplefilter("ignore")  # librosa's, about modules of Python that are going away
        for name, files in write_kinds(Path(folder), origin, speech).items():
            result["kinds"][name] = row = measure(files, options.rounds)
            print(line(name, row), flush=True)
    artifacts.write_json(options.json, result)


if __name__ == "__main__":
    main()
