"""Where number formats meet: quantize, dequantize, requantize; and steps that only put bytes somewhere.

    quantize    float32 -> int8, uint8, int16   attrs scale, zy        ONNX QuantizeLinear; NaN gives the lowest value
    dequantize  int8, uint8, int16 -> float32   attrs scale, zx        ONNX DequantizeLinear
    requantize  8 bits -> 8 bits         attrs sx, zx, sy, zy   quantize after dequantize: a table made at compile time
                int16 on either side     attrs zx, m, k, zy, lo, hi    rescale of int16x8.v1: m / 2^k = s_x / s_y, half up
    constant    no input                 consts value (flat)    writes it to its buffer
    copy        any type                                        the same bytes elsewhere
Lowering makes these steps by itself; no ONNX node is taken here.  All are elementwise (Run);
shapes and axis order stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.arithmetic import dequantize, quantize, rescale, wide_multipliers
from edgec.ir.program import Array, Attr, Quant, Site
from edgec.ops.base import Op


def rescaling(source: Quant, target: Quant, lo: int, hi: int) -> dict[str, Attr]:
    """attrs of a requantize step with int16 on either side, clamped to lo..hi.

    A factor that saturates whatever is not zero is cut to one that does so too.
    """
    m, k = wide_multipliers(np.array(min(source.scale / target.scale, 2.0**17)), source.highest - source.lowest)
    return {"zx": source.zero_point, "m": int(m[0]), "k": k, "zy": target.zero_point, "lo": lo, "hi": hi}


class Quantize(Op):
    name = "quantize"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        real = np.nan_to_num(rows[0][y0:y1], nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        with np.errstate(over="ignore"):
            return quantize(real, site.float("scale"), site.int("zy"), site.output.dtype)


class Dequantize(Op):
    name = "dequantize"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        return dequantize(rows[0][y0:y1], site.float("scale"), site.int("zx"))


class Requantize(Op):
    name = "requantize"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        if "k" in site.step.attrs:
            m, k, zy, lo, hi = (site.int(n) for n in ("m", "k", "zy", "lo", "hi"))
            return rescale(rows[0][y0:y1].astype(np.int64) - site.int("zx"), m, k, zy, lo, hi).astype(site.output.dtype)
        real = dequantize(rows[0][y0:y1], site.float("sx"), site.int("zx"))
        with np.errstate(over="ignore"):
            return quantize(real, site.float("sy"), site.int("zy"), site.output.dtype)


class Constant(Op):
    name = "constant"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        return np.array(site.const("value").reshape(site.output.rows, -1)[y0:y1])


class Copy(Op):
    name = "copy"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        return np.array(rows[0][y0:y1])


OPS = (Quantize(), Dequantize(), Requantize(), Constant(), Copy())
