"""Watching a float model: two passes over the samples, so that memory holds ranges and histograms, never activations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgec.errors import InputError
from edgec.graph.view import Array, is_const
from edgec.quant.options import Progress, silent
from edgec.quant.ranges import Histogram
from edgec.quant.runner import Runner, Samples, count
from edgec.quant.units import VIEWS

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
    masked, masks = softmax_axes(model), score_masks(model, names)
    fetched = [*names, *dict.fromkeys(name for pairs in masks.values() for pair in pairs for name in pair)]
    runner = Runner(model, fetched)
    lo = dict.fromkeys(names, np.inf)
    hi = dict.fromkeys(names, -np.inf)
    peaks: dict[str, Array] = {}
    for i, values in enumerate(runner.run(samples, fetched, range(total))):
        for name, value in seen_values(names, dict(zip(fetched, values, strict=True)), masked, masks):
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
    for i, values in enumerate(runner.run(samples, fetched, range(total))):
        for name, value in seen_values(names, dict(zip(fetched, values, strict=True)), masked, masks):
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


def score_masks(model: ir.Model, names: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Values that are added to scores before a softmax, by way of views or directly -> (scores, their sum) of every such addition."""
    found: dict[str, list[tuple[str, str]]] = {}
    masked = softmax_axes(model)
    for node in model.graph:
        if node.op_type == "Add" and str(node.outputs[0].name) in masked:
            for value, other in zip(node.inputs, reversed(node.inputs), strict=True):
                assert value is not None and other is not None
                while (
                    (maker := value.producer()) is not None and maker.op_type in VIEWS and maker.inputs[0] is not None
                ):
                    value = maker.inputs[0]
                if str(value.name) in names and only_added(value, masked) and not is_const(other):
                    found.setdefault(str(value.name), []).append((str(other.name), str(node.outputs[0].name)))
    return found


def only_added(value: ir.Value, masked: Mapping[str, int]) -> bool:
    """Whether nothing but views and additions before a softmax reads a value."""
    return not value.is_graph_output() and all(
        str(u.outputs[0].name) in masked
        if u.op_type == "Add"
        else u.op_type in VIEWS and only_added(u.outputs[0], masked)
        for u in value.consumers()
    )


def seen_values(
    names: Sequence[str],
    values: Mapping[str, Array],
    masked: Mapping[str, int],
    masks: Mapping[str, Sequence[tuple[str, str]]],
) -> Iterator[tuple[str, Array]]:
    """Names and values; scores that a softmax makes 0 of, and the masks that make them so, are moved up to where it just does."""

    def floor(name: str) -> Array:
        total = values[name]
        return np.asarray(total.max(axis=masked[name], keepdims=True) - np.float32(NEGLIGIBLE))

    for name in names:
        value = values[name]
        if name in masked:
            value = np.maximum(value, floor(name))
        if name in masks:
            value = np.maximum(
                value, min(float((floor(total) - values[scores]).min()) for scores, total in masks[name])
            )
        yield name, value
