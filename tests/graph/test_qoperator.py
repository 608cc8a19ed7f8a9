"""QOperator and QDQ models as onnxruntime's own quantizer writes them: the front keeps every answer within one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgec.errors import UnsupportedError
from edgec.graph import stages
from edgec.graph.load import front
from tests.graph.test_shared_models import random_inputs

quantization = pytest.importorskip("onnxruntime.quantization")

SMALL = """
g (float[1, 4, 9, 9] x) => (float[1, 5] y)
<float[8, 4, 3, 3] w, float[8] b, float[8, 1, 3, 3] d, float[16, 5] m, float[5] c, int64[2] s = {1, 16}, int64[2] axes = {2, 3}> {
    a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w, b)
    r = Relu (a)
    e = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1], group = 8> (r, d)
    q = LeakyRelu <alpha = 0.2> (e)
    z = Sigmoid (q)
    t = Mul (q, z)
    u = Add (t, r)
    p = AveragePool <kernel_shape = [3, 3], strides = [3, 3]> (u)
    v = Concat <axis = 1> (p, p)
    f = GlobalAveragePool (v)
    h = Reshape (f, s)
    k = MatMul (h, m)
    l = Add (k, c)
    y = Softmax (l)
}
"""


class Reader(quantization.CalibrationDataReader):  # type: ignore[misc,name-defined,unused-ignore]
    """A few random samples."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(7)
        self.samples = iter([{name: rng.standard_normal(shape).astype(np.float32)} for _ in range(4)])

    def get_next(self) -> Any:
        return next(self.samples, None)


def small_model(path: Path) -> Path:
    model = onnx.parser.parse_model('<ir_version: 8, opset_import: ["" : 17]>' + SMALL)
    rng = np.random.default_rng(3)
    shapes = {"w": (8, 4, 3, 3), "b": (8,), "d": (8, 1, 3, 3), "m": (16, 5), "c": (5,)}
    for name, shape in shapes.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) * 0.4, name))
    kept = [v for v in model.graph.value_info if v.name not in shapes]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)
    onnx.save(model, path)
    return path


def quantized(source: Path, target: Path, style: str, activations: str, per_channel: bool) -> Path:
    kinds = {"S8": quantization.QuantType.QInt8, "U8": quantization.QuantType.QUInt8}
    given = onnx.load(source).graph.input[0]
    shape = tuple(d.dim_value for d in given.type.tensor_type.shape.dim)
    quantization.quantize_static(
        source,
        target,
        Reader(given.name, shape),
        quant_format=getattr(quantization.QuantFormat, style),
        activation_type=kinds[activations],
        weight_type=kinds["S8"],
        per_channel=per_channel,
        reduce_range=True,
    )
    return target


def same_answers(path: Path, samples: int = 3) -> ir.Model:
    """Runs both; outputs are floats made from integers: at most two samples in a hundred may move by a step."""
    model = front(path)
    for seed in range(samples):
        inputs = random_inputs(model, seed)
        before, after = stages.run(path, inputs), stages.run(model, inputs)
        for name, expected in before.items():
            step = output_scale(model, name)
            gap = np.abs(expected - after[name])
            assert gap.max() <= step * 1.01, (name, gap.max(), step)
            assert np.mean(gap > step * 0.5) <= 0.02 or gap.size < 50
    return model


def output_scale(model: ir.Model, name: str) -> float:
    value = next(v for v in model.graph.outputs if v.name == name)
    producer = value.producer()
    scale = producer.inputs[1] if producer is not None and producer.op_type == "DequantizeLinear" else None
    return float(scale.const_value.numpy()) if scale is not None and scale.const_value is not None else 1e-5


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("per_channel", [False, True], ids=["tensor", "channel"])
@pytest.mark.parametrize("activations", ["S8", "U8"])
@pytest.mark.parametrize("style", ["QDQ", "QOperator"])
def test_everything_the_quantizer_writes(tmp_path: Path, style: str, activations: str, per_channel: bool) -> None:
    source = small_model(tmp_path / "small.onnx")
    path = quantized(source, tmp_path / "q.onnx", style, activations, per_channel)
    model = same_answers(path)
    assert {n.domain for n in model.graph} == {""}
    assert not any(n.op_type.startswith(("QLinear", "QGemm")) for n in model.graph)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["ic_f32", "kws_f32", "mlp_digits"])
@pytest.mark.parametrize("style", ["QDQ", "QOperator"])
def test_real_networks(shared: Path, tmp_path: Path, style: str, name: str) -> None:
    source = shared / "models" / f"{name}.onnx"
    for activations, per_channel in (("S8", True), ("U8", False)):
        path = quantized(source, tmp_path / f"{activations}.onnx", style, activations, per_channel)
        model = same_answers(path, 1)
        assert not any(n.domain for n in model.graph)


def test_bias_scale_is_the_product() -> None:
    """QLinearConv's int32 bias is dequantized by s_x * s_w[c]."""
    from edgec.graph.qoperator import expand
    from tests.graph.structure import parse

    model = expand(
        parse("""g (int8[1, 1, 2, 2] x) => (int8[1, 2, 2, 2] y)
        <float sx = {0.5}, int8 zx = {1}, int8[2, 1, 1, 1] w = {1, 2}, float[2] sw = {0.25, 3}, int8[2] zw = {0, 0},
         float sy = {2}, int8 zy = {7}, int32[2] b = {100, -100}> { y = QLinearConv (x, sx, zx, w, sw, zw, sy, zy, b) }""")
    )
    conv = next(n for n in model.graph if n.op_type == "Conv")
    assert conv.inputs[2] is not None
    bias = conv.inputs[2].producer()
    assert bias is not None and bias.inputs[1] is not None and bias.inputs[1].const_value is not None
    assert bias.inputs[1].const_value.numpy().tolist() == [0.125, 1.5]
    assert bias.attributes["axis"].as_int() == 0


@pytest.mark.parametrize(
    "body",
    [
        "q, s, z = DynamicQuantizeLinear (x)\n y = DequantizeLinear (q, s, z)",
        "y = com.microsoft.DynamicQuantizeMatMul (x, w, sw)",
    ],
)
def test_dynamic_quantization_is_refused_with_a_hint(tmp_path: Path, body: str) -> None:
    text = f"""<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
    g (float[2, 2] x) => (float[2, 2] y) <int8[2, 2] w = {{1, 2, 3, 4}}, float sw = {{0.5}}> {{ {body} }}"""
    path = tmp_path / "m.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    with pytest.raises(UnsupportedError, match="run time") as caught:
        front(path)
    assert "calibration" in caught.value.hint
    assert caught.value.problems[0][1].startswith("Dynamic")
