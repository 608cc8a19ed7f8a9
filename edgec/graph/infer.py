"""Shapes and types: pinning what the file leaves open, inferring the rest, and refusing what stays open or too large."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import onnx
import onnx_ir as ir

from edgec.errors import ModelError, UnsupportedError, UsageError
from edgec.graph.limits import CEILING, bounded_memory
from edgec.graph.view import is_static

MAX_ACTIVATION_BYTES = 2**28
LARGE_CONSTANT = 1024  # bytes; shape inference looks at values of small constants only
KEEPS_SHAPE = ("GroupNormalization",)
LARGE_VECTOR = 4096
GROWING = frozenset({"ConstantOfShape", "Expand", "Tile", "Range", "Pad", "Resize", "OneHot", "Loop", "If", "Scan"})
CONTROL_FLOW = ("If", "Loop", "Scan")


def pin_inputs(model: onnx.ModelProto, batch: int, shapes: Mapping[str, tuple[int, ...]] | None = None) -> None:
    """Makes every graph input static, in place: an open first dimension becomes `batch`, the others must be in `shapes`.

    Declared shapes of other tensors are dropped: they follow from the inputs.  Raises ModelError naming input and dimension.
    """
    shapes = shapes or {}
    names = {value.name for value in model.graph.input}
    for name in shapes:
        if name not in names:
            raise UsageError(f"the model has no input {name!r}", f"its inputs are {', '.join(sorted(names))}")
    if batch < 1:
        raise UsageError(f"a batch of {batch} makes no sense", "give --batch 1 or more")
    pinned = False
    for value in model.graph.input:
        tensor = value.type.tensor_type
        if not tensor.HasField("shape"):
            if value.name not in shapes:
                hint = "export with a fixed input shape, or give the shape of this input"
                raise ModelError(f"the input {value.name!r} has no shape, not even a rank", hint)
            tensor.shape.dim.extend(onnx.TensorShapeProto.Dimension() for _ in shapes[value.name])
        dims = tensor.shape.dim
        wanted = shapes.get(value.name)
        if wanted is not None and len(wanted) != len(dims):
            raise UsageError(f"the input {value.name!r} has {len(dims)} dimensions, not {len(wanted)}", "give one size each")
        for axis, dim in enumerate(dims):
            open_dim = not dim.HasField("dim_value") or dim.dim_value < 0
            if wanted is not None:
                if not open_dim and dim.dim_value != wanted[axis]:
                    raise UsageError(f"dimension {axis} of input {value.name!r} is fixed at {dim.dim_value}", "keep that size")
                dim.dim_value = wanted[axis]
            elif open_dim and axis == 0:
                dim.dim_value, pinned = batch, True
            elif open_dim:
                raise ModelError(
                    f"dimension {axis} of input {value.name!r} is open ({dim.dim_param or 'no size'}); edgec needs fixed sizes",
                    f"export with a fixed size, or give the whole shape of {value.name!r}; --batch pins only the first dimension",
                )
            if dim.dim_value == 0:
                raise ModelError(f"dimension {axis} of input {value.name!r} is 0", "an input needs at least one element")
        check_size(value.name, [dim.dim_value for dim in dims], tensor.elem_type, "input")
        pinned = pinned or (len(dims) > 0 and dims[0].dim_value == batch)
    if batch != 1 and not pinned and model.graph.input:
        name = model.graph.input[0].name
        raise UsageError(f"the first dimension of input {name!r} is fixed, --batch {batch} cannot change it", "leave --batch out")
    del model.graph.value_info[:]
    for value in model.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value") or dim.dim_value < 0:
                dim.Clear()


def check_size(name: str, dims: list[int], elem_type: int, what: str) -> None:
    """Refuses a tensor too large to be meant."""
    size = math.prod(dims) * (8 if elem_type == onnx.TensorProto.INT64 else 4)
    if size > MAX_ACTIVATION_BYTES:
        raise ModelError(
            f"the {what} {name!r} of shape {dims} takes {size} bytes; edgec allows {MAX_ACTIVATION_BYTES >> 20} MB a tensor",
            "check the shape: the file may be damaged, or the input size far beyond a small device",
        )


def unknown_nodes(model: ir.Model) -> list[ir.Node]:
    """Nodes whose operator neither ONNX (at the model's opset) nor a function of the model defines."""
    own = {(key[0], key[1]) for key in model.functions}
    version = model.opset_imports.get("", 1)
    return [
        node
        for node in model.graph.all_nodes()
        if (node.domain, node.op_type) not in own and (node.domain or not _has_schema(node.op_type, version))
    ]


@lru_cache(maxsize=1024)
def _has_schema(op_type: str, version: int) -> bool:
    try:
        return not onnx.defs.get_schema(op_type, version, "").deprecated
    except onnx.defs.SchemaError:
        return False


def infer(model: ir.Model) -> None:
    """Fills in shapes and types wherever they follow from the inputs, in place.  Raises ModelError where they contradict."""
    still_open = _infer(model, values=False)
    while _keep_shapes(model):
        still_open = _infer(model, values=False)
    if still_open and _values_are_small(model):
        _infer(model, values=True)
        while _keep_shapes(model):
            _infer(model, values=True)


def infer_leniently(model: ir.Model) -> None:
    """One run of inference that leaves contradictions for later."""
    _infer(model, values=False, lenient=True)


def _keep_shapes(model: ir.Model) -> bool:
    """Types the outputs of operators that onnx has no inference for although they keep their input's shape.  Says whether it did."""
    changed = False
    for node in model.graph:
        if node.op_type in KEEPS_SHAPE and not node.domain and node.inputs and node.inputs[0] is not None:
            value, out = node.inputs[0], node.outputs[0]
            if out.shape is None and is_static(value):
                out.shape, out.type, changed = value.shape, value.type, True
    return changed


def _infer(model: ir.Model, values: bool, lenient: bool = False) -> bool:
    """One run of onnx's inference.  values: follow the values of shape tensors too.  Says whether a shape is still open."""
    strict = not lenient and not unknown_nodes(model)
    try:
        with bounded_memory():
            proto = onnx.shape_inference.infer_shapes(_skeleton(model), check_type=strict, strict_mode=strict, data_prop=values)
    except Exception as error:  # the C++ side raises InferenceError, ValueError or RuntimeError
        if isinstance(error, MemoryError) or "bad_alloc" in str(error):
            raise ModelError(
                f"the shapes of the model cannot be worked out in {CEILING:,} bytes of memory",
                "a constant of this model claims an absurd size; export it again",
            ) from error
        raise ModelError(f"the model contradicts itself: {_first_line(error)}", "check the shapes and types of that node") from error
    known = {value.name: value.type for value in (*proto.graph.value_info, *proto.graph.output)}
    for node in model.graph:
        for value in node.outputs:
            if value.name in known and known[value.name].HasField("tensor_type"):
                _adopt(value, known[value.name].tensor_type)
    return any(not is_static(value) for node in model.graph for value in node.outputs)


def _values_are_small(model: ir.Model) -> bool:
    """Whether onnx may follow values: it writes out every element of every vector, also of one that claims 10^11 of them."""
    for node in model.graph:
        for value in node.outputs:
            if is_static(value):
                if value.shape is not None and value.shape.rank() == 1 and int(value.shape[0]) > LARGE_VECTOR:  # type: ignore[arg-type]
                    return False
            elif node.op_type in GROWING and (value.shape is None or value.shape.rank() <= 1):
                return False
    return True


def _adopt(value: ir.Value, found: onnx.TypeProto.Tensor) -> None:
    if found.elem_type:
        value.type = ir.TensorType(ir.DataType(found.elem_type))
    if found.HasField("shape"):
        dims = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in found.shape.dim]
        value.shape = ir.Shape(dims)


