"""Mixed precision: int8, int16 and float32 in one model, chosen by hand or by auto_keep, and what each costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgec import api
from edgec.compiler import normalize_again, price
from edgec.errors import UsageError
from edgec.ir.program import CONTRACT_16
from edgec.ir.text import print_program
from edgec.lower import lower
from edgec.quant import QuantOptions, quantize
from edgec.target import load_target
from tests.quant.models import conv_net, parse, randoms, samples


def saved(model: ir.Model, path: Path) -> Path:
    path.write_bytes(ir.to_proto(model).SerializeToString(deterministic=True))
    return path


def node_of(model: ir.Model, op: str, at: int = 0) -> str:
    return str([node for node in model.graph if node.op_type == op][at].name)


@pytest.mark.parametrize("io", ["model", "quantized"])
def test_a_mixed_model_is_what_onnxruntime_computes(tmp_path: Path, io: str) -> None:
    """Two nodes in int16, one in float32, the rest int8: bytes as the interpreter, values as onnxruntime, layer by layer."""
    model = conv_net()
    wide = (node_of(model, "Conv"), node_of(model, "Add"), node_of(model, "Gemm"))
    options = QuantOptions(effort=0, keep_int16=wide, keep_float=(node_of(model, "Conv", 1),))
    made = quantize(model, samples(model), options)
    assert made.report["kept_int16"] == list(wide) and set(wide) <= set(made.report["int16"])
    result = api.compile(saved(made.model, tmp_path / "mixed.onnx"), tmp_path / "out", target="host", io=io)
    assert {b.dtype for b in result.program.buffers} == {"int8", "int16", "float32"}
    assert result.manifest["contract"] == CONTRACT_16
    assert {"conv2d_s16_c", "dense_s16_c"} <= {s.kernel for s in result.program.steps}
    x = samples(model)["x"][:6]
    port = result.manifest["inputs"][0]
    if port["dtype"] != "float32":
        assert port["dtype"] == "int16", "the first node is kept, so its model input is"
        x = np.clip(np.rint(x / port["scale"]), -32768, 32767).astype(np.int16)
    verdict = api.verify(tmp_path / "out", {"x": x.reshape(6, 1, 3, 8, 8)}, layers=True)
    assert verdict["ok"], verdict["onnxruntime"]
    assert not verdict["mismatching_bytes"]


def test_the_file_and_the_model_in_memory_give_the_same_program(tmp_path: Path) -> None:
    """What `edgec quantize` writes, read again, lowers to the program that calibration inside `compile` would."""
    from edgec.compiler import front
    from edgec.options import make_options

    model = conv_net()
    made = quantize(model, samples(model), QuantOptions(effort=0, keep_int16=(node_of(model, "Add"),)))
    path = saved(made.model, tmp_path / "net.onnx")
    again = front(path, make_options({}))
    assert print_program(lower(again, "net")) == print_program(lower(normalize_again(made.model), "net"))


def test_more_bits_are_closer() -> None:
    """All values in 16 bits leave the noise of the weights only."""
    model = conv_net()
    every = tuple(str(node.name) for node in model.graph)
    plain = QuantOptions(effort=0, method="minmax", equalize=False)
    eight = quantize(model, samples(model), plain).report
    wide = quantize(model, samples(model), QuantOptions(effort=0, equalize=False, method="minmax", keep_int16=every))
    assert wide.report["output_error"] < 0.7 * eight["output_error"]
    by_node = {entry["node"]: entry for entry in wide.report["layers"]}
    assert all(entry["bits"] == 16 for entry in by_node.values())
    assert all((entry["range_sqnr_db"] or 99) > 70 for entry in by_node.values())


def test_unknown_nodes_are_named() -> None:
    model = conv_net()
    with pytest.raises(UsageError, match="no node 'nothing'"):
        quantize(model, samples(model), QuantOptions(keep_int16=("nothing",)))


def drowned() -> ir.Model:
    """One feature drowns the others: 8 bits of the value between the products are too few, its weights are fine."""
    w = randoms(3, w1=(16, 16), w2=(16, 16))
    w["w1"][:, 0] *= 300.0
    w["w2"][0] /= 300.0
    return parse("net (float[1, 16] x) => (float[1, 16] y) { a = MatMul (x, w1) b = Relu (a) y = MatMul (b, w2) }", w)


def test_auto_keep_takes_the_cheaper_form_that_is_enough() -> None:
    """The middle value is the noise, so int16 recovers what float32 does: it is taken, and again the same."""
    model = drowned()
    plain = QuantOptions(effort=0, equalize=False, method="minmax", sensitivity=2)
    before = quantize(model, samples(model), plain).report
    wanted = QuantOptions(effort=0, equalize=False, method="minmax", auto_keep=before["loss"] / 3, sensitivity=2)
    runs = [quantize(model, samples(model), wanted) for _ in range(2)]
    after = runs[0].report
    assert after["kept_int16"] and after["output_error"] < before["output_error"] / 4
    assert after["loss"] <= before["loss"] / 3
    assert after["kept_int16"] == runs[1].report["kept_int16"]
    assert ir.to_proto(runs[0].model) == ir.to_proto(runs[1].model)


def deep(blocks: int = 8) -> ir.Model:
    """A residual stream whose every sum is rounded: no single one of them is the noise.  One small output of a wide last layer."""
    w = randoms(4, **{f"w{i}": (16, 16) for i in range(blocks)}, last=(16, 16))
    lines = ["s0 = Relu (x)"]
    for i in range(blocks):
        w[f"w{i}"] *= 0.01
        lines += [f"m{i} = MatMul (s{i}, w{i})", f"s{i + 1} = Add (s{i}, m{i})"]
    body = "\n".join([*lines, f"y = MatMul (s{blocks}, last)"])
    return parse(f"net (float[1, 8, 16] x) => (float[1, 8, 16] y) {{ {body} }}", w)


def test_auto_keep_widens_a_whole_operator_where_noise_is_spread() -> None:
    model = deep()
    plain = QuantOptions(effort=0, equalize=False, method="minmax")
    before = quantize(model, samples(model), plain).report
    wanted = QuantOptions(effort=0, equalize=False, method="minmax", auto_keep=before["loss"] * 0.7)
    after = quantize(model, samples(model), wanted).report
    sums = {str(node.name) for node in model.graph if node.op_type == "Add"}
    assert sums <= set(after["kept_int16"]) and not after["kept_float"]
    assert after["loss"] <= before["loss"] * 0.7


def test_an_operator_stands_for_its_nodes() -> None:
    """Its units, that is: the bias of a dense layer is no Add."""
    w = randoms(5, w=(16, 16), b=(16,))
    text = "net (float[1, 8, 16] x) => (float[1, 8, 16] y) { m = MatMul (x, w) c = Add (m, b) d = Add (c, x) y = Add (d, c) }"
    model = parse(text, w)
    options = QuantOptions(effort=0, keep_int16=("Add",), keep_float=("MatMul",))
    report = quantize(model, samples(model), options).report
    assert report["kept_int16"] == report["int16"] == [node_of(model, "Add", 1), node_of(model, "Add", 2)]
    assert report["kept_float"] == [node_of(model, "MatMul")]


def test_a_wide_layer_behind_float_reads_16_bits() -> None:
    """What a float layer makes for a layer of 16 bits is rounded to 16 bits, not to 8 on the way."""
    w = randoms(6, w1=(16, 16), w2=(16, 16))
    model = parse("net (float[1, 16] x) => (float[1, 16] y) { a = MatMul (x, w1) b = Relu (a) y = MatMul (b, w2) }", w)
    first, second = (node_of(model, "MatMul", i) for i in range(2))
    errors = [
        quantize(model, samples(model), QuantOptions(effort=0, keep_float=(first,), keep_int16=wide)).report[
            "output_error"
        ]
        for wide in ((), (second,))
    ]
    assert errors[1] < 0.8 * errors[0]


def test_prices_are_those_of_compiled_variants() -> None:
    """Figures of the report equal what the variants themselves cost; float32 weights take flash, int16 values RAM."""
    model, target = drowned(), load_target("cortex-m4")
    options = QuantOptions(effort=0, equalize=False, method="minmax", sensitivity=1, keep_int16=("matmul_0",))
    stages: list[str] = []
    made = quantize(
        model, samples(model), options, lambda stage, done, total: stages.append(stage), lambda m: price(m, target)
    )
    prices = made.report["prices"]
    plain = quantize(model, samples(model), QuantOptions(effort=0, equalize=False, method="minmax"))
    assert prices["int8"] == price(plain.model, target)
    assert prices["chosen"] == price(made.model, target)
    node = prices["nodes"][0]
    assert node["float32"]["flash_bytes"] > node["int16"]["flash_bytes"]
    assert node["int16"]["instructions"] != 0 and prices["chosen_more"]["ram_bytes"] >= 0
    assert stages.count("prices") == 4


def test_operators_without_int16_get_float32() -> None:
    """A value of 16 bits into Softmax and out of LayerNormalization: float32 between the borders, no wrong bytes."""
    text = """net (float[1, 6, 16] x) => (float[1, 6, 16] y) {
        n = LayerNormalization <axis = -1> (x, g, b)
        s = Softmax <axis = -1> (n)
        y = Add (s, n)
    }"""
    w = {"g": np.linspace(0.5, 2, 16, dtype=np.float32), "b": np.zeros(16, np.float32)}
    model = parse(text, w)
    every = tuple(str(node.name) for node in model.graph)
    made = quantize(model, samples(model), QuantOptions(effort=0, keep_int16=every))
    program = lower(made.model, "net")
    kinds = {s.op: program.by_name[s.output].dtype for s in program.steps}
    assert kinds["softmax"] == kinds["layernorm"] == "float32" and kinds["add"] == "int16"
