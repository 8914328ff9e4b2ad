"""Noise in compressed formats, and MP3 files without the frame that states their length."""

import io

import numpy as np
import soundfile


def encoded(seconds, rate, *, file_format="MP3", subtype="MPEG_LAYER_III", channels=1, mode=None) -> bytes:
    noise = 0.1 * np.random.default_rng(0).normal(size=(round(seconds * rate), channels))
    noise[: len(noise) // 2] *= 0.01  # so that the first frames of a variable bit rate are small
    content = io.BytesIO()
    with soundfile.SoundFile(
        content, "w", rate, channels, format=file_format, subtype=subtype, bitrate_mode=mode
    ) as file:
        file.write(noise)
    return content.getvalue()


def without_header(mp3: bytes) -> bytes:
    """An MP3 without its first frame, which states the length."""
    return mp3[mp3.index(mp3[:2], 4) :]
