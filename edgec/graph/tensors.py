"""Stored tensors, made honest: claimed sizes against real bytes, external data, sparse tensors, wide floats.

After `materialise` every tensor of the model is dense, inline, and one of the types edgec computes with; float16,
bfloat16 and double have become float32 everywhere (values, declared types, casts), which `widened` in the metadata records.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edgec.errors import ModelError, UnsupportedError

MAX_TENSOR_BYTES = 2**28
MAX_PARAMETER_BYTES = 2**29
FLOAT = int(TensorProto.FLOAT)
WIDE = {int(TensorProto.FLOAT16): "float16", int(TensorProto.BFLOAT16): "bfloat16", int(TensorProto.DOUBLE): "double"}
ALLOWED = {FLOAT, *WIDE, *(int(TensorProto.DataType.Value(n)) for n in "BOOL INT8 UINT8 INT16 UINT16 INT32 UINT32 INT64 UINT64".split())}
ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
TYPED_FIELD = {1: "float_data", 7: "int64_data", 11: "double_data", 12: "uint64_data", 13: "uint64_data"}
Visitor = Callable[[TensorProto, str], None]


def materialise(model: onnx.ModelProto, folder: Path) -> None:
    """Checks, loads and widens every tensor of the model in place.  Raises ModelError or UnsupportedError naming the tensor."""
    total = 0
    widened: set[str] = set()
    _densify_sparse(model, folder)
    for tensor, name in stored_tensors(model):
        total += check_tensor(tensor, name, folder)
        if total > MAX_PARAMETER_BYTES:
            raise ModelError(
                f"the model's tensors claim more than {MAX_PARAMETER_BYTES >> 20} MB in all (at {name!r})",
                "edgec is for small models; prune or distil it first",
            )
        _widen(tensor, name, widened)
    _widen_types(model, widened)
    if widened:
        entry = model.metadata_props.add()
        entry.key, entry.value = "edgec.widened", ", ".join(sorted(widened))


def stored_tensors(model: onnx.ModelProto) -> Iterator[tuple[TensorProto, str]]:
    """Every dense tensor with the name a user would know it by: its own, or that of the node that holds it."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _node_tensors(node)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[tuple[TensorProto, str]]:
    for tensor in graph.initializer:
        yield tensor, tensor.name
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[tuple[TensorProto, str]]:
    label = node.name or (node.output[0] if node.output else node.op_type)
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t, label
        for tensor in attribute.tensors:
            yield tensor, label
        if attribute.HasField("g"):
            yield from _graph_tensors(attribute.g)
        for graph in attribute.graphs:
            yield from _graph_tensors(graph)


def check_tensor(tensor: TensorProto, name: str, folder: Path) -> int:
    """Holds a tensor's shape against its payload before anything is allocated; reads external data.  Returns its bytes."""
    if tensor.data_type not in ALLOWED:
        kind = _type_name(tensor.data_type)
        raise UnsupportedError(
            f"the tensor {name!r} has type {kind}, which edgec does not compute with",
            "use float32, or int8/uint8 quantization",
            ((name, "tensor", f"type {kind}"),),
        )
    if any(dim < 0 for dim in tensor.dims):
        raise ModelError(f"the tensor {name!r} has a negative dimension: {list(tensor.dims)}", "export the model again")
    count = math.prod(tensor.dims)
    size = count * ITEM_BYTES[tensor.data_type]
    claim = f"the tensor {name!r} claims shape {list(tensor.dims)} ({size} bytes)"
    if size > MAX_TENSOR_BYTES:
        raise ModelError(f"{claim}; edgec reads tensors up to {MAX_TENSOR_BYTES >> 20} MB", "check the file: it may be damaged")
    if tensor.data_location == TensorProto.EXTERNAL:
        _load_external(tensor, name, folder, size)
    elif tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size:
            raise ModelError(f"{claim} but the file holds {len(tensor.raw_data)}", "the file is damaged; export it again")
    else:
        held = len(getattr(tensor, TYPED_FIELD.get(tensor.data_type, "int32_data")))
        if held != count:
            raise ModelError(f"{claim} but the file holds {held} of its {count} values", "the file is damaged; export it again")
    return int(size)


