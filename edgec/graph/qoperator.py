"""QOperator models in QDQ form: each QLinear operator is DequantizeLinear, the float operator, QuantizeLinear.

This is what onnxruntime's integer kernels compute: the real-valued operator on the dequantized inputs, rounded once.  A bias
stays int32 and is dequantized with s_x * s_w per channel.  Dynamic quantization (scales made at run time) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.errors import ModelError, UnsupportedError
from edgec.graph.edit import constant, graph_of, insert, set_attributes, set_inputs, swap
from edgec.graph.view import attributes, const_array, input_at

MICROSOFT = "com.microsoft"
DYNAMIC = frozenset(
    {"DynamicQuantizeLinear", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM"}
)
WINDOW = ("kernel_shape", "strides", "pads", "dilations", "group", "auto_pad", "ceil_mode", "count_include_pad")


def expand(model: ir.Model) -> ir.Model:
    """Rewrites every QOperator node of the model in place and returns it.

    Before::

        g (uint8[1, 2] x) => (uint8[1, 2] y)
        <float sx = {0.5}, uint8 zx = {3}, int8[2, 2] w = {1, 2, 3, 4}, float[2] sw = {0.25, 1}, int8[2] zw = {0, 0},
         float sy = {2}, uint8 zy = {7}> {
            y = QLinearMatMul (x, sx, zx, w, sw, zw, sy, zy)
        }

    After::

        g (uint8[1, 2] x) => (uint8[1, 2] y)
        <float sx = {0.5}, uint8 zx = {3}, int8[2, 2] w = {1, 2, 3, 4}, float[2] sw = {0.25, 1}, int8[2] zw = {0, 0},
         float sy = {2}, uint8 zy = {7}> {
            a = DequantizeLinear (x, sx, zx)
            b = DequantizeLinear <axis = 1> (w, sw, zw)
            r = MatMul (a, b)
            y = QuantizeLinear (r, sy, zy)
        }
    """
    refuse_dynamic(model)
    for node in list(model.graph):
        if node.domain in ("", MICROSOFT) and node.op_type in FORMS:
            FORMS[node.op_type](node)
        elif node.domain == MICROSOFT and node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            node.domain = ""
    if not any(node.domain == MICROSOFT for node in model.graph.all_nodes()):
        model.graph.opset_imports.pop(MICROSOFT, None)
    return model


def refuse_dynamic(model: ir.Model) -> None:
    """Raises UnsupportedError with every dynamically quantized node."""
    found = [node for node in model.graph.all_nodes() if node.op_type in DYNAMIC]
    if found:
        reason = "dynamic quantization: its scale is only known at run time"
        raise UnsupportedError(
            "; ".join(f"node {node.name!r} ({node.op_type}): {reason}" for node in found),
            "quantize statically, with calibration data: onnxruntime.quantization.quantize_static, or give the float model",
            tuple((node.name or "", node.op_type, reason) for node in found),
        )


def _dequantize(node: ir.Node, start: int, axis: int | None = None) -> ir.Value:
    """DequantizeLinear of inputs start (tensor), start+1 (scale), start+2 (zero point); axis is used for vectors of scales."""
    value, scale, zero = input_at(node, start), input_at(node, start + 1), input_at(node, start + 2)
    if value is None or scale is None:
        raise ModelError(f"node {node.name!r} ({node.op_type}) lacks an input", "export the model again", node.name or "")
    array = _scale(node, scale)
    if array.size == 1:
        inputs = [value, _scalar(node, scale), _scalar(node, zero)]
        return _typed(insert(node, "DequantizeLinear", inputs, name=f"{node.name}_dequantize"), value)
    if axis is None:
        reason = f"a vector of {array.size} scales where one is expected"
        raise UnsupportedError(
            f"node {node.name!r} ({node.op_type}) has {reason}", "quantize activations per tensor", ((node.name or "", node.op_type, reason),)
        )
    made = insert(node, "DequantizeLinear", [value, scale, zero], {"axis": axis}, name=f"{node.name}_dequantize")
    return _typed(made, value)


def _typed(made: ir.Value, like: ir.Value) -> ir.Value:
    made.type, made.shape = ir.TensorType(ir.DataType.FLOAT), like.shape
    return made


def _scale(node: ir.Node, value: ir.Value | None) -> Any:
    array = const_array(value)
    if array is None:
        reason = "its scales are computed by the model"
        raise UnsupportedError(
            f"node {node.name!r} ({node.op_type}): {reason}", "quantize the model statically", ((node.name or "", node.op_type, reason),)
        )
    return array


def _scalar(node: ir.Node, value: ir.Value | None) -> ir.Value | None:
    """A constant of shape [1] as one of shape [] (onnxruntime's operators take both)."""
    array = const_array(value)
    if array is None or array.ndim == 0:
        return value
    return constant(graph_of(node), array.reshape(()), str(value.name) if value is not None else "")


def _finish(node: ir.Node, result: ir.Value, scale: int) -> None:
    """QuantizeLinear with the scale at input `scale` and the zero point behind it takes the node's place."""
    result.type = ir.TensorType(ir.DataType.FLOAT)
    factor = input_at(node, scale)
    if factor is None:  # QGemm without an output scale gives floats
        swap(node, result)
        return
    _scale(node, factor)
    inputs = [result, _scalar(node, factor), _scalar(node, input_at(node, scale + 1))]
    out = insert(node, "QuantizeLinear", inputs, like=node.outputs[0], name=f"{node.name}_quantize")
    swap(node, out)


def _kept(node: ir.Node, names: Sequence[str]) -> dict[str, Any]:
    return {name: node.attributes[name].value for name in names if name in node.attributes}


def _core(node: ir.Node, op_type: str, inputs: Sequence[ir.Value | None], settings: dict[str, Any] | None = None) -> ir.Value:
    while inputs and inputs[-1] is None:
        inputs = inputs[:-1]
    return insert(node, op_type, inputs, settings, name=node.name or "")


def _conv(node: ir.Node) -> None:
    _refuse_channels_last(node)
    weight_scale = _scale(node, input_at(node, 4))
    bias = _bias(node, 8, _scale(node, input_at(node, 1)) * weight_scale)
    made = _core(node, "Conv", [_dequantize(node, 0), _dequantize(node, 3, axis=0), bias], _kept(node, WINDOW))
    _finish(node, made, 6)


def _bias(node: ir.Node, index: int, scale: Any) -> ir.Value | None:
    """An int32 bias at the accumulator's scale s_x * s_w, a number or one per output channel."""
    value = input_at(node, index)
    if value is None:
        return None
    scale = np.asarray(scale, np.float32)
    scale = scale.reshape(()) if scale.size == 1 else scale.reshape(-1)
    factor = constant(graph_of(node), scale, f"{node.name}_bias_scale")
    settings = {"axis": value.shape.rank() - 1 if value.shape is not None else 0} if scale.ndim else {}
    made = insert(node, "DequantizeLinear", [value, factor], settings, name=f"{node.name}_bias")
    return _typed(made, value)


def _last_axis(node: ir.Node, index: int, fallback: int) -> int:
    value = input_at(node, index)
    return value.shape.rank() - 1 if value is not None and value.shape is not None else fallback


def _matmul(node: ir.Node) -> None:
    made = _core(node, "MatMul", [_dequantize(node, 0), _dequantize(node, 3, axis=_last_axis(node, 3, 1))])
    _finish(node, made, 6)


def _gemm(node: ir.Node) -> None:
    known = attributes(node)
    alpha, turned = float(known.get("alpha", 1.0)), int(known.get("transB", 0))
    scale = np.float32(alpha) * _scale(node, input_at(node, 1)) * _scale(node, input_at(node, 4))
    weights = _dequantize(node, 3, axis=0 if turned else 1)
    inputs = [_dequantize(node, 0), weights, _bias(node, 6, scale)]
    settings = {"transA": int(known.get("transA", 0)), "transB": turned, "alpha": alpha}
    _finish(node, _core(node, "Gemm", inputs, settings), 7)


def _binary(op_type: str) -> Callable[[ir.Node], None]:
    def rewrite(node: ir.Node) -> None:
        _finish(node, _core(node, op_type, [_dequantize(node, 0), _dequantize(node, 3)]), 6)

    return rewrite


def _unary(op_type: str, *names: str) -> Callable[[ir.Node], None]:
    def rewrite(node: ir.Node) -> None:
        _refuse_channels_last(node)
        _finish(node, _core(node, op_type, [_dequantize(node, 0)], _kept(node, names)), 3)

    return rewrite


def _softmax(node: ir.Node) -> None:
    """Before opset 13 (attribute `opset`) axes from `axis` on are one; that only matters if `axis` is not the last."""
    axis, old = int(attributes(node).get("axis", -1)), int(attributes(node).get("opset", 13)) < 13
    value = node.inputs[0]
    rank = value.shape.rank() if value is not None and value.shape is not None else None
    if old and axis != -1 and (rank is None or axis % rank != rank - 1):
        reason = "the softmax of opset 12 over several axes"
        raise UnsupportedError(f"node {node.name!r}: {reason}", "export with opset 13", ((node.name or "", node.op_type, reason),))
    _finish(node, _core(node, "Softmax", [_dequantize(node, 0)], {"axis": axis}), 3)


def _reduce_mean(node: ir.Node) -> None:
    known = attributes(node)
    made = _core(node, "ReduceMean", [_dequantize(node, 0)], {"keepdims": int(known.get("keepdims", 1))})
    producer = made.producer()
    if known.get("axes") and producer is not None:
        axes = constant(graph_of(node), tuple(known["axes"]), f"{node.name}_axes")
        set_inputs(producer, [producer.inputs[0], axes])
    _finish(node, made, 3)


def _concat(node: ir.Node) -> None:
    """Inputs: y scale, y zero point, then (tensor, scale, zero point) for each part."""
    parts = [_dequantize(node, index) for index in range(2, len(node.inputs), 3)]
    _finish(node, _core(node, "Concat", parts, _kept(node, ("axis",))), 0)


def _where(node: ir.Node) -> None:
    made = _core(node, "Where", [node.inputs[0], _dequantize(node, 1), _dequantize(node, 4)])
    _finish(node, made, 7)


def _refuse_channels_last(node: ir.Node) -> None:
    if attributes(node).get("channels_last", 0):
        reason = "channels_last=1"
        raise UnsupportedError(
            f"node {node.name!r} ({node.op_type}) has {reason}: a model optimised for one machine",
            "give the model as the quantizer wrote it, before onnxruntime's layout optimisation",
            ((node.name or "", node.op_type, reason),),
        )
    set_attributes(node, channels_last=None)


FORMS: dict[str, Callable[[ir.Node], None]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearAdd": _binary("Add"),
    "QLinearMul": _binary("Mul"),
    "QLinearSigmoid": _unary("Sigmoid"),
    "QLinearLeakyRelu": _unary("LeakyRelu", "alpha"),
    "QLinearAveragePool": _unary("AveragePool", *WINDOW[:3], *WINDOW[5:]),
    "QLinearGlobalAveragePool": _unary("GlobalAveragePool"),
    "QLinearSoftmax": _softmax,
    "QLinearReduceMean": _reduce_mean,
    "QLinearConcat": _concat,
    "QLinearWhere": _where,
}
