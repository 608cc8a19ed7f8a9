"""From a file to a checked, static `onnx_ir.Model`; `front` adds the normal form.

    read the file  ->  pin the inputs  ->  inline functions  ->  to onnx_ir, every node and value named
                   ->  infer shapes  ->  one spelling per operator  ->  infer again
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx_ir as ir

from edgec.errors import ModelError
from edgec.graph import opset, proto, qoperator
from edgec.graph.edit import unique
from edgec.graph.infer import infer, pin_inputs
from edgec.graph.normalize import normalize
from edgec.graph.values import check_numbers
from edgec.graph.window import settle_rounded_up

Shapes = Mapping[str, tuple[int, ...]]


def front(path: Path | str, batch: int = 1, shapes: Shapes | None = None) -> ir.Model:
    """load, QOperator to QDQ, normal form: what the lowering walks node by node."""
    model = load_model(path, batch, shapes)
    return normalize(qoperator.expand(model))


def load_model(path: Path | str, batch: int = 1, shapes: Shapes | None = None) -> ir.Model:
    """Reads an ONNX file.  batch: size of an open first dimension; shapes: whole shapes of inputs, by name.

    Raises ModelError for everything that is broken, UnsupportedError for types and modes edgec does not compute with.
    """
    loaded = proto.read(Path(path))
    drop_default_inputs(loaded)
    pin_inputs(loaded, batch, shapes)
    if loaded.functions:
        loaded = inlined(loaded)
    model = to_ir(loaded)
    check_numbers(model)
    settle_rounded_up(model)
    infer(model)
    opset.canonical(model)
    infer(model)
    return model


def drop_default_inputs(model: onnx.ModelProto) -> None:
    """An initialiser listed as input (IR version 3 demanded that) is a constant, not an input."""
    constants = {tensor.name for tensor in model.graph.initializer}
    kept = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def inlined(model: onnx.ModelProto) -> onnx.ModelProto:
    """Model-local functions become plain nodes."""
    from onnx import inliner

    try:
        flat = inliner.inline_local_functions(model, convert_version=True)
    except Exception as error:  # the C++ side raises its own kinds
        raise ModelError(f"the model's functions cannot be inlined: {error}", "export without functions") from error
    proto.order(flat.graph, set())
    return flat


def to_ir(model: onnx.ModelProto) -> ir.Model:
    """ModelProto to onnx_ir, with a unique name for every node."""
    try:
        made = ir.from_proto(model)
    except Exception as error:  # onnx_ir wraps whatever its reader met
        raise ModelError(f"the model cannot be read: {error}", proto.EXPORT_HINT) from error
    for graph in made.graphs():
        taken: set[str] = set()
        for index, node in enumerate(graph):
            name = node.name or f"{node.op_type.lower()}_{index}"
            if name in taken:
                name = unique(made.graph, name)
            taken.add(name)
            node.name = name
    return made
