"""Writes an ONNX model: the graph in one file, the large tensors beside it as they come, so that no copy piles up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"  # ONNX Runtime's own operators
OPSETS = {"": 21, MICROSOFT: 1}
IR_VERSION = 10
ALIGNMENT = 4096  # bytes; lets the runtime map a tensor instead of reading it


class OnnxFile:
    """A graph under construction. Every method that adds something returns its name, to be used as an input.

    Use it as a context manager; ``save`` comes last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data_name = f"{path.name}.data"
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._data: BinaryIO = (path.parent / self._data_name).open("wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """A small tensor, kept inside the graph."""
        self._initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def tensor(self, name: str, value: NDArray[Any], *, also_as: tuple[str, tuple[int, ...]] | None = None) -> str:
        """A large tensor, kept in the data file.

        Args:
            also_as: a second name and shape for the same bytes.
        """
        self._data.write(b"\0" * (-self._data.tell() % ALIGNMENT))
        offset = self._data.tell()
        self._data.write(np.ascontiguousarray(value).data)
        for alias, shape in [(name, value.shape), *([also_as] if also_as else [])]:
            proto = TensorProto(
                name=alias,
                dims=shape,
                data_type=helper.np_dtype_to_tensor_dtype(value.dtype),
                data_location=TensorProto.EXTERNAL,
            )
            for key, entry in (("location", self._data_name), ("offset", offset), ("length", value.nbytes)):
                proto.external_data.add(key=key, value=str(entry))
            self._initializers.append(proto)
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        """An operator with one output."""
        self.nodes(operator, inputs, [output], domain=domain, **attributes)
        return output

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], *, domain: str = "", **attributes: Any
    ) -> None:
        """An operator with several outputs; an empty name is an output that nobody needs."""
        self._nodes.append(
            helper.make_node(operator, inputs, outputs, name=f"{outputs[0]}.{operator}", domain=domain, **attributes)
        )

    def save(self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> None:
        """Write the graph."""
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._initializers)
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="foundry-stack")
        self._path.write_bytes(model.SerializeToString())
