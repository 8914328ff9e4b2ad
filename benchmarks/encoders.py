"""Frames a second of speech encoders: extraction by sertool against a plain loop with transformers' own forward.

The plain loop reads a file, prepares it by the model's feature extractor, and runs the model, one file after the other,
as the examples of transformers do. Both sides read the same files and have the same weights and threads. They take
turns (A B A B ...); the ratio is taken pair by pair, and the first pair warms up and does not count. The models have
the sizes of published ones and random weights, which are as fast as trained ones.

The share of the arithmetic limit is the rate of sertool's matrix products, convolutions and attention over that of one
large matrix product on the same threads.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import soundfile
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.features import recordings
from sertool.core.bench.device import describe_machine
from sertool.core.bench.turns import compare
from sertool.core.features.audio import Segment, read_audio
from sertool.core.features.encode import default_threads, encoded
from sertool.core.features.frontend import Extract, FrameMaker, on_device, open_frontend
from sertool.core.files import artifacts
from sertool.core.recipe.frontends import SpeechEncoder

TARGETS = {"ratio": 2}
RESULTS = Path(__file__).parent / "results"
RATE = 16000
SIDE = 2048  # of the matrices whose product is the limit


def save_models(folder: Path) -> dict[str, Path]:
    """Save random models of the sizes of Whisper tiny and of the base models of wav2vec 2.0 and WavLM."""
    torch.manual_seed(0)
    waves = transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False)
    models = {
        "Whisper tiny": (
            transformers.WhisperModel(transformers.WhisperConfig()),
            transformers.WhisperFeatureExtractor(),
        ),
        "wav2vec 2.0 base": (transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()), waves),
        "WavLM base": (transformers.WavLMModel(transformers.WavLMConfig()), waves),
    }
    for name, (model, extractor) in models.items():
        model.save_pretrained(folder / name)
        extractor.save_pretrained(folder / name)
    return {name: folder / name for name in models}


def plain_loop(folder: Path, files: Sequence[Path], device: torch.device) -> Callable[[], int]:
    """Return the plain loop; it returns the number of recordings."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).to(device).eval()
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model

    def loop() -> int:
        for path in files:
            samples, rate = soundfile.read(path, dtype="float32")
            inputs = extractor(samples, sampling_rate=rate, return_tensors="pt").to(device)
            with torch.no_grad():
                encoder(**inputs).last_hidden_state.cpu().numpy()
        return len(files)

    return loop


def extraction(maker: FrameMaker, files: Sequence[Path]) -> list[Extract]:
    """Compute the frames of all files by sertool."""
    found = encoded([Segment(path) for path in files], maker, threads=default_threads())
    return [one for one in found if isinstance(one, Extract)]


def matrix_rate(device: torch.device) -> float:
    """Measure operations a second of one large matrix product, the fastest of five."""
    number = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = torch.randn(2, SIDE, SIDE, device=device, dtype=number)
    times = []
    for _ in range(6):
        began = time.perf_counter()
        float((left @ right)[0, 0])  # waits for the device
        times.append(time.perf_counter() - began)
    return 2 * SIDE**3 / min(times[1:])


def measure(folder: Path, files: Sequence[Path], rounds: int, device: torch.device) -> dict[str, Any]:
    """Measure one model: both sides in turns, frames a second, operations, and the distance of the frames."""
    maker = open_frontend(SpeechEncoder(model=str(folder)))
    on_device(maker, str(device))
    compared = compare(1, plain_loop(folder, files, device), lambda: len(extraction(maker, files)), rounds, device)
    row, frames = compared.row(), sum(len(one.frames) for one in extraction(maker, files))
    waveforms = [read_audio(Segment(path), maker.sample_rate) for path in files]
    with FlopCounterMode(display=False) as counter:
        maker.frames(waveforms)
    seconds = len(files) / row["sertool_per_second"]
    limit = statistics.median(matrix_rate(device) for _ in range(3))
    return {
        "files": len(files),
        "seconds": round(sum(len(one) for one in waveforms) / maker.sample_rate, 1),
        "ratio": row["ratio"],
        "cpu_ratio": row["cpu_ratio"],
        "files_a_second": {"plain": row["plain_per_second"], "sertool": row["sertool_per_second"]},
        "frames_a_second": round(frames / seconds),
        "gflop": round(counter.get_total_flops() / 1e9, 1),
        "gflop_a_second": round(counter.get_total_flops() / seconds / 1e9, 1),
        "limit_gflop_a_second": round(limit / 1e9, 1),
        "share_of_limit": round(counter.get_total_flops() / seconds / limit, 3),
    }


def main() -> None:
    """Parse the command line, measure, print, write the JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoders", description=__doc__)
    parser.add_argument("--files", type=int, default=24, help="recordings, default %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="pairs that count, default %(default)s")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch, default %(default)s")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="default %(default)s")
    parser.add_argument("--json", type=Path, default=RESULTS / "encoders.json", help="default %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    device = torch.device(options.device)
    result: dict[str, Any] = {
        "machine": describe_machine(device),
        "transformers": transformers.__version__,
        "targets": TARGETS,
        "rounds": options.rounds,
        "models": {},
    }
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()), flush=True)
    origin, speech = recordings(options.files)
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"{number}.flac" for number in range(len(speech))]
        for path, (samples, rate) in zip(files, speech, strict=True):
            soundfile.write(path, samples, rate)
        for model, folder in save_models(Path(name)).items():
            result["models"][model] = row = measure(folder, files, options.rounds, device)
            print(
                f"{model:<17} {origin}: ratio {row['ratio']['median']:.2f} ({row['ratio']['min']:.2f} to "
                f"{row['ratio']['max']:.2f}), {row['frames_a_second']:,} frames a second, "
                f"{row['share_of_limit']:.0%} of the arithmetic limit",
                flush=True,
            )
    artifacts.write_json(options.json, result)


if __name__ == "__main__":
    main()
