"""Every operator beside the layers of sweep_layers.py in every channel count: what the sweeps give to its kernels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from edgec.ir.program import Array, Buffer, Quant
from edgec.ir.reach import Run
from edgec.kernels.functions import FUNCTIONS
from edgec.ops.borders import rescaling
from edgec.ops.matmul import lower_matmul
from edgec.ops.movement import permute_args
from edgec.ops.registry import by_onnx
from edgec.schedule.pools import accumulated
from tests.ops import recurrent_bench
from tests.ops.forced import Given, extremes
from tests.ops.harness import single
from tests.ops.page_bench import Operand, node_program
from tests.ops.sweep_layers import CHANNELS, PAIRS, given, mixed, some

IMAGE = (0, 2, 3, 1)
ZEROS = (-128, 127, 0, 7, -20)
TYPES = ("int8", "int16", "float32")


def quant(n: int, dtype: str = "int8", scale: float = 0.05) -> Quant | None:
    """Zero points at the ends and between."""
    scale *= 1 + n % 7 / 7
    return {
        "int8": Quant(float(np.float32(scale)), ZEROS[n % len(ZEROS)]),
        "int16": Quant(float(np.float32(scale / 256)), 0, 16),
    }.get(dtype)


def values(n: int, shape: Sequence[int], dtype: str = "int8") -> Array:
    rng = np.random.default_rng(n)
    if dtype == "float32":
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def operand(n: int, shape: Sequence[int], dtype: str = "int8", **more: Any) -> Operand:
    perm = IMAGE if len(shape) == 4 and not more.get("const") else None
    return Operand(values(n, shape, dtype), quant(n, dtype), perm, **more)


def constant(value: Any, dtype: str = "int64") -> Operand:
    return Operand(np.asarray(value, dtype), const=True)


def node(
    op: str,
    operands: Sequence[Operand | None],
    shape: Sequence[int],
    y: Quant | None = None,
    attrs: Any = None,
    **more: Any,
) -> Given:
    program, sample, _ = node_program(op, operands, tuple(shape), y, attrs, **more)
    return Given(program, (sample, {name: extremes(value) for name, value in sample.items()}))


MIXED = [
    ("int16", "int16", "int16"),
    ("int16", "int8", "int16"),
    ("int8", "int16", "int8"),
    ("int8", "int8", "int16"),
    ("int16", "int16", "int8"),
]
"""Types of two operands and of the result."""


def two_operands(each: int) -> Iterator[Given]:
    """Additions, products, ... of all types and ways the second operand may lie; each sixth channel count all of them."""
    for n, c in some(CHANNELS, each):
        others = {"same": (1, c, 3, 2 + c % 3), "gate": (1, c, 1, 1), "columns": (1, 1, 3, 1), "constant": (c, 1, 1)}
        kinds = [("int8",) * 3, ("float32",) * 3, *MIXED] if n % 6 == 0 else [("int8",) * 3, MIXED[n % len(MIXED)]]
        for op, other, types in itertools.product(
            ("Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu", "Pow"), others, kinds
        ):
            if "int16" in types and (op in ("Max", "Min", "Pow") or (op == "Div" and other != "constant")):
                continue  # made in float32
            a, b = operand(n, others["same"], types[0]), operand(n + 1, others[other], types[1])
            if other == "constant":
                b = operand(n + 1, others[other], "float32", const=True)
            if op in ("Div", "Pow") and b.value.dtype == np.float32:
                a.value, b.value = (np.abs(a.value) if op == "Pow" else a.value), np.abs(b.value) + np.float32(0.5)
            limit = {"lo": -0.5} if n % 2 and op != "PRelu" else {}
            yield node(op, [a, b], others["same"], quant(n + 2, types[2], 0.07), **limit)


def pools(each: int) -> Iterator[Given]:
    """Windows inside and across the border, whole images, and these by accumulation."""
    for n, c in some(CHANNELS, each):
        for m, (kernel, strides, pads) in enumerate(
            (((2, 2), (2, 2), 0), ((3, 3), (1, 1), 1), ((3, 2), (2, 1), 1), ((5, 6), (1, 1), 0), ((1, 4), (1, 3), 0))
        ):
            out = [(s + 2 * pads - k) // t + 1 for s, k, t in zip((5, 6), kernel, strides, strict=True)]
            attrs = {"kernel_shape": kernel, "strides": strides, "pads": [pads] * 4, "count_include_pad": m % 2}
            for dtype in TYPES:
                x, y = operand(n + m, (1, c, 5, 6), dtype), quant(n + m + (c % 2), dtype)
                yield node("MaxPool", [x], (1, c, *out), x.quant, attrs)
                made = node("AveragePool", [x], (1, c, *out), y, attrs)
                yield made
                if kernel == (5, 6):
                    yield Given(accumulated(made.program), made.samples)


def reductions(each: int) -> Iterator[Given]:
    for n, c in some(CHANNELS, each):
        for op in ("ReduceMean", "ReduceMax", "ReduceMin"):
            for axes, shape in (([2, 3], (1, c, 1, 1)), ([3], (1, c, 4, 1)), ([1], (1, 1, 4, 3))):
                for dtype in TYPES:
                    x = operand(n, (1, c, 4, 3), dtype)
                    y = quant(n + 1, dtype) if op == "ReduceMean" else x.quant
                    yield node(op, [x, constant(axes)], shape, y, {"keepdims": 1})


def one_operand(each: int) -> Iterator[Given]:
    """Tables of every type; quantization at the borders."""
    names = [f for f in sorted(FUNCTIONS) if f in by_onnx() and f != "Pow"]
    for n, c in some(CHANNELS, each):
        for dtype, result in (
            ("int8", "int8"),
            ("int8", "int16"),
            ("int16", "int16"),
            ("int16", "int8"),
            ("float32", "float32"),
        ):
            op = ("Sigmoid", "Tanh", "Gelu", "Abs", "LeakyRelu")[n % 5] if dtype != "float32" else names[n % len(names)]
            yield node(op, [operand(n, (1, c, 3, 5), dtype)], (1, c, 3, 5), quant(n, result, 0.02))
        for source, target in (("int8", "int16"), ("int16", "int8"), ("int16", "int16")):
            yield rows_step("requantize", n, c, source, target, {}, rescaling_of(n, source, target))
        yield rows_step("requantize", n, c, "int8", "int8", {"sx": 0.5, "zx": ZEROS[n % 5], "sy": 0.25, "zy": 3})
        yield rows_step("requantize", n, c, "uint8", "int8", {"sx": 1.0, "zx": 0, "sy": 1.0, "zy": -128})
        yield rows_step("quantize", n, c, "float32", "int8", {"scale": 0.02, "zy": ZEROS[n % 5]})
        yield rows_step("dequantize", n, c, "int8", "float32", {"scale": 0.02, "zx": ZEROS[n % 5]})
        yield rows_step("copy", n, c, "int8", "int8", {})
        yield transposed_rows(n, c)


def rescaling_of(n: int, source: str, target: str) -> dict[str, Any]:
    x, y = quant(n, source), quant(n + 3, target)
    assert x is not None and y is not None
    return dict(rescaling(x, y, y.lowest, y.highest))


def rows_step(op: str, n: int, c: int, source: str, target: str, attrs: Any, more: Any = None) -> Given:
    """One step from three rows to three rows, which no node of its own stands for."""
    x = Buffer("x", source, (3, c), 3)
    program = single(op, [x], Buffer("y", target, (3, c), 3), [Run(3)], {**attrs, **(more or {})}, {})
    value = values(n, (3, c), source)
    return Given(program, ({"x": value}, {"x": extremes(value)}))


def transposed_rows(n: int, c: int) -> Given:
    """Three rows of two by c elements, each turned by itself."""
    reach, attrs, consts = permute_args((1, 3, 2, c), (0, 1, 3, 2))
    source, turned = Buffer("x", "int8", (1, 3, 2, c), 3), Buffer("y", "int8", (1, 3, c, 2), 3)
    program = single("permute", [source], turned, [reach], attrs, consts)
    return Given(program, ({"x": values(n, source.shape)}, {"x": values(n + 1, source.shape)}))


def norms(each: int) -> Iterator[Given]:
    """Softmax, LogSoftmax, layer and group norms of rows of every length."""
    for n, c in some([*CHANNELS, 256, 1001], each):
        for dtype in ("int8", "float32"):
            x = operand(n, (5, c), dtype)
            for op, scale, zero in (("Softmax", 1 / 256, ZEROS[n % 5]), ("LogSoftmax", 0.0625, 127)):
                yield node(op, [x], (5, c), Quant(scale, zero) if dtype == "int8" else None, {"axis": -1})
            gamma, beta = operand(n, (c,), "float32", const=True), operand(n + 1, (c,), "float32", const=True)
            y = quant(n + 2, dtype, 0.03)
            yield node("LayerNormalization", [x, gamma, beta], (5, c), y, {"epsilon": 1e-5, "axis": -1})
            yield node("RMSNormalization", [x, gamma], (5, c), y, {"epsilon": 1e-5, "axis": -1})
            parts = next(g for g in (3, 2, 1) if c % g == 0)
            image = operand(n, (1, c, 3, 2), dtype)
            yield node(
                "GroupNormalization", [image, gamma, beta], (1, c, 3, 2), y, {"num_groups": parts, "epsilon": 1e-5}
            )


def products(each: int) -> Iterator[Given]:
    """Each pair as depth and columns of a product of two activations, both layouts, one to nine rows, batches."""
    for n, (k, cols) in some(PAIRS, each):
        rows, batch = 1 + n % 9, 1 + n % 2
        y = Quant(float(np.float32(0.05 * 0.05 * 70 * 70 * k**0.5 / 50)), ZEROS[n % 5])
        for dtype in ("int8", "float32"):
            if dtype == "float32" and n % 7:
                continue
            a, b = operand(n, (batch, rows, k), dtype), operand(n + 1, (batch, k, cols), dtype)
            b.perm = (0, 2, 1) if n // 2 % 2 else None
            shape = (batch, rows, cols)
            if n % 5 == 0:  # one of them for all batches
                b = operand(n + 1, (k, cols), dtype)
            if n % 5 == 1:
                a = operand(n, (rows, k), dtype)
            yield node("MatMul", [a, b], shape, y if dtype == "int8" else None, lower=lower_matmul)


def movement(each: int) -> Iterator[Given]:
    turns = ((n, c, dtype) for n, c in some(CHANNELS, each) for dtype in (TYPES if n % 6 == 0 else [TYPES[n % 3]]))
    for n, c, dtype in turns:
        x, q = operand(n, (1, c, 4, 5), dtype), quant(n, dtype)
        other = Operand(values(n + 1, (1, 3, 4, 5), dtype), x.quant, IMAGE)
        yield node("Concat", [x, other], (1, c + 3, 4, 5), q, {"axis": 1})
        below = Operand(values(n + 1, (1, c, 2, 5), dtype), x.quant, IMAGE)
        yield node("Concat", [x, below], (1, c, 6, 5), q, {"axis": 2})
        yield node(
            "Slice", [x, constant([1, 4]), constant([4, 0]), constant([2, 3]), constant([2, -1])], (1, c, 2, 4), q
        )
        outputs = [("y", (1, c, 1, 5)), ("z", (1, c, 3, 5))]
        more = {
            "outputs": outputs,
            "output_quants": [q, q],
            "lower": lambda unit, ctx: by_onnx()["Split"].lower_all(unit, ctx)[0],
        }
        yield node("Split", [x, constant([1, 3])], (1, c, 1, 5), q, {"axis": 2}, **more)
        yield node("Gather", [x, constant([3, 0, 0])], (1, c, 3, 5), q, {"axis": 2})
        yield node("Pad", [x, constant([0, 0, 1, 2, 0, 0, 2, 1])], (1, c, 7, 8), q)
        yield node("Expand", [Operand(x.value[:, :, :1], x.quant, IMAGE), constant([1, c, 4, 5])], (1, c, 4, 5), q)
        twice = constant([1, 1, 2, 2], "float32")
        yield node("Resize", [x, None, twice], (1, c, 8, 10), q, {"mode": "nearest"})
        if dtype != "int16":
            yield node("Resize", [x, None, twice], (1, c, 8, 10), q, {"mode": "linear"})
        turned = Operand(x.value, x.quant, (0, 1, 2, 3))
        yield node("Concat", [turned, Operand(other.value, x.quant, IMAGE)], (1, c + 3, 4, 5), q, {"axis": 1})
        tokens = Operand(x.value.reshape(1, c, 20), x.quant, (0, 2, 1))
        yield node("Reshape", [tokens, constant([1, 20 * c])], (1, 20 * c), q)
        yield node("Sub", [constant(values(n, (c, 6), "float32"), "float32"), operand(n, (1, 6), "float32")], (c, 6))


def positions(each: int) -> Iterator[Given]:
    """Greatest elements, running sums, tables looked up, comparisons, choices, changes of type."""
    for n, c in some(CHANNELS, each):
        dtype = ("int8", "float32")[n % 2]
        x, q = operand(n, (3, c), dtype), quant(n, dtype)
        image = operand(n, (1, c, 4, 5), dtype)
        yield node("ArgMax", [x], (3, 1), attrs={"axis": 1, "keepdims": 1, "select_last_index": n // 2 % 2})
        yield node("ArgMin", [image], (1, c, 1, 5), attrs={"axis": 2, "keepdims": 1, "select_last_index": n // 2 % 2})
        k = min(c, 3)
        for i in (0, 1):
            lower = lambda unit, ctx, i=i: by_onnx()["TopK"].lower_all(unit, ctx)[i]  # noqa: E731
            outputs = [("y", (3, k)), ("i", (3, k))]
            attrs = {"axis": 1, "largest": n // 2 % 2}
            yield node("TopK", [x, constant([k])], (3, k), attrs=attrs, lower=lower, outputs=outputs)
        yield node(
            "CumSum", [x, constant(1)], (3, c), quant(n + 1, dtype, 0.3), {"exclusive": n % 2, "reverse": n // 2 % 2}
        )
        rows = Operand(np.array([2, 0, 1, 1], np.int64))
        yield node("Gather", [x, rows], (4, c), q, {"axis": 0})
        yield node("ScatterND", [x, constant([[2], [0]]), Operand(values(n, (2, c), dtype), x.quant)], (3, c), q)
        other = Operand(values(n + 1, (3, c), dtype), x.quant)
        yield node("Less", [x, other], (3, c))
        choice = Operand(np.random.default_rng(n).random((3, c)) < 0.5)
        yield node("Where", [choice, x, other], (3, c), q)
        yield node(
            "Cast", [Operand(values(n, (3, c), "float32") * 100)], (3, c), out_dtype=("int32", "int64", "bool")[n % 3]
        )


def transposed(each: int) -> Iterator[Given]:
    """Transposed convolutions by rows and whole."""
    for n, (i, o) in some(PAIRS[::5], each):
        stride = 1 + (i + o) % 2
        kernel = ((3, 3), (2, 2), (4, 3))[n % 3]
        shape = [1, o, *(stride * 2 + k for k in kernel)]
        y = Quant(float(np.float32(0.05 * 0.004 * 74 * 74 * (i * 4) ** 0.5 / 60)), ZEROS[n % 5])
        attrs = {"strides": [stride, stride]}
        weight = Operand(
            values(n, (i, o, *kernel)), const=True, scales=np.linspace(0.002, 0.004, o).astype(np.float32), axis=1
        )
        weight.value = np.maximum(weight.value, -127)
        bias = operand(n, (o,), "float32", const=True)
        yield node("ConvTranspose", [operand(n, (1, i, 3, 3)), weight, bias], shape, y, attrs)
        if n % 4 == 0:
            real = Operand(values(n, (i, o, *kernel), "float32"), const=True)
            yield node("ConvTranspose", [operand(n, (1, i, 3, 3), "float32"), real, bias], shape, None, attrs)


def recurrent(each: int) -> Iterator[Given]:
    """Cells of every width."""
    cells = ("GRU", "LSTM", "RNN")
    turns = [(n, c, op) for n, c in some([*range(1, 41), 67], each) for op in (cells if n % 6 == 0 else [cells[n % 3]])]
    for n, c, op in turns:
        attrs = {"linear_before_reset": n // 3 % 2} if op == "GRU" else {}
        direction = ("forward", "reverse", "bidirectional")[n // 3 % 3]
        case = recurrent_bench.Case(
            op, time=3, inputs=1 + (7 * c) % 40, hidden=c, direction=direction, attrs=attrs, starts="input"
        )
        arrays = [recurrent_bench.arrays(case, seed) for seed in range(2)]
        for make in (recurrent_bench.int8_model, recurrent_bench.float_model):
            model = make(case, arrays[0])
            yield Given(recurrent_bench.program_of(model), tuple(recurrent_bench.feed(model, a) for a in arrays))


def real(each: int) -> Iterator[Given]:
    """Layers in float32."""
    for n, (i, o) in some(PAIRS[::3], each):
        yield given(mixed(n, i, o), real=True)


NODES: dict[str, Callable[[int], Iterator[Given]]] = {
    f.__name__: f
    for f in (
        two_operands,
        pools,
        reductions,
        one_operand,
        norms,
        products,
        movement,
        positions,
        transposed,
        recurrent,
        real,
    )
}