def _load_external(tensor: TensorProto, name: str, folder: Path, size: int) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    inside = "external data must lie in the model's own folder, or below it"
    relative = Path(location)
    if not location or "\0" in location:
        raise ModelError(f"the tensor {name!r} is external but names no file", "export the model again")
    if relative.is_absolute() or ".." in relative.parts or "\\" in location or location[1:2] == ":":
        raise ModelError(f"the tensor {name!r} wants data from {location!r}, outside the model's folder", inside)
    target = folder / relative
    resolved = target.resolve()
    if not resolved.is_relative_to(folder.resolve()):
        raise ModelError(f"the tensor {name!r} wants data from {location!r}, a link that leaves the model's folder", inside)
    if not resolved.is_file():
        raise ModelError(f"the external data file {location!r} of tensor {name!r} is missing", "copy it beside the .onnx file")
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or size)
    except ValueError as error:
        raise ModelError(f"the tensor {name!r} has an external offset that is no number", "export the model again") from error
    available = resolved.stat().st_size
    if length != size or offset < 0 or offset + size > available:
        raise ModelError(
            f"the tensor {name!r} wants {size} bytes at offset {offset} of {location!r} (length {length}, file {available})",
            "the data file is cut off or belongs to another model",
        )
    with resolved.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(size)
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _densify_sparse(model: onnx.ModelProto, folder: Path) -> None:
    for sparse in model.graph.sparse_initializer:
        dense = _dense(sparse, sparse.values.name, folder)
        model.graph.initializer.append(dense)
    del model.graph.sparse_initializer[:]
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("sparse_tensor"):
                dense = _dense(attribute.sparse_tensor, node.name or node.output[0], folder)
                attribute.ClearField("sparse_tensor")
                attribute.name, attribute.type = "value", onnx.AttributeProto.TENSOR
                attribute.t.CopyFrom(dense)


def _dense(sparse: onnx.SparseTensorProto, name: str, folder: Path) -> TensorProto:
    """A sparse tensor (values [NNZ], indices [NNZ] linear or [NNZ, rank]) written out in full."""
    check_tensor(sparse.values, name, folder)
    check_tensor(sparse.indices, name, folder)
    shape = tuple(sparse.dims)
    count = math.prod(shape)
    if any(dim < 0 for dim in shape) or count * ITEM_BYTES[sparse.values.data_type] > MAX_TENSOR_BYTES:
        raise ModelError(f"the sparse tensor {name!r} claims shape {list(shape)}", "store it dense, or check the file")
    values, indices = numpy_helper.to_array(sparse.values).ravel(), numpy_helper.to_array(sparse.indices).astype(np.int64)
    try:
        flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), shape)
        if flat.min(initial=0) < 0:
            raise ValueError("negative index")
        array = np.zeros(count, values.dtype)
        array[flat] = values
    except (ValueError, IndexError) as error:
        raise ModelError(f"the sparse tensor {name!r} has indices outside its shape {list(shape)}", "export it again") from error
    return numpy_helper.from_array(array.reshape(shape), name)


def _widen(tensor: TensorProto, name: str, widened: set[str]) -> None:
    """Replaces a float16, bfloat16 or double payload by float32; a double beyond float32's range is an error, not an infinity."""
    if tensor.data_type not in WIDE:
        return
    wide = numpy_helper.to_array(tensor).astype(np.float64)
    with np.errstate(over="ignore"):
        array = wide.astype(np.float32)
    extreme = np.isinf(array) & np.isfinite(wide)
    if wide.size == 1 and extreme.any():  # "no bound" spelt as the largest double, in Clip and masks
        array = np.clip(wide, np.finfo(np.float32).min, np.finfo(np.float32).max).astype(np.float32)
    elif extreme.any():
        raise ModelError(f"the tensor {name!r} holds doubles beyond float32's range", "rescale it; edgec computes in float32")
    widened.add(WIDE[tensor.data_type])
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _widen_types(model: onnx.ModelProto, widened: set[str]) -> None:
    def fix_value(value: onnx.ValueInfoProto, what: str) -> None:
        if value.type.WhichOneof("value") != "tensor_type":
            kind = value.type.WhichOneof("value") or "no type at all"
            raise UnsupportedError(f"the {what} {value.name!r} is not a tensor ({kind})", "edgec takes and gives dense tensors")
        kind_id = value.type.tensor_type.elem_type
        if kind_id in WIDE:
            widened.add(WIDE[kind_id])
            value.type.tensor_type.elem_type = FLOAT
        elif kind_id not in ALLOWED:
            raise UnsupportedError(f"the {what} {value.name!r} has type {_type_name(kind_id)}", "use float32, int8 or uint8")

    def fix_nodes(nodes: object) -> None:
        for node in nodes:  # type: ignore[attr-defined]
            for attribute in node.attribute:
                if attribute.name in ("to", "dtype", "output_dtype") and attribute.i in WIDE:
                    widened.add(WIDE[attribute.i])
                    attribute.i = FLOAT
                for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                    fix_nodes(graph.node)
                    for value in (*graph.input, *graph.output):
                        if value.type.tensor_type.elem_type in WIDE:
                            value.type.tensor_type.elem_type = FLOAT
                    del graph.value_info[:]

    initialisers = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        fix_value(value, "initialiser" if value.name in initialisers else "input")
    for value in model.graph.output:
        if value.type.WhichOneof("value") is not None:  # an untyped output is typed by inference
            fix_value(value, "output")
    fix_nodes(model.graph.node)
    for function in model.functions:
        fix_nodes(function.node)


def _type_name(kind: int) -> str:
    try:
        return str(TensorProto.DataType.Name(kind)).lower()  # type: ignore[arg-type,unused-ignore]
    except ValueError:
        return f"number {kind}"
