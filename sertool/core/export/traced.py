"""A PyTorch module as an ONNX graph of any length, with its weights in 32, 16 or 8 bits.

Pretrained encoders are traced, because their code is transformers' own; sertool's models are written operator by
operator (:mod:`~sertool.core.export.onnx_model`).
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from sertool.core.errors import SertoolError
from sertool.core.export.onnx_file import save
from sertool.core.export.quantise import write_int8
from sertool.core.export.written import Bits

OPSET = 18  # the oldest that torch's exporter writes without a conversion
SMALL = 1024  # values; smaller constants are biases, norms and shapes, which keep their precision


def trace(module: torch.nn.Module, example: torch.Tensor, name: str) -> onnx.ModelProto:
    """Trace a module that turns an array, whose last axis has any length, into ``states``.

    Args:
        module: its ``forward`` has one argument, ``given``.
        example: an input, of a length that is not special to the module.
        name: name of the graph's input.

    Raises:
        SertoolError: PyTorch's exporter fails.
    """
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                (example,),
                input_names=[name],
                output_names=["states"],
                dynamic_shapes={"given": {example.ndim - 1: torch.export.Dim.DYNAMIC}},
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # of the exporter, of any kind
        first = str(error).strip().partition("\n")[0]
        raise SertoolError(
            f"export: PyTorch's exporter cannot trace the encoder that takes {name} ({first:.200})",
            hint="leave out --with-frontend and --encoder, and give run.py the encoder's frames",
        ) from error
    assert program is not None  # it is returned unless a file is named
    return _without_traces(program.model_proto)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which warns of torchvision's absence and of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Remove the stack traces, which hold paths of this machine."""
    graph = model.graph
    for own in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del own.metadata_props[:]
    return model


def halve(model: onnx.ModelProto) -> None:
    """Store a graph's weights as 16-bit floats, in place; a runtime computes with them as 32-bit ones."""
    nodes = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < SMALL:
            continue
        values = numpy_helper.to_array(weight)
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        nodes.append(helper.make_node("Cast", [weight.name], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def write(model: onnx.ModelProto, path: Path, bits: Bits) -> None:
    """Write a traced graph; in 8 bits are the weights of its linear layers and embeddings, not its convolutions."""
    if bits == "fp16":
        halve(model)
    if bits != "int8":
        save(model, path)
        return
    whole = path.with_suffix(".fp32")
    external = save(model, whole)
    write_int8(whole, path, external=external, keep=(), operators=("MatMul", "Gemm", "Gather"))
    for file in path.parent.glob(f"{whole.name}*"):
        file.unlink()
