"""Structural comparison of two graphs: same operators, attributes, wiring and constants; names do not count."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from edgec.graph.infer import infer
from edgec.graph.load import to_ir
from edgec.graph.view import attributes, const_array

HEADER = '<ir_version: 10, opset_import: ["" : {opset}, "com.microsoft" : 1, "edgec" : 1]>\n'


def parse(text: str, opset: int = 21) -> ir.Model:
    """A model from onnx's text format, without its header; `Name (x)` with a dotted name is an operator of that domain."""
    return to_ir(onnx.parser.parse_model(HEADER.format(opset=opset) + text))


def parse_inferred(text: str, opset: int = 21) -> ir.Model:
    model = parse(text, opset)
    infer(model)
    return model


def tree(value: ir.Value | None) -> Any:
    """A value as the nested tuple of how it is made."""
    if value is None:
        return None
    array = const_array(value)
    if array is not None:
        return ("const", str(array.dtype), array.shape, tuple(np.round(array.astype(np.float64).ravel(), 5)))
    node = value.producer()
    if node is None:
        return ("input", value.name)
    settings = {k: v for k, v in attributes(node).items() if not isinstance(v, ir.Graph)}
    rounded = tuple(sorted((k, round(v, 5) if isinstance(v, float) else v) for k, v in settings.items()))
    return (node.domain, node.op_type, value.index(), rounded, tuple(tree(v) for v in node.inputs))


def assert_same(found: ir.Model, wanted: ir.Model) -> None:
    assert [v.name for v in found.graph.outputs] == [v.name for v in wanted.graph.outputs]
    assert len(list(found.graph)) == len(list(wanted.graph)), ir.to_onnx_text(found)
    for a, b in zip(found.graph.outputs, wanted.graph.outputs, strict=True):
        assert tree(a) == tree(b)
