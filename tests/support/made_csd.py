"""Computational sequences (.csd) as the CMU-MultimodalSDK writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Entry = tuple[Any, Any]  # intervals and features


def write_csd(path: Path, name: str, videos: Mapping[str, Entry], **settings: Any) -> Path:
    """Write a sequence: intervals (N, 2) and features (N, D) of each video; ``settings`` are those of its datasets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        root = file.create_group(name)
        data = root.create_group("data")
        for video, (intervals, features) in videos.items():
            entry = data.create_group(video)
            entry.create_dataset("intervals", data=intervals, **settings)
            entry.create_dataset("features", data=features, **settings)
        metadata = root.create_group("metadata")
        for key in ("root name", "dataset name", "dimension names"):
            metadata.create_dataset(key, (1,), dtype=h5py.special_dtype(vlen=str))
            metadata[key][0] = json.dumps(name)
    return path


def words(*timed: tuple[float, float, str]) -> Entry:
    """Return the words of a video, each with start and end, as the SDK stores them: texts of 32 bytes."""
    return np.array([one[:2] for one in timed], np.float64), np.array([[one[2].encode()] for one in timed], "S32")
