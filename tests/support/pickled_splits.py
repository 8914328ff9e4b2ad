"""Write corpora in the published layout for tests."""

import pickle
from pathlib import Path

import numpy as np


def write_split(folder: Path, **changes) -> Path:
    """Write a VGAF folder with a small train split; ``changes`` replace the content of a file."""
    folder.mkdir(exist_ok=True)
    parts = {
        "emotions": {"v_1": "1", "v_2": "3"},
        "sentences": {"v_1": ["a", "b"], "v_2": np.array(["c"])},
        "mels": {"v_1": np.ones((3, 80), np.float32), "v_2": np.zeros((0, 80), np.float64)},
    }
    for name, value in {**parts, **changes}.items():
        path = folder / f"train_{name}.p"
        if value is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, 2))
    return folder
