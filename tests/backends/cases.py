"""One program with every kind of step that has a TIR spelling, on odd shapes, and one that has none."""

from __future__ import annotations

import numpy as np

from edgec.ir.program import Array, Buffer, Port, Program, Quant, Step
from edgec.ir.reach import All, Run
from edgec.ops._layout import channels_last, identity
from edgec.ops.movement import permute_args
from tests.ops.convolutions import conv, dense, merged
from tests.ops.stub import Case, const, lower

A, B, Y = Quant(0.0371, -11), Quant(0.0289, 7), Quant(0.0533, 3)
SAME = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 1, 1]}


def layers() -> list[tuple[Case, list[Array]]]:
    """Convolutions, depthwise and dense layers: odd channels, groups, dilations, uneven padding, 1-D, a batch of two."""
    made = [
        conv(1, (2, 3, 7, 5), 6, (3, 3), pads=[1, 1, 1, 1]),
        conv(2, (1, 4, 9, 8), 6, (3, 2), strides=[2, 3], pads=[2, 0, 0, 1], group=2),
        conv(3, (1, 5, 8, 7), 3, (3, 3), dilations=[2, 2], pads=[2, 1, 2, 1]),
        conv(4, (1, 3, 11), 5, (4,), strides=[2], pads=[1, 2]),
        conv(5, (1, 7, 6, 5), 7, (3, 3), pads=[1, 1, 1, 1], group=7),
        conv(6, (1, 3, 9, 6), 6, (5, 3), strides=[2, 1], pads=[2, 1, 1, 0], group=3),
        conv(7, (1, 6, 4, 3), 5, (1, 1)),
        conv(10, (1, 23, 5, 4), 23, (3, 3), pads=[1, 1, 1, 1], group=23),
        dense(8, (3, 10), 7),
        dense(11, (2, 40), 12),
        dense(9, (1, 17), 33, "Gemm", transB=1),
    ]
    shapes = [
        (2, 6, 7, 5),
        (1, 6, 5, 3),
        (1, 3, 8, 5),
        (1, 5, 6),
        (1, 7, 6, 5),
        (1, 6, 4, 6),
        (1, 5, 4, 3),
        (1, 23, 5, 4),
        (3, 7),
        (2, 12),
        (1, 33),
    ]
    return [(layer.case(shape), [layer.x]) for layer, shape in zip(made, shapes, strict=True)]


def one(
    op: str,
    shapes: list[tuple[int, ...]],
    quants: list[Quant | None],
    out: tuple[int, ...],
    quant: Quant | None,
    **attrs: object,
) -> tuple[Case, list[Array]]:
    """A node with activations of these shapes; their values cover the range, its ends among them."""
    rng = np.random.default_rng(len(shapes[0]) + out[-1])
    given, values = [], []
    for shape, q in zip(shapes, quants, strict=True):
        given.append((shape, q, channels_last(len(shape)) if len(shape) > 2 else identity(len(shape))))
        array = rng.integers(-128, 128, shape).astype(np.int8) if q else rng.normal(size=shape).astype(np.float32)
        array.reshape(-1)[:2] = (-128, 127)
        values.append(array)
    return lower(op, given, [out], attrs, quant), values


def others() -> list[tuple[Case, list[Array]]]:
    image = (1, 5, 7, 6)
    return [
        one("MaxPool", [image], [A], (1, 5, 4, 3), A, **SAME),
        one("AveragePool", [image], [A], (1, 5, 4, 3), Y, **SAME),
        one("AveragePool", [image], [A], (1, 5, 3, 3), A, kernel_shape=[2, 2], strides=[2, 2]),
        one("GlobalAveragePool", [image], [A], (1, 5, 1, 1), B),
        one("Softmax", [(3, 10)], [Quant(0.3, 5)], (3, 10), Quant(1 / 256, -128), axis=-1),
        one("Add", [image, image], [A, B], image, Y),
        one("Add", [image, (1, 5, 1, 1)], [A, B], image, Y),
        one("Mul", [image, image], [A, B], image, Quant(0.1, 2)),
        one("Sigmoid", [image], [A], image, Quant(1 / 256, -128)),
        one("Concat", [image, image], [A, A], (1, 10, 7, 6), A, axis=1),
    ]


def constants() -> list[tuple[Case, list[Array]]]:
    """A constant operand: quantized numbers of each channel, and real ones."""
    image, rng = (1, 5, 7, 6), np.random.default_rng(3)
    values = rng.integers(-128, 128, image).astype(np.int8)
    found = []
    for op in ("Add", "Mul"):
        case = lower(
            op, [(image, A, channels_last(4)), const(rng.normal(size=(1, 5, 1, 1)).astype(np.float32))], [image], {}, Y
        )
        found.append((case, [values]))
    return found


def every_case() -> tuple[Program, dict[str, Array]]:
    """All of them as one program, and its inputs by name."""
    cases = [*layers(), *others(), *constants()]
    return merged([case for case, _ in cases], [values for _, values in cases])


def borders() -> Program:
    """float32 -> int8 -> uint8 -> transposed -> float32: where number formats meet."""
    rows, width = 3, 5
    names = [("x", "float32"), ("q", "int8"), ("u", "uint8"), ("t", "uint8"), ("y", "float32")]
    shape = {name: (rows, width) if name != "t" and name != "y" else (width, rows) for name, _ in names}
    buffers = tuple(Buffer(name, dtype, shape[name], shape[name][0]) for name, dtype in names)
    run, every = Run(rows), All(rows)
    reach, attrs, consts = permute_args((rows, width), (1, 0))
    steps = (
        Step("s0", "quantize", ("x",), "q", (run,), {"scale": 0.1, "zy": 3}),
        Step("s1", "requantize", ("q",), "u", (run,), {"sx": 0.1, "zx": 3, "sy": 0.13, "zy": 120}),
        Step("s2", "permute", ("u",), "t", (reach if not isinstance(reach, Run) else every,), attrs, consts),
        Step("s3", "dequantize", ("t",), "y", (Run(width),), {"scale": 0.13, "zx": 120}),
    )
    return Program("net", buffers, steps, (Port("x", "x", (rows, width)),), (Port("y", "y", (width, rows)),))