def _skeleton(model: ir.Model) -> onnx.ModelProto:
    """The model without its weights: large constants become typed inputs, for inference does not look at their values."""
    graph = model.graph
    large = [v for v in graph.initializers.values() if v.const_value is not None and v.const_value.nbytes > LARGE_CONSTANT]
    keep = {value.name: value.const_value for value in large}
    for value in large:
        value.shape, value.type = value.const_value.shape, ir.TensorType(value.const_value.dtype)  # type: ignore[union-attr,assignment]
        graph.initializers.pop(str(value.name))
    count = len(graph.inputs)
    graph.inputs.extend(value for value in large if value not in graph.inputs)
    try:
        return ir.to_proto(model)
    finally:
        for value in list(graph.inputs)[count:]:
            graph.inputs.remove(value)
        for value in large:
            value.const_value = keep[value.name]
            graph.register_initializer(value)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def check_complete(model: ir.Model) -> None:
    """Every value of the finished front must be a dense tensor of known type and static, non-empty shape."""
    unknown = set(unknown_nodes(model))
    flow = [node for node in model.graph if node.op_type in CONTROL_FLOW and not node.domain]
    if unknown or flow:
        _refuse_nodes(model, unknown)
    for node in model.graph:
        for value in node.outputs:
            if not value.name and not value.uses():
                continue
            if value.dtype is None or not is_static(value):
                _refuse_open(node, value)
            dims = [int(dim) for dim in value.shape or ()]  # type: ignore[arg-type]
            if 0 in dims:
                raise ModelError(f"node {node.name!r} makes {value.name!r} of shape {dims}: nothing", "check its slices and pads")
            check_size(str(value.name), dims, int(value.dtype or 0), "tensor")


def _refuse_nodes(model: ir.Model, unknown: set[ir.Node]) -> None:
    """Lists everything that cannot be compiled at once, known operators without a page included."""
    from edgec.ops.registry import by_onnx

    pages = {*by_onnx(), "QuantizeLinear", "DequantizeLinear"}
    problems = []
    for node in model.graph:
        label = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        if node in unknown:
            problems.append((node.name or "", label, "an operator edgec does not know"))
        elif node.op_type in CONTROL_FLOW:
            problems.append((node.name or "", label, "control flow that depends on the data"))
        elif node.op_type not in pages and not node.domain:
            problems.append((node.name or "", label, "not supported"))
    listed = "; ".join(f"{name!r} ({label}): {why}" for name, label, why in problems)
    raise UnsupportedError(
        f"{len(problems)} node(s) of the model cannot be compiled: {listed}",
        "`edgec ops` lists what is supported; replace the operator, trace away control flow, or cut the model before it",
        tuple(problems),
    )


def _refuse_open(node: ir.Node, value: ir.Value) -> None:
    raise ModelError(
        f"the shape of {value.name!r} (node {node.name!r}, {node.op_type}) depends on the data: {value.shape}",
        "edgec needs shapes known at compile time; export with fixed sizes",
        str(node.name or ""),
    )
