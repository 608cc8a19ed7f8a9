"""Normalisations, GELU, Softmax and Attention in the spellings of many exporters: one operator each, the same answers in onnxruntime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from edgec.graph import stages
from edgec.graph.load import front
from edgec.graph.polynomial import polynomial
from tests.graph.structure import HEADER, parse
from tests.graph.test_shared_models import random_inputs

CONSTANTS = """int64[1] last = {-1}, float two = {2}, float eps = {0.001}, float one = {1}, float half = {0.5}, float minus_half = {-0.5},
 float[4] s = {1, -2, 3, 0.5}, float[4] b = {0, 1, 0.25, 1}"""
VARIANCE = "mean = ReduceMean (x, last) d = Sub (x, mean) q = Mul (d, d) v = ReduceMean (q, last) e = Add (v, eps) "
FAST = "mean = ReduceMean (x, last) q = Mul (x, x) m = ReduceMean (q, last) w = Mul (mean, mean) v = Sub (m, w) "
RMS = "q = Pow (x, two) v = ReduceMean (q, last) e = Add (eps, v) "

LAYER_NORMS = {
    "torchscript": VARIANCE.replace("Mul (d, d)", "Pow (d, two)")
    + "r = Sqrt (e) n = Div (d, r) t = Mul (n, s) y = Add (t, b)",
    "reciprocal": VARIANCE + "r = Sqrt (e) i = Reciprocal (r) n = Mul (i, d) t = Mul (s, n) y = Add (b, t)",
    "one over root": VARIANCE + "r = Sqrt (e) i = Div (one, r) n = Mul (d, i) t = Mul (n, s) y = Add (t, b)",
    "power": VARIANCE + "i = Pow (e, minus_half) n = Mul (d, i) t = Mul (n, s) y = Add (t, b)",
    "root as power": VARIANCE + "i = Pow (e, half) n = Div (d, i) t = Mul (n, s) y = Add (t, b)",
    "root of reciprocal": VARIANCE + "i = Reciprocal (e) r = Sqrt (i) n = Mul (d, r) t = Mul (n, s) y = Add (t, b)",
    "scale first": VARIANCE + "r = Sqrt (e) i = Reciprocal (r) g = Mul (i, s) n = Mul (d, g) y = Add (n, b)",
    "twice": VARIANCE
    + "w = ReduceMean (x, last) c = Sub (x, w) r = Sqrt (e) n = Div (c, r) t = Mul (n, s) y = Add (t, b)",
    "tf": VARIANCE
    + "r = Sqrt (e) i = Reciprocal (r) g = Mul (i, s) t = Mul (x, g) w = Mul (mean, g) z = Sub (b, w) y = Add (t, z)",
    "keras": VARIANCE
    + "r = Sqrt (e) i = Reciprocal (r) g = Mul (s, i) m = Neg (mean) w = Mul (m, g) z = Add (w, b) t = Mul (x, g) y = Add (t, z)",
    "difference": VARIANCE
    + "r = Sqrt (e) i = Reciprocal (r) g = Mul (i, s) t = Mul (g, x) w = Mul (g, mean) z = Sub (t, w) y = Add (z, b)",
    "fast": FAST + "e = Add (v, eps) d = Sub (x, mean) r = Sqrt (e) n = Div (d, r) t = Mul (n, s) y = Add (t, b)",
    "fast, clipped": FAST
    + "o = Relu (v) e = Add (o, eps) d = Sub (x, mean) r = Sqrt (e) n = Div (d, r) t = Mul (n, s) y = Add (t, b)",
}
RMS_NORMS = {
    "llama": RMS + "r = Sqrt (e) i = Div (one, r) n = Mul (x, i) y = Mul (s, n)",
    "reciprocal": RMS + "r = Sqrt (e) i = Reciprocal (r) n = Mul (x, i) y = Mul (n, s)",
    "quotient": RMS.replace("Pow (x, two)", "Mul (x, x)") + "r = Sqrt (e) n = Div (x, r) y = Mul (n, s)",
    "scale first": RMS + "r = Sqrt (e) i = Reciprocal (r) g = Mul (s, i) y = Mul (g, x)",
}


def graph(body: str, shape: str = "2, 3, 4", more: str = "") -> str:
    return f"g (float[{shape}] x) => (float[{shape}] y) <{CONSTANTS}{more}> {{ {body} }}"


def fused(folder: Path, text: str, opset: int = 21) -> tuple[ir.Model, Counter[str]]:
    """The normal form of a model and its operators; the answers are those of the model."""
    path = folder / "m.onnx"
    onnx.save(onnx.parser.parse_model(HEADER.format(opset=opset) + text), path)
    model = front(path)
    for seed in range(3):
        stages.check(path, model, random_inputs(model, seed), 2e-6)
    return model, Counter(node.op_type for node in model.graph)


@pytest.mark.parametrize("body", LAYER_NORMS.values(), ids=LAYER_NORMS)
def test_layer_norm(tmp_path: Path, body: str) -> None:
    model, found = fused(tmp_path, graph(body))
    assert found == {"LayerNormalization": 1}
    node = model.graph[0]
    assert node.attributes["axis"].as_int() == 2 and node.attributes["epsilon"].as_float() == pytest.approx(1e-3)


@pytest.mark.parametrize("body", RMS_NORMS.values(), ids=RMS_NORMS)
def test_rms_norm(tmp_path: Path, body: str) -> None:
    model, found = fused(tmp_path, graph(body))
    assert found == {"RMSNormalization": 1}
    assert model.graph.opset_imports[""] >= 23


def test_torchscript_before_opset_13(tmp_path: Path) -> None:
    body = LAYER_NORMS["torchscript"].replace("ReduceMean (x, last)", "ReduceMean <axes = [-1]> (x)")
    body = body.replace("ReduceMean (q, last)", "ReduceMean <axes = [-1]> (q)")
    assert fused(tmp_path, graph(body), 12)[1] == {"LayerNormalization": 1}


@pytest.mark.parametrize(
    ("shape", "axes", "scale", "wanted"),
    [
        ("1, 4, 3, 3", "1", "float[4, 1, 1] f = {1, 2, 3, 4}", {"Transpose": 2, "LayerNormalization": 1}),
        ("1, 4, 3, 3", "2, 3", "float[4, 1, 1] f = {1, 2, 3, 4}", {"InstanceNormalization": 1}),
        ("2, 3, 4", "1, 2", "float[3, 4] f = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3}", {"LayerNormalization": 1}),
        ("2, 3, 4", "2", "float f = {3}", {"LayerNormalization": 1}),
        ("2, 3, 4", "2", "float[3, 1] f = {1, 2, 3}", {"LayerNormalization": 1, "Mul": 1}),
    ],
    ids=["channels", "pixels", "two axes", "one factor", "factor by token"],
)
def test_axes_and_scales(tmp_path: Path, shape: str, axes: str, scale: str, wanted: dict[str, int]) -> None:
    body = VARIANCE.replace("last", "axes") + "r = Sqrt (e) n = Div (d, r) y = Mul (n, f)"
    count = len(axes.split(","))
    assert fused(tmp_path, graph(body, shape, f", int64[{count}] axes = {{{axes}}}, {scale}"))[1] == wanted


@pytest.mark.parametrize(
    "body",
    [
        VARIANCE.replace("q, last", "q, first") + "r = Sqrt (e) y = Div (d, r)",
        VARIANCE + "r = Sqrt (e) y = Div (x, r)",
        VARIANCE
        + "r = Sqrt (e) i = Reciprocal (r) t = Mul (x, i) w = ReduceMean (x, first) m = Mul (w, i) y = Sub (t, m)",
        RMS.replace("ReduceMean", "ReduceSum") + "r = Sqrt (e) y = Div (x, r)",
        RMS + "r = Sqrt (e) a = Abs (x) y = Div (a, r)",
        RMS.replace("Pow (x, two)", "Pow (x, eps)").replace("q = ", "p = Abs (x) q = ").replace("Pow (x", "Pow (p")
        + "r = Sqrt (e) y = Div (x, r)",
    ],
    ids=["other axes", "not centred", "mean of other axes", "sum", "other dividend", "other power"],
)
def test_what_only_looks_like_a_norm(tmp_path: Path, body: str) -> None:
    found = fused(tmp_path, graph(body, more=", int64[1] first = {1}"))[1]
    assert "LayerNormalization" not in found
    assert ("RMSNormalization" in found) == ("(q, first)" in body)  # x - mean over other axes is a value like any other


def test_pieces_that_others_read_stay(tmp_path: Path) -> None:
    text = graph(VARIANCE + "r = Sqrt (e) n = Div (d, r) t = Mul (n, s) z = Add (t, b) y = Add (z, n)")
    assert fused(tmp_path, text)[1] == {"LayerNormalization": 1, "Mul": 1, "Add": 2}


@pytest.mark.parametrize("version", [18, 21])
def test_group_norm_of_two_opsets(tmp_path: Path, version: int) -> None:
    """Until opset 20 one scale a group, then one a channel.  onnxruntime has only the newer."""
    numbers = (
        "float[2] f = {2, 3}, float[2] o = {1, 0}"
        if version == 18
        else "float[4] f = {2, 2, 3, 3}, float[4] o = {1, 1, 0, 0}"
    )
    text = f"g (float[1, 4, 3, 3] x) => (float[1, 4, 3, 3] y) <{numbers}> {{ y = GroupNormalization <num_groups = 2> (x, f, o) }}"
    path = tmp_path / "m.onnx"
    onnx.save(onnx.parser.parse_model(HEADER.format(opset=version) + text), path)
    scale = front(path).graph[0].inputs[1]
    assert scale is not None and scale.const_value is not None and scale.const_value.numpy().tolist() == [2, 2, 3, 3]


GELU = ", float k = {0.70710678}, float root = {1.41421356}, float a = {0.044715}, float c = {0.79788456}, float three = {3}"
GELUS = {
    "halves the input": "h = Mul (half, x) m = Mul (x, k) w = Erf (m) p = Add (one, w) y = Mul (h, p)",
    "halves the bell": "m = Div (x, root) w = Erf (m) p = Add (w, one) h = Mul (p, half) y = Mul (h, x)",
    "spread out": "m = Mul (x, k) w = Erf (m) h = Mul (x, half) p = Mul (h, w) y = Add (p, h)",
    "cube by products": "q = Mul (x, x) q3 = Mul (x, q) z = Mul (a, q3) i = Add (x, z) j = Mul (c, i) w = Tanh (j) p = Add (w, one) "
    "t = Mul (x, p) y = Mul (half, t)",
    "cube by power": "q = Pow (x, three) z = Mul (q, a) i = Add (z, x) j = Mul (i, c) w = Tanh (j) p = Add (w, one) h = Mul (x, half) y = Mul (h, p)",
    "fast": "u = Mul (x, c) z = Mul (x, a) q = Mul (z, x) i = Add (q, one) j = Mul (u, i) w = Tanh (j) p = Add (one, w) "
    "h = Mul (x, half) y = Mul (h, p)",
}


@pytest.mark.parametrize("body", GELUS.values(), ids=GELUS)
def test_gelu(tmp_path: Path, body: str) -> None:
    assert fused(tmp_path, graph(body, more=GELU))[1] == {"Gelu": 1}
    # the bell is taken of a sum that itself has a constant part: x is the sum
    assert fused(tmp_path, graph("z0 = Add (x, s) " + body.replace("x,", "z0,").replace(", x)", ", z0)"), more=GELU))[
        1
    ] == {"Add": 1, "Gelu": 1}


def test_other_bells_stay(tmp_path: Path) -> None:
    body = "h = Mul (x, half) m = Mul (x, c) w = Erf (m) p = Add (w, one) y = Mul (h, p)"
    assert "Gelu" not in fused(tmp_path, graph(body, more=GELU))[1]


def test_polynomial() -> None:
    model = parse(
        """g (float[2] x, float[2] t) => (float[2] y) <float two = {2}, float three = {3}> {
        a = Pow (x, two) b = Mul (a, t) c = Mul (b, three) d = Sub (c, x) e = Neg (d) y = Div (e, two) }"""
    )
    x, t = model.graph.inputs
    assert polynomial(model.graph.outputs[0], [x, t]) == {(2, 1): -1.5, (1, 0): 0.5}
    assert polynomial(model.graph.outputs[0], [x]) is None


@pytest.mark.parametrize(
    "divide", ["y = Div (e, t)", "i = Reciprocal (t) y = Mul (i, e)", "i = Div (one, t) y = Mul (e, i)"]
)
@pytest.mark.parametrize("distance", ["m = ReduceMax (x, axis) d = Sub (x, m)", "d = Identity (x)"])
def test_softmax(tmp_path: Path, divide: str, distance: str) -> None:
    text = graph(f"{distance} e = Exp (d) t = ReduceSum (e, axis) {divide}", more=", int64[1] axis = {1}")
    model, found = fused(tmp_path, text)
    assert found == {"Softmax": 1} and model.graph[0].attributes["axis"].as_int() == 1


@pytest.mark.parametrize("text", ["d = Mul (x, sixth)", "d = Div (x, six)"])
def test_hard_sigmoid(tmp_path: Path, text: str) -> None:
    more = ", float sixth = {0.16666667}, float six = {6}, float zero = {0}"
    assert fused(tmp_path, graph(f"{text} e = Add (d, half) c = Clip (e, zero, one) y = Mul (x, c)", more=more))[1] == {
        "HardSwish": 1
    }


MASKS = {
    "none": ("(q, k, v)", ""),
    "causal": ("<is_causal = 1> (q, k, v)", ""),
    "added": ("(q, k, v, add)", ", float[3, 5] add = {0,1,2,3,4,5,6,7,8,9,0,1,2,3,4}"),
    "allowed": ("(q, k, v, keep)", ", bool[3, 5] keep = {1,0,1,1,0,1,1,1,1,1,0,0,0,1,0}"),
}


@pytest.mark.parametrize(("call", "more"), MASKS.values(), ids=MASKS)
def test_attention(tmp_path: Path, call: str, more: str) -> None:
    text = f"""g (float[1, 2, 3, 4] q, float[1, 2, 5, 4] k, float[1, 2, 5, 6] v) => (float[1, 2, 3, 6] y) <float one = {{1}}{more}>
    {{ y = Attention {call} }}"""
    found = fused(tmp_path, text, 23)[1]
    assert found == {"MatMul": 2, "Mul": 1, "Softmax": 1, "Transpose": 1} | (
        {"Add": 1} if more or "causal" in call else {}
    )


@pytest.mark.parametrize(
    ("call", "more"),
    [
        ("(q, k, v)", {}),
        ("<is_causal = 1, softcap = 1.5, scale = 0.7> (q, k, v)", {"Add": 1, "Tanh": 1, "Mul": 2}),
        ("(q, k, v, m)", {"Add": 1}),
        ("<softcap = 2.0> (q, k, v, m)", {"Add": 1, "Tanh": 1, "Mul": 2}),
    ],
)
def test_grouped_queries(tmp_path: Path, call: str, more: dict[str, int]) -> None:
    given = ", float[1, 4, 3, 5] m" if "m)" in call else ""
    text = f"""g (float[1, 4, 3, 4] q, float[1, 2, 5, 4] k, float[1, 2, 5, 4] v{given}) => (float[1, 4, 3, 4] y)
    {{ y = Attention {call} }}"""
    views = 5 if given else 4
    assert (
        fused(tmp_path, text, 23)[1] == {"MatMul": 2, "Mul": 1, "Softmax": 1, "Transpose": 1, "Reshape": views} | more
    )


def test_a_mask_of_truths_that_is_an_input(tmp_path: Path) -> None:
    text = """g (float[1, 3, 8] q, float[1, 5, 4] k, float[1, 5, 4] v, float[3, 5] m) => (float[1, 3, 8] y) <float no = {0.5}>
    { keep = Less (m, no)  y = Attention <q_num_heads = 2, kv_num_heads = 1> (q, k, v, keep) }"""
    found = fused(tmp_path, text, 23)[1]
    assert (found["Where"], found["Attention"]) == (1, 0)


@pytest.mark.parametrize(
    ("starts", "ends"),
    [((0, 1), (2, 4)), ((0, 2), (2, 3)), ((1, 2), (2, 4))],
    ids=["overlap", "gap behind", "gap before"],
)
def test_slices_that_are_no_split(tmp_path: Path, starts: tuple[int, int], ends: tuple[int, int]) -> None:
    text = f"""g (float[2, 4] x) => (float[2, n] u, float[2, m] y) <int64[1] axis = {{1}}, int64[1] a = {{{starts[0]}}}, int64[1] b = {{{ends[0]}}},
    int64[1] c = {{{starts[1]}}}, int64[1] d = {{{ends[1]}}}> {{ u = Slice (x, a, b, axis) y = Slice (x, c, d, axis) }}"""
    assert fused(tmp_path, text)[1] == {"Slice": 2}


@pytest.mark.parametrize("name", ["kwt1_mfcc", "kwt1_raw"])
def test_keyword_transformer(shared: Path, name: str) -> None:
    path = shared / "models" / f"{name}.onnx"
    model = front(path)
    found = Counter(node.op_type for node in model.graph)
    assert (found["LayerNormalization"], found["Gelu"], found["Softmax"]) == (24, 12, 12)
    assert not found.keys() & {"ReduceMean", "Reciprocal", "Tanh", "Pow"}
    for seed in range(3):
        stages.check(path, model, random_inputs(model, seed), 1e-4)
