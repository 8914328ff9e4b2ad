"""Recordings in the formats of phones and video files, written by PyAV."""

from fractions import Fraction
from pathlib import Path

import numpy as np

# Name of a file's kind: container of FFmpeg, codec, its sampling rate (None keeps the recording's), bits a second.
KINDS = {
    "m4a": ("ipod", "aac", None, 64_000),
    "mp4": ("mp4", "aac", None, 64_000),
    "mov": ("mov", "aac", None, 64_000),
    "aac": ("adts", "aac", None, 64_000),
    "alac": ("ipod", "alac", None, None),
    "g726.wav": ("wav", "g726", 8_000, 32_000),
    "flac.ogg": ("ogg", "flac", None, None),
    "opus.mp4": ("mp4", "libopus", None, 32_000),
    "float": ("mov", "pcm_f32le", None, None),
    "webm": ("webm", "libopus", None, 32_000),
    "mkv": ("matroska", "aac", None, 64_000),
    "avi": ("avi", "libmp3lame", None, 64_000),
    "wma": ("asf", "wmav2", None, 64_000),
    "amr": ("amr", "libopencore_amrnb", 8_000, 12_200),
    "3gp": ("3gp", "libopencore_amrnb", 8_000, 12_200),
    "ts": ("mpegts", "aac", None, 64_000),
    "flv": ("flv", "aac", None, 64_000),
}


def write_media(path: Path, *streams: np.ndarray, rate: int, kind: str, picture: bool = False, options=None) -> Path:
    """Write streams (samples,) or (samples, channels) of float32 to one file, behind a stream of pictures if asked.

    ``options`` are those of FFmpeg's container.
    """
    import av

    form, codec, own, bits = KINDS[kind]
    with av.open(str(path), "w", format=form, options=options or {}) as file:
        pictures = _add_pictures(file) if picture else None
        encoders = [
            file.add_stream(codec, rate=own or _rate(codec, rate), layout=_layout(samples)) for samples in streams
        ]
        for encoder in encoders:
            if bits is not None:
                encoder.bit_rate = bits
        if pictures is not None:
            file.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
            file.mux(pictures.encode(None))
        for encoder, samples in zip(encoders, streams, strict=True):
            for frame in _frames(samples, rate, encoder):
                file.mux(encoder.encode(frame))
            file.mux(encoder.encode(None))
    return path


def _rate(codec: str, rate: int) -> int:
    """The sampling rate that a codec is given; Opus takes only some."""
    return rate if codec != "libopus" or rate in (8_000, 12_000, 16_000, 24_000) else 48_000


def _layout(samples: np.ndarray) -> str:
    return "mono" if samples.ndim == 1 else "stereo"


def _add_pictures(file):
    stream = file.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    return stream


def _frames(samples: np.ndarray, rate: int, encoder):
    """Yield the frames of a stream in the encoder's own sampling rate and sample format."""
    import av

    resampler = av.AudioResampler(encoder.format, encoder.layout, encoder.rate, encoder.frame_size or None)
    data = np.ascontiguousarray(samples.reshape(len(samples), -1).T, np.float32)
    frame = av.AudioFrame.from_ndarray(data, "fltp", _layout(samples))
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    yield from resampler.resample(frame)
    yield from resampler.resample(None)
