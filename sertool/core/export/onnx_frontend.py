"""The log-mel frontend (``features.log_mel``) as part of a graph: a waveform goes in, frames come out.

Only the frames that the model reads are computed; the whole recording is read once, to find where it is loud.
"""

import numpy as np

from sertool.core.export.onnx_graph import DOUBLE, FLOAT, INT64, Graph
from sertool.core.features.log_mel import (
    AMPLITUDE_FLOOR,
    FEATURE_FLOOR,
    RANGE_DB,
    REFERENCE_DB,
    TRIM_HOP,
    mel_filters,
)
from sertool.core.recipe.frontends import Frontend


def waveform_frames(graph: Graph, frontend: Frontend, length: int) -> str:
    """Add the input ``waveform`` (samples,), float32 at the frontend's rate, and return its first frames (1, T, M).

    A waveform without samples means no audio: its single frame is zeros, which the model masks.
    """
    waveform = graph.input("waveform", FLOAT, ["samples"])
    kept = waveform if frontend.trim_db is None else _trim(graph, waveform, frontend.trim_db)
    features = _features(graph, _windows(graph, kept, frontend, length), frontend)
    some = graph.add("Greater", graph.size(waveform, 0), graph.ints(0))
    real = graph.add("Mul", features, graph.add("Cast", some, to=FLOAT))
    return graph.add("Unsqueeze", real, graph.ints(0))


def _trim(graph: Graph, waveform: str, top_db: float) -> str:
    """Cut quiet ends as ``features.log_mel.trim`` does, on powers instead of levels in dB."""
    samples = graph.size(waveform, 0)
    rest = graph.add("Sub", graph.ints(TRIM_HOP), graph.add("Mod", samples, graph.ints(TRIM_HOP)))
    padded = graph.add("Pad", waveform, graph.join(graph.ints(0), rest))
    hops = graph.add("Reshape", padded, graph.ints(-1, TRIM_HOP))
    energies = graph.add("Cast", graph.add("ReduceSumSquare", hops, axes=[1], keepdims=0), to=DOUBLE)
    around = graph.add("Pad", energies, graph.ints(2, 1))
    count = graph.size(energies, 0)
    # Four hops around each: the sum of four views of the energies, one hop apart.
    views = [
        graph.add("Slice", around, graph.ints(lag), graph.add("Add", count, graph.ints(lag)), graph.ints(0))
        for lag in range(4)
    ]
    mean = graph.add("Div", graph.add("Sum", *views), graph.scalar(4 * TRIM_HOP, np.float64))
    power = graph.add("Max", mean, graph.scalar(AMPLITUDE_FLOOR**2, np.float64))
    loudest = graph.add("ReduceMax", power, keepdims=1)
    bound = graph.add("Mul", loudest, graph.scalar(10 ** (-top_db / 10), np.float64))
    loud = graph.add("Cast", graph.add("Greater", power, bound), to=INT64)
    first = graph.add("ArgMax", loud, axis=0, keepdims=1)
    last = graph.add("ArgMax", loud, axis=0, keepdims=1, select_last_index=1)
    start = graph.add("Mul", first, graph.ints(TRIM_HOP))
    end = graph.add("Mul", graph.add("Add", last, graph.ints(1)), graph.ints(TRIM_HOP))
    return graph.add("Slice", waveform, start, end, graph.ints(0))


def _windows(graph: Graph, signal: str, frontend: Frontend, length: int) -> str:
    """Collect the pre-emphasised samples (T, window_length) under the windows of the first frames."""
    step = frontend.hop_length * frontend.frame_step
    size = frontend.window_length
    lead = frontend.fft_size // 2 - (frontend.fft_size - size) // 2
    reaching = graph.add("Sub", graph.size(signal, 0), graph.ints(frontend.fft_size % 2))
    count = graph.add("Add", graph.add("Div", reaching, graph.ints(step)), graph.ints(1))
    count = graph.add("Min", count, graph.ints(length))
    # Samples behind the window of the last frame that counts are not needed.
    near = graph.add("Slice", signal, graph.ints(0), graph.ints(length * step + size), graph.ints(0))
    before = graph.add("Pad", near, graph.ints(1, -1))
    weighted = graph.add("Mul", before, graph.scalar(frontend.preemphasis))
    emphasised = graph.add("Sub", near, weighted)
    padded = graph.add("Pad", emphasised, graph.ints(lead, size))
    starts = graph.add(
        "Mul",
        graph.add(
            "Range",
            graph.scalar(0, np.int64),
            graph.add("Squeeze", count, graph.ints(0)),
            graph.scalar(1, np.int64),
        ),
        graph.ints(step),
    )
    places = graph.add("Add", graph.add("Unsqueeze", starts, graph.ints(1)), graph.constant(np.arange(size)))
    return graph.add("Gather", padded, places)


def _features(graph: Graph, windows: str, frontend: Frontend) -> str:
    """Turn samples (T, window_length) into features (T, mel_bands), in double precision up to the magnitude."""
    size = frontend.window_length
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    shaped = graph.add("Mul", graph.add("Cast", windows, to=DOUBLE), graph.constant(hann))
    spectrum = graph.add(
        "DFT",
        graph.add("Unsqueeze", shaped, graph.ints(2)),
        graph.scalar(frontend.fft_size, np.int64),
        axis=1,
        onesided=1,
    )
    magnitude = graph.add("ReduceL2", graph.add("Cast", spectrum, to=FLOAT), axes=[2], keepdims=0)
    filters = mel_filters(frontend.sample_rate, frontend.fft_size, frontend.mel_bands).numpy().T
    bands = graph.add("MatMul", magnitude, graph.constant(filters.astype(np.float32)))
    loud = graph.add("Log", graph.add("Max", bands, graph.scalar(AMPLITUDE_FLOOR)))
    level = graph.add("Mul", loud, graph.scalar(20 / np.log(10)))
    shifted = graph.add("Add", level, graph.scalar(RANGE_DB - REFERENCE_DB))
    scaled = graph.add("Div", shifted, graph.scalar(RANGE_DB))
    return graph.add("Clip", scaled, graph.scalar(FEATURE_FLOOR), graph.scalar(1))
