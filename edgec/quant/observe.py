"""Watching a float model: two passes over the samples, so that memory holds ranges and histograms, never activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgec.errors import InputError
from edgec.graph.view import Array
from edgec.quant.options import Progress, silent
from edgec.quant.ranges import Histogram
from edgec.quant.runner import Runner, Samples, count

BINS = 2048
NEGLIGIBLE = 12.0  # exp(-12) is 1/640 of the smallest step of a softmax: masked scores need no range of their own


@dataclass
class Seen:
    """What was observed.  histograms: by value name; peaks: largest magnitude per channel, for values that were asked for."""

    histograms: dict[str, Histogram] = field(default_factory=dict)
    peaks: dict[str, Array] = field(default_factory=dict)


def observe(
    model: ir.Model,
    samples: Samples,
    names: Sequence[str],
    axes: Mapping[str, int] | None = None,
    progress: Progress = silent,
) -> Seen:
    """Histograms of the values `names` over all samples; axes: channel axis of those whose peaks are wanted.

    Raises InputError where the float model itself gives NaN or infinity.
    """
    total = count(samples)
    runner = Runner(model, names)
    masked = softmax_axes(model)
    lo = dict.fromkeys(names, np.inf)
    hi = dict.fromkeys(names, -np.inf)
    peaks: dict[str, Array] = {}
    for i, values in enumerate(runner.run(samples, names, range(total))):
        for name, value in seen_values(names, values, masked):
            if value.size:
                lo[name], hi[name] = min(lo[name], float(value.min())), max(hi[name], float(value.max()))
            if axes and name in axes:
                others = tuple(a for a in range(value.ndim) if a != axes[name] % value.ndim)
                peak = np.abs(value).max(axis=others)
                peaks[name] = np.maximum(peaks[name], peak) if name in peaks else peak
        progress("ranges", i + 1, total)
    wild = [name for name in names if not np.isfinite([lo[name], hi[name]]).all()]
    if wild:
        raise InputError(
            f"the float model gives NaN or infinity at {wild[0]!r} on the calibration samples",
            "check that the samples are scaled as in training",
        )
    seen = {name: Histogram(lo[name], hi[name], np.zeros(BINS, np.int64)) for name in names}
    for i, values in enumerate(runner.run(samples, names, range(total))):
        for name, value in seen_values(names, values, masked):
            seen[name].add(value)
        progress("histograms", i + 1, total)
    return Seen(seen, peaks)


def softmax_axes(model: ir.Model) -> dict[str, int]:
    """Values that nothing but Softmax reads -> its axis: of them only what lies near the largest number matters."""
    found: dict[str, int] = {}
    for node in model.graph:
        value = node.inputs[0] if node.op_type == "Softmax" and not node.domain else None
        if value is not None and not value.is_graph_output() and all(u.op_type == "Softmax" for u in value.consumers()):
            found[str(value.name)] = node.attributes.get_int("axis", -1)
    return found


def seen_values(
    names: Sequence[str], values: Sequence[Array], masked: Mapping[str, int]
) -> Iterator[tuple[str, Array]]:
    """Names and values; scores that a softmax makes 0 of are moved up to where it just does."""
    for name, value in zip(names, values, strict=True):
        if name in masked:
            value = np.maximum(value, value.max(axis=masked[name], keepdims=True) - np.float32(NEGLIGIBLE))
        yield name, value
