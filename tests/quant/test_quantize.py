"""Whole quantizations of small models: all in int8, close to the float model, the same bytes again through a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgec.errors import InputError, UsageError
from edgec.graph.load import front
from edgec.graph.stages import run
from edgec.ir.text import print_program
from edgec.lower import lower
from edgec.quant import QuantOptions, quantize
from tests.quant.models import attention_net, conv_net, parse, randoms, samples

QUICK = QuantOptions(effort=8, trial_samples=24)
NETS = (conv_net, attention_net)


def stored(model: ir.Model) -> bytes:
    return ir.to_proto(model).SerializeToString(deterministic=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize("net", NETS)
def test_close_to_float_and_all_in_int8(net: Callable[[], ir.Model], tmp_path: Path) -> None:
    model = net()
    data = samples(model)
    before = stored(model)
    made = quantize(model, data, QUICK)
    assert stored(model) == before, "the float model must stay as it was"
    noise = power = 0.0
    for x in data["x"]:
        real, given = run(model, {"x": x[None]})["y"], run(made.model, {"x": x[None]})["y"]
        noise, power = noise + float(((real - given) ** 2).sum()), power + float((real**2).sum())
    assert noise / power < 0.01
    program = lower(made.model, "net")
    floats = [step.op for step in program.steps if program.by_name[step.output].dtype == "float32"]
    assert floats == ["dequantize"], "one step back to float, at the output"
    path = tmp_path / "net.onnx"
    path.write_bytes(stored(made.model))
    again = lower(front(path), "net")
    assert print_program(again) == print_program(program)
    for a, b in zip(again.steps, program.steps, strict=True):
        assert all(np.array_equal(a.consts[key], b.consts[key]) for key in b.consts)


@pytest.mark.parametrize("net", NETS)
def test_the_same_bytes_twice(net: Callable[[], ir.Model]) -> None:
    data = samples(net())
    first, second = (quantize(net(), data, QUICK) for _ in range(2))
    assert stored(first.model) == stored(second.model)
    assert first.report == second.report


@pytest.mark.parametrize("options", [
    QuantOptions(method="minmax"), QuantOptions(method="entropy"), QuantOptions(per_channel=False, effort=0),
    QuantOptions(symmetric=True, effort=0), QuantOptions(equalize=False, bias_correction=False, effort=0),
])  # fmt: skip
def test_options(options: QuantOptions) -> None:
    model = conv_net()
    made = quantize(model, samples(model), options)
    assert made.report["output_error"] < 0.05
    zeros = {
        v.name: v.const_value.numpy()
        for v in made.model.graph.initializers.values()
        if str(v.name).endswith("_zero_point") and v.const_value is not None
    }
    if options.symmetric:
        assert all(not np.any(z) for name, z in zeros.items() if name != "y_zero_point")
    scales = [v.const_value for v in made.model.graph.initializers.values() if str(v.name).endswith("_weight_scale")]
    assert all((s is not None and s.numpy().ndim == 1) == options.per_channel for s in scales)


def test_views_share() -> None:
    made = quantize(attention_net(), samples(attention_net()), QUICK)
    by_name = {entry["value"]: entry for entry in made.report["layers"]}
    for view, source in (("kt", "k"), ("c", "z")):
        assert (by_name[view]["scale"], by_name[view]["zero_point"]) == (
            by_name[source]["scale"],
            by_name[source]["zero_point"],
        )
    assert by_name["m"]["scale"] == pytest.approx(by_name["s"]["scale"] * 0.25, rel=1e-6)


def test_softmax_is_fixed_where_it_ends_the_model() -> None:
    """The weights of an attention get the range they have."""
    for net, value in ((conv_net, "y"), (attention_net, "p")):
        model = net()
        made = quantize(model, samples(model), QUICK)
        entry = next(e for e in made.report["layers"] if e["value"] == value)
        assert entry["zero_point"] == -128
        assert (entry["scale"] == 1 / 256) == (net is conv_net) == (entry["method"] == "fixed")


def test_keep_float() -> None:
    model = conv_net()
    conv = next(node for node in model.graph if node.op_type == "Conv" and node.attributes.get_int("group", 1) == 8)
    made = quantize(model, samples(model), QuantOptions(effort=0, keep_float=(str(conv.name),)))
    node = next(n for n in made.model.graph if n.name == conv.name)
    assert node.inputs[1] is not None and node.inputs[1].is_initializer(), "its weights are float"
    program = lower(made.model, "net")
    assert any(s.op == "depthwise" and program.by_name[s.output].dtype == "float32" for s in program.steps)
    assert any(s.op == "conv2d" and program.by_name[s.output].dtype == "int8" for s in program.steps)
    with pytest.raises(UsageError, match="no node 'nothing'"):
        quantize(model, samples(model), QuantOptions(keep_float=("nothing",)))


def test_auto_keep_lowers_the_loss() -> None:
    w = randoms(3, w1=(16, 16), w2=(16, 16))
    w["w1"][:, 0] *= 300.0  # one feature drowns the others
    w["w2"][0] /= 300.0
    model = parse("net (float[1, 16] x) => (float[1, 16] y) { a = MatMul (x, w1) b = Relu (a) y = MatMul (b, w2) }", w)
    plain = QuantOptions(effort=0, equalize=False, method="minmax")
    loss = quantize(model, samples(model), plain).report["loss"]
    kept = quantize(
        model, samples(model), QuantOptions(effort=0, equalize=False, method="minmax", auto_keep=loss / 3)
    ).report
    assert kept["kept_float"] + kept["kept_int16"] and kept["loss"] < loss


def test_equalisation_pays_for_uneven_channels() -> None:
    w = randoms(5, w1=(8, 3, 1, 1), w2=(8, 1, 3, 3), w3=(4, 8, 1, 1))
    wide = np.geomspace(1.0, 200.0, 8).astype(np.float32)[:, None, None, None]
    w["w1"] *= wide
    w["w2"] /= wide
    text = """net (float[1, 3, 8, 8] x) => (float[1, 4, 6, 6] y) {
        a = Conv (x, w1)
        b = Relu (a)
        c = Conv <group = 8> (b, w2)
        d = Relu (c)
        y = Conv (d, w3)
    }"""
    model = parse(text, w)
    with_it, without = (
        quantize(model, samples(model), QuantOptions(effort=0, equalize=e)).report for e in (True, False)
    )
    assert with_it["equalized"]
    assert with_it["output_error"] < without["output_error"] * 0.8


def test_bad_samples() -> None:
    model = conv_net()
    with pytest.raises(InputError, match=r"takes \[samples, 3, 8, 8\]"):
        quantize(model, {"x": np.zeros((4, 8, 8, 3), np.float32)})
    with pytest.raises(InputError, match="NaN or infinity"):
        quantize(model, {"x": np.full((4, 3, 8, 8), np.nan, np.float32)})
    made = quantize(model, samples(model), QUICK)
    with pytest.raises(UsageError, match="quantized already"):
        quantize(made.model, samples(model))


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    model = conv_net()
    quantize(model, samples(model), QUICK, lambda *news: told.append(news))
    assert {"ranges", "histograms"} <= {stage for stage, _, _ in told}
    assert all(done <= total for _, done, total in told)
