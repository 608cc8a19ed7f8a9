"""The numbers in a model's constants: NaN, infinities and impossible quantization parameters are found here, by name."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.errors import ModelError
from edgec.graph.view import const_array, input_at


def check_numbers(model: ir.Model) -> None:
    """Raises ModelError for NaN anywhere, infinities in anything but a single number (a Clip limit), scales that are not positive."""
    for graph in model.graphs():
        for value in graph.initializers.values():
            array = const_array(value)
            if array is None or array.dtype != np.float32 or np.isfinite(array).all():
                continue
            kind = "NaN" if np.isnan(array).any() else "infinite values"
            if kind == "NaN" or array.size > 1:
                where = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
                position = f" (first at {[int(i) for i in where]})" if array.ndim else ""
                raise ModelError(
                    f"the initialiser {value.name!r} contains {kind}{position}",
                    "the training diverged or the export went wrong; check the weights in the framework",
                )
        for node in graph:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                _check_scale(node)


def _check_scale(node: ir.Node) -> None:
    scale = const_array(input_at(node, 1))
    if scale is None:
        return
    bad = (scale <= 0) if node.op_type == "QuantizeLinear" else (scale < 0)
    if np.any(bad) or not np.isfinite(scale).all():
        name = node.inputs[1].name if node.inputs[1] is not None else ""
        raise ModelError(
            f"the scale {name!r} of node {node.name!r} ({node.op_type}) is not a positive number",
            "quantize the model again with calibration data that reaches this layer",
            node.name or "",
        )
