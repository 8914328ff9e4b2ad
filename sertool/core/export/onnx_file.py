"""Write an ONNX model to a file."""

from pathlib import Path
from typing import TYPE_CHECKING

from sertool.core.files import artifacts

if TYPE_CHECKING:
    import onnx

MODEL = "model.onnx"  # the members of a bundle
# A protobuf message, which a model file is, ends at 2 GiB; above 1.5 GiB the weights go into a file of their own.
LARGEST_FILE = 3 << 29  # bytes


def save(model: "onnx.ModelProto", path: Path) -> bool:
    """Write a model, with its weights in a second file if they are too large for one; return whether they are."""
    import onnx

    external = sum(len(constant.raw_data) for constant in model.graph.initializer) > LARGEST_FILE
    if external:
        onnx.save_model(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=1024)
    else:
        artifacts.write_bytes(path, model.SerializeToString(deterministic=True))
    return external
