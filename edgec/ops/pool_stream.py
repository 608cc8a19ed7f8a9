"""A global average pool by accumulation: rows are added up as they come, so the pooled tensor is never stored.

    pool_sum     acc[y, c] = acc[y-1, c] + sum over the pixels of row y of x[.., c]      int32 [H, C]; a ring of one row holds it
    pool_finish  y[c] = average of _average.py of acc[H-1, c] - zx * count
The scheduler splits avgpool and reduce_mean steps into this pair where that saves memory; the results are the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgec.ir.program import Array, Site
from edgec.ops._average import average
from edgec.ops.base import Op


class PoolSum(Op):
    """Running sums.  Inputs: x and the sums themselves, one row earlier.  attrs: pixels, channels."""

    name = "pool_sum"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        x = rows[0][y0:y1].reshape(y1 - y0, site.int("pixels"), site.int("channels")).astype(np.int32)
        before = rows[1][y0 - 1].astype(np.int32) if y0 else np.zeros(site.int("channels"), np.int32)
        return (before + np.cumsum(x.sum(axis=1, dtype=np.int32), axis=0, dtype=np.int32)).astype(np.int32)


class PoolFinish(Op):
    """Means of finished sums.  attrs: channels, count, and those of an average."""

    name = "pool_finish"

    def reference(self, site: Site, y0: int, y1: int, rows: Sequence[Array]) -> Array:
        sums = rows[0][-1].astype(np.int64) - site.int("zx") * site.int("count")
        return average(site, sums).reshape(1, -1)


OPS = (PoolSum(), PoolFinish())
