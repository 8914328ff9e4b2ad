"""A small builder of ONNX graphs: nodes in the order they are added, names that count up, same calls same bytes.

The graph is written operation by operation instead of traced from PyTorch: what it computes stands in one place, every
length stays dynamic, and weights are laid out as onnxruntime wants them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17  # the first with LayerNormalization and DFT; runtimes of 2022 and later read it
IR_VERSION = 8
FLOAT, DOUBLE, INT64, BOOL = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.BOOL


class Graph:
    """Nodes and constants under construction; a value is known by its name."""

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
        """Give a value out under a name of its own."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, whose name is returned."""
        return self.add_several(operator, 1, *inputs, **attributes)[0]

    def add_several(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs."""
        first = f"{operator}_{len(self._nodes)}"
        names = [first, *(f"{first}_{number}" for number in range(1, outputs))]
        self._nodes.append(helper.make_node(operator, list(inputs), names, name=first, **attributes))
        return names

    def constant(self, values: NDArray[Any]) -> str:
        """A constant; small ones that are equal are stored once."""
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
        """A vector of 64-bit integers, as shapes, axes and bounds are given."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float, kind: Any = np.float32) -> str:
        """A number without dimensions."""
        return self.constant(np.array(value, kind))

    def size(self, value: str, axis: int) -> str:
        """The size of a value along one axis, as a vector of one integer."""
        return self.add("Shape", value, start=axis, end=axis + 1)

    def join(self, *parts: str) -> str:
        """Vectors of integers one behind the other."""
        return self.add("Concat", *parts, axis=0)

    def model(self, description: str) -> onnx.ModelProto:
        """The finished model."""
        graph = helper.make_graph(self._nodes, "sertool", self._inputs, self._outputs, self._constants)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sertool",
            doc_string=description,
        )
