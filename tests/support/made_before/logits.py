"""Compute the logits of a bundle's graph for a recording and a text, with the functions of its own run.py.

python logits.py BUNDLE RECORDING TEXT
"""

import importlib.util
import json
import sys
from pathlib import Path

import onnxruntime


def logits(bundle: Path, recording: str, text: str) -> list[float]:
    """The logits of every class."""
    spec = importlib.util.spec_from_file_location("run", bundle / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    session = onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    made = run.inputs(recording, text)
    # Bundles of later versions return their sound beside the inputs.
    feeds = made[0] if isinstance(made, tuple) else made
    return session.run(["logits"], feeds)[0][0].tolist()


if __name__ == "__main__":
    print(json.dumps(logits(Path(sys.argv[1]), *sys.argv[2:])))
