"""A small builder of ONNX graphs: nodes keep their order, names count up, equal calls give equal bytes.

The graph is written operation by operation instead of traced from PyTorch: its computation stands in one place, each
length stays dynamic, and weights are laid out as onnxruntime wants them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17  # the first with LayerNormalization and DFT; onnxruntime 1.12 of 2022 and later read it
IR_VERSION = 8  # the file format that belongs to opset 17; onnx would write its newest one
FLOAT, DOUBLE, INT64, BOOL = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL


class Graph:
    """The nodes and constants of a graph under construction; a value is referred to by its name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._small: dict[tuple[str, bytes, tuple[int, ...]], str] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Declare an input; a dimension given by name is dynamic."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: int, shape: Sequence[int | str]) -> None:
        """Declare a value as an output under a name."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.add_several(operator, 1, *inputs, **attributes)[0]

    def add_several(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names."""
        first = f"{operator}_{len(self._nodes)}"
        names = [first, *(f"{first}_{number}" for number in range(1, outputs))]
        self._nodes.append(helper.make_node(operator, list(inputs), names, name=first, **attributes))
        return names

    def constant(self, values: NDArray[Any]) -> str:
        """Add a constant; small constants that are equal are stored once."""
        array = np.array(values, order="C")
        key = (array.dtype.str, array.tobytes() if array.size <= 64 else b"", array.shape)
        if array.size <= 64 and key in self._small:
            return self._small[key]
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        if array.size <= 64:
            self._small[key] = name
        return name

    def ints(self, *values: int) -> str:
        """Add a vector of 64-bit integers, the type of shapes, axes and bounds."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float, kind: Any = np.float32) -> str:
        """Add a number without dimensions."""
        return self.constant(np.array(value, kind))

    def size(self, value: str, axis: int) -> str:
        """Return the size of a value along an axis, as a vector of one integer."""
        return self.add("Shape", value, start=axis, end=axis + 1)

    def join(self, *parts: str) -> str:
        """Concatenate vectors of integers."""
        return self.add("Concat", *parts, axis=0)

    def model(self, description: str) -> onnx.ModelProto:
        """Finish the graph and return the model."""
        graph = helper.make_graph(self._nodes, "sertool", self._inputs, self._outputs, self._constants)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sertool",
            doc_string=description,
        )
