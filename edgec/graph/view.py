"""Reading an `onnx_ir` graph without ceremony: constants, static shapes, attributes with their defaults, consumers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

Array = NDArray[Any]


def const_array(value: ir.Value | None) -> Array | None:
    """The array of an initialiser (or of a Constant node's output), None for anything computed or absent."""
    if value is None:
        return None
    tensor = value.const_value
    if tensor is None and (node := value.producer()) is not None and node.op_type == "Constant" and "value" in node.attributes:
        tensor = node.attributes["value"].as_tensor()
    if tensor is None or value.is_graph_input():
        return None
    return np.asarray(tensor.numpy())


def is_const(value: ir.Value | None) -> bool:
    """Whether `const_array` would give an array."""
    return value is not None and value.const_value is not None and not value.is_graph_input()


def scalar(value: ir.Value | None) -> float | None:
    """The number in a constant of one element, else None."""
    array = const_array(value) if is_const(value) else None
    return float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None


def is_static(value: ir.Value) -> bool:
    """Whether every dimension is a known number."""
    return value.shape is not None and all(isinstance(dim, int) for dim in value.shape)


def shape(value: ir.Value) -> tuple[int, ...]:
    """Static shape; after `front` every value has one.  Raises ValueError otherwise."""
    if not is_static(value):
        raise ValueError(f"the shape of {value.name!r} is not static: {value.shape}")
    assert value.shape is not None
    return tuple(int(dim) for dim in value.shape)  # type: ignore[arg-type]


def dtype(value: ir.Value) -> str:
    """Numpy's name of the element type: 'float32', 'int8', 'uint8', 'int32', 'int64', 'bool'."""
    if value.dtype is None:
        raise ValueError(f"the type of {value.name!r} is not known")
    return str(value.dtype.numpy())


def input_at(node: ir.Node, index: int) -> ir.Value | None:
    """Input number `index`, None where it is absent or left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def attributes(node: ir.Node) -> dict[str, Any]:
    """Attributes as Python values (lists as tuples, tensors as arrays); those left out have the operator's default."""
    graph = node.graph
    version = graph.opset_imports.get(node.domain, 1) if graph is not None else 1
    found = dict(_defaults(node.op_type, version, node.domain))
    for name, attribute in node.attributes.items():
        found[name] = _plain(attribute.value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, ir.TensorProtocol):
        return np.asarray(value.numpy())
    return tuple(value) if isinstance(value, list | tuple) else value


@lru_cache(maxsize=1024)
def _defaults(op_type: str, version: int, domain: str) -> tuple[tuple[str, Any], ...]:
    import onnx

    try:
        schema = onnx.defs.get_schema(op_type, version, domain)
    except onnx.defs.SchemaError:
        return ()
    given = ((name, item.default_value) for name, item in schema.attributes.items() if item.default_value.name)
    made = []
    for name, proto in given:
        value = onnx.helper.get_attribute_value(proto)
        made.append((name, value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value))
    return tuple(made)


def consumers(value: ir.Value) -> list[ir.Node]:
    """The nodes that read a value, each once, in graph order of first use."""
    return list(value.consumers())


def sole_user(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value, None if several do or the value is a graph output."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def produced_by(value: ir.Value | None, op_type: str) -> ir.Node | None:
    """The producer of a value if it is that ONNX operator (default domain)."""
    node = value.producer() if value is not None else None
    return node if node is not None and node.op_type == op_type and not node.domain else None
