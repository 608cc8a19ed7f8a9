"""Attention in every spelling, the operator of opset 23 among them with heads of both kinds and all masks: integers alone, close to
float."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.quant.models import Array
from tests.quant.test_operators import Case, X, in_integers, ints

QKV = {"wq": (8, 8), "wk": (8, 8), "wv": (8, 8), "wo": (8, 8)}
RNG = np.random.default_rng(4)


def attention(
    name: str,
    how: str,
    constants: dict[str, Array] | None = None,
    given: str = "",
    before: str = "",
    heads: int = 2,
    keys: int = 2,
) -> Case:
    """The operator of opset 23 behind projections of 6 tokens.  how: a mask operand, or further attributes; given: a model input more;
    before: how the mask is made."""
    extra, mask = ("", how) if how.startswith(", ") and "=" not in how else (how, "")
    graph = f"""(float[1, 6, 8] x{given}) => (float[1, 6, 8] y) <float low = {{-1e6}}> {{
        q = MatMul (x, wq)  k = MatMul (x, wk)  v = MatMul (x, wv)  {before}
        o = Attention <q_num_heads = {heads}, kv_num_heads = {keys}{extra}> (q, k, v{mask})  y = MatMul (o, wo)
    }}"""
    wide = 8 * keys // heads
    return Case(
        f"Attention{name}",
        graph,
        {"wq": (8, 8), "wk": (8, wide), "wv": (8, wide), "wo": (8, 8)},
        constants or {},
        gain=0.5,
        opset=23,
    )


CASES = [
    Case(
        "attention-separate",
        f"""{X} <float s = {{0.3535}}> {{
            q = MatMul (x, wq)  k = MatMul (x, wk)  v = MatMul (x, wv)  t = Transpose <perm = [0, 2, 1]> (k)
            a = MatMul (q, t)  m = Mul (a, s)  p = Softmax (m)  o = MatMul (p, v)  y = MatMul (o, wo)
        }}""",
        QKV,
        gain=0.5,
    ),
    Case(
        "attention-masked",
        f"""{X} <float s = {{0.3535}}> {{
            q = MatMul (x, wq)  k = MatMul (x, wk)  v = MatMul (x, wv)  t = Transpose <perm = [0, 2, 1]> (k)
            a = MatMul (q, t)  m = Mul (a, s)  n = Add (m, mask)  p = Softmax (n)  o = MatMul (p, v)
            y = MatMul (o, wo)
        }}""",
        QKV,
        {"mask": np.where(np.tri(6) > 0, 0, -1e9).astype(np.float32)},
        gain=0.5,
    ),
    Case(
        "attention-heads-fused",
        f"""{X} <float s = {{0.5}}> {{
            f = MatMul (x, w)  h = Reshape (f, sh)  u = Transpose <perm = [2, 0, 3, 1, 4]> (h)
            a, b, c = Split <axis = 0, num_outputs = 3> (u)  q = Squeeze (a, zero)  k = Squeeze (b, zero)
            v = Squeeze (c, zero)  t = Transpose <perm = [0, 1, 3, 2]> (k)  m = MatMul (q, t)  n = Mul (m, s)
            p = Softmax (n)  o = MatMul (p, v)  z = Transpose <perm = [0, 2, 1, 3]> (o)
            l = Reshape (z, back)  y = MatMul (l, wo)
        }}""",
        {"w": (8, 24), "wo": (8, 8)},
        {"sh": ints(1, 6, 3, 2, 4), "back": ints(1, 6, 8), "zero": ints(0)},
        gain=0.5,
    ),
    Case(
        "attention-where",
        f"""{X} <float low = {{-3e38}}, float s = {{0.3535}}> {{
            q = MatMul (x, wq)  k = MatMul (x, wk)  t = Transpose <perm = [0, 2, 1]> (k)  a = MatMul (q, t)
            m = Mul (a, s)  n = Where (mask, m, low)  p = Softmax (n)  y = MatMul (p, x)
        }}""",
        {"wq": (8, 8), "wk": (8, 8)},
        {"mask": np.tri(6) > 0},
        gain=0.5,
    ),
    attention("", ""),
    attention("-causal", ", is_causal = 1"),
    attention("-mask", ", mask", constants={"mask": np.where(np.tri(6, k=1) > 0, 0, -3e38).astype(np.float32)}),
    attention("-allowed", ", mask", constants={"mask": np.tri(6, k=1) > 0}),
    attention(
        "-heads-masks",
        ", mask",
        constants={"mask": np.where(np.tri(6) > 0, RNG.normal(size=(1, 2, 6, 6)), -1e4).astype(np.float32)},
    ),
    attention("-mask-input", ", mask", given=", float[6, 6] mask"),
    attention("-allowed-input", ", keep", given=", float[6, 6] mask", before="keep = Greater (mask, low)"),
    attention("-cap", ", softcap = 3.0"),
    attention("-grouped", ", is_causal = 1", heads=4, keys=2),
    attention("-one-key-head", "", heads=4, keys=1),
    Case(
        "Attention-4d",
        """(float[1, 2, 6, 4] q, float[1, 2, 7, 4] k, float[1, 2, 7, 5] v) => (float[1, 2, 6, 5] y) {
            y = Attention <scale = 0.4> (q, k, v)
        }""",
        opset=23,
    ),
    Case(
        "Attention-slices",
        f"""{X} {{
            f = MatMul (x, w)  q = Slice (f, at0, at8, last)  k = Slice (f, at8, at16, last)  v = Slice (f, at16, at24, last)
            o = Attention <q_num_heads = 2, kv_num_heads = 2, is_causal = 1> (q, k, v)  y = MatMul (o, wo)
        }}""",
        {"w": (8, 24), "wo": (8, 8)},
        {"at0": ints(0), "at8": ints(8), "at16": ints(16), "at24": ints(24), "last": ints(2)},
        gain=0.5,
        opset=23,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_integers(case: Case, tmp_path: Path) -> None:
    in_integers(case, tmp_path)
