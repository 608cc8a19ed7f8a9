"""One-node models run by onnxruntime, optimisation off: plain float, or between QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgec.ir.program import Array, Quant

TYPES = {"float32": TensorProto.FLOAT, "int8": TensorProto.INT8, "int64": TensorProto.INT64, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}


def run(
    op: str,
    values: Sequence[Array | None],
    constants: Mapping[int, Array],
    attrs: Mapping[str, Any],
    outputs: int = 1,
    quants: Sequence[Quant | None] = (),
    out_quant: Quant | None = None,
    opset: int = 19,
    out_types: Sequence[str] = (),
) -> list[Array]:
    """values[i]: activation (int8 if quants[i] is set), None for constants and absent ones; constants: by index."""
    nodes, inits, names, ports, feed = [], [], [], [], {}

    def scale(name: str, q: Quant) -> list[str]:
        inits.append(numpy_helper.from_array(np.float32(q.scale), f"{name}_s"))
        inits.append(numpy_helper.from_array(np.int8(q.zero_point), f"{name}_z"))
        return [f"{name}_s", f"{name}_z"]

    for i, value in enumerate(values):
        if i in constants:
            inits.append(numpy_helper.from_array(constants[i], f"c{i}"))
            names.append(f"c{i}")
        elif value is None:
            names.append("")
        else:
            ports.append(helper.make_tensor_value_info(f"x{i}", TYPES[str(value.dtype)], value.shape))
            feed[f"x{i}"] = value
            names.append(f"x{i}")
            q = quants[i] if i < len(quants) else None
            if q is not None:
                nodes.append(helper.make_node("DequantizeLinear", [f"x{i}", *scale(f"x{i}", q)], [f"f{i}"]))
                names[-1] = f"f{i}"
    made = [f"y{i}" for i in range(outputs)]
    nodes.append(helper.make_node(op, names, made, **attrs))
    if out_quant is not None:
        nodes += [helper.make_node("QuantizeLinear", [m, *scale(f"{m}_q", out_quant)], [f"{m}_int"]) for m in made]
        made = [f"{m}_int" for m in made]
    kind = TYPES["int8"] if out_quant else TYPES[str(feed["x0"].dtype)] if not quants else TYPES["float32"]
    types = [TYPES[t] for t in out_types] or [kind] * len(made)
    ends = [helper.make_tensor_value_info(m, t, None) for m, t in zip(made, types, strict=True)]
    graph = helper.make_graph(nodes, "g", ports, ends, inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(None, feed)
    return found


def compare(ours: Array, theirs: Array, share: float = 0.999) -> None:
    """int8 results: at most one step apart, and `share` of them identical."""
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    off = np.abs(ours.astype(int) - theirs.astype(int))
    assert off.max(initial=0) <= 1, f"{off.max()} steps apart"
    assert (off == 0).mean() >= share, f"only {(off == 0).mean():.4%} identical"
