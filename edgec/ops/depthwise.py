"""depthwise: a convolution with one group for each input channel; lowered by conv2d (ONNX Conv with group == C).

    acc[y, x, c*M + m] = bias[c*M + m] + sum over ky, kx of weight[ky, kx, c*M + m] * (in[iy, ix, c] - zx)

weight const [kh, kw, C*M]; M: channel multiplier; iy, ix and the attributes are those of conv2d.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ops._convolution import finish
from edgec.ops.base import Op
from edgec.ops.conv2d import patches


class Depthwise(Op):
    """Depthwise convolution, any kernel, stride, dilation, padding and multiplier.  int8 or float32."""

    name = "depthwise"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        weight = site.const("weight")
        multiplier = weight.shape[2] // site.int("channels")
        made = []
        for y in range(y0, y1):
            patch = patches(site, y, rows[0])
            if multiplier > 1:
                patch = np.repeat(patch, multiplier, axis=-1)
            exact = np.int64 if site.step.attrs.get("wide") else np.int32  # lowering has proven which is enough
            wide = np.float64 if patch.dtype == np.float32 else exact
            acc = np.einsum("pijc,ijc->pc", patch.astype(wide), weight.astype(wide)) + site.const("bias")
            made.append(finish(site, acc).reshape(-1))
        return np.stack(made)

    def macs(self, site: Site) -> int:
        weight = site.const("weight")
        return site.output.elements * int(weight.shape[0] * weight.shape[1])


OPS = (Depthwise(),)
