"""Transposed convolutions, 1-D and 2-D: onnxruntime, interpreter and host C; which input rows they ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgec.ir.program import Quant
from edgec.ir.reach import All, Table
from tests.ops import ort
from tests.ops.page_bench import Operand, run_node

X, SCALE = Quant(0.0390625, 7), 0.0117
RNG = np.random.default_rng(29)
CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any], type]] = [
    ((1, 4, 5, 6), (4, 3, 2, 2), {"strides": [2, 2]}, Table),
    ((1, 4, 5, 6), (4, 3, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, Table),
    ((2, 4, 4, 5), (4, 3, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}, Table),
    ((1, 4, 5, 6), (4, 3, 3, 3), {}, All),
    ((2, 4, 3, 6), (4, 3, 5, 3), {"strides": [2, 1], "pads": [2, 0, 1, 1], "dilations": [1, 2]}, All),
    ((1, 4, 5, 4), (4, 2, 2, 3), {"strides": [3, 2], "dilations": [2, 3], "pads": [1, 2, 0, 1]}, Table),
    ((1, 6, 4, 4), (6, 2, 3, 3), {"group": 3, "strides": [2, 2]}, Table),
    ((1, 4, 4, 4), (4, 1, 3, 3), {"group": 4, "strides": [1, 2], "pads": [1, 1, 1, 1]}, All),
    ((1, 4, 5, 5), (4, 3, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, Table),
    ((1, 4, 5, 5), (4, 3, 3, 3), {"strides": [2, 2], "output_shape": [10, 10]}, Table),
    ((1, 4, 9), (4, 3, 4), {"strides": [2], "pads": [1, 1]}, Table),
    ((2, 4, 7), (4, 3, 5), {"strides": [1]}, All),
]


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("integer", [True, False])
def test_onnxruntime_and_host_c(case: int, integer: bool) -> None:
    shape, kernel, attrs, kind = CASES[case]
    bias = RNG.normal(size=kernel[1] * attrs.get("group", 1)).astype(np.float32)
    perm = (0, 2, 3, 1) if len(shape) == 4 else (0, 2, 1)
    if not integer:
        x, w = RNG.normal(size=shape).astype(np.float32), RNG.normal(size=kernel).astype(np.float32)
        want = ort.run("ConvTranspose", [x, None, None], {1: w, 2: bias}, attrs)[0]
        got, program = run_node(
            "ConvTranspose",
            [Operand(x, perm=perm), Operand(w, const=True), Operand(bias, const=True)],
            want.shape,
            attrs=attrs,
        )
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
        assert isinstance(program.steps[-1].reach[0], kind)
        return
    q, w = RNG.integers(-128, 128, shape).astype(np.int8), RNG.integers(-127, 128, kernel).astype(np.int8)
    scales = np.linspace(SCALE / 3, SCALE, kernel[1]).astype(np.float32)
    along = scales.reshape(1, -1, *(1 for _ in kernel[2:]))
    y = Quant(float(np.float32(X.scale * SCALE * 74 * 74 * (kernel[0] * kernel[2]) ** 0.5 / 60)), -9)
    want = ort.run("ConvTranspose", [q, None, None], {1: w * along, 2: bias}, attrs, quants=[X], out_quant=y)[0]
    weight = Operand(w, const=True, scales=scales, axis=1)
    got, program = run_node(
        "ConvTranspose", [Operand(q, X, perm), weight, Operand(bias, const=True)], want.shape, y, attrs
    )
    assert got.dtype == np.int8 and [s.op for s in program.steps] == ["conv_transpose"]
    ort.compare(got, want, 0.99)
