"""What a quantization cost, layer by layer: plain values for --json and for edgec/report/quant.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from edgec.quant.assign import Plan
from edgec.quant.judge import Judge
from edgec.quant.observe import Seen, softmax_axes
from edgec.quant.qdq import Written
from edgec.quant.ranges import Histogram
from edgec.quant.runner import Runner
from edgec.quant.sensitivity import Gain
from edgec.quant.units import Unit
from edgec.quant.weights import bias_values, float_weights, macs, quantize_weight, recurrent_weights

SAMPLES = 64
WORST = 8
POOR = 20.0  # decibels: a tenth of the signal is noise
CLIPPED = 0.5  # percent


def decibels(signal: float, noise: float) -> float | None:
    """10 log10(signal / noise); None where there is no noise or no signal."""
    return round(10.0 * float(np.log10(signal / noise)), 2) if signal > 0 and noise > 0 else None


def layers(plan: Plan, written: Written, seen: Seen, judge: Judge) -> list[dict[str, Any]]:
    """One entry for each quantized unit, in graph order; noise is measured on the finished model against the float one."""
    units = [unit for unit in plan.units if unit.kind not in ("float", "reader")]
    if not units:
        return []
    names = [str(unit.outputs[0].name) for unit in units]
    there = [written.seen[name] for name in names]
    signal, noise, clipped, size = (np.zeros(len(names)) for _ in range(4))
    lo, hi = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    indices = judge.indices[:: max(1, len(judge.indices) // SAMPLES)]
    real = Runner(plan.model, names).run(judge.samples, names, indices)
    rounded = Runner(written.model, there).run(judge.samples, there, indices)
    params = [plan.of(name) for name in names]
    only_softmax = softmax_axes(plan.model)
    for values, others in zip(real, rounded, strict=True):
        for i, (a, b, p) in enumerate(zip(values, others, params, strict=True)):
            if names[i] in only_softmax:
                a = np.maximum(a, p.lo)  # what is masked
            signal[i] += float(np.square(a, dtype=np.float64).sum())
            noise[i] += float(np.square(a.astype(np.float64) - b).sum())
            clipped[i] += int(((a < p.lo - p.scale / 2) | (a > p.hi + p.scale / 2)).sum())
            size[i] += a.size
            lo[i], hi[i] = min(lo[i], float(a.min())), max(hi[i], float(a.max()))
    found = []
    for i, unit in enumerate(units):
        group = plan.groups.member[names[i]][0]
        histogram = seen.histograms.get(plan.groups.source[group])
        entry = {
            "node": unit.name,
            "op": unit.core.op_type,
            "value": names[i],
            "sqnr_db": decibels(signal[i], noise[i]),
            "range_sqnr_db": None
            if histogram is None
            else decibels(histogram.power, histogram.error(plan.params[group])),
            "lo": params[i].lo,
            "hi": params[i].hi,
            "seen_lo": float(lo[i]),
            "seen_hi": float(hi[i]),
            "scale": params[i].scale,
            "zero_point": params[i].zero_point,
            "bits": params[i].bits,
            "saturated_percent": round(100.0 * float(clipped[i] / max(size[i], 1)), 4),
            "method": plan.method.get(group, "given"),
            "crest": None if histogram is None else _crest(histogram),
        }
        found.append({**entry, **_weights(plan, unit)})
    return found


def _crest(histogram: Histogram) -> float:
    """Largest magnitude over root mean square."""
    return round(max(abs(histogram.lo), abs(histogram.hi)) / float(max(histogram.power**0.5, 1e-30)), 2)


def _weights(plan: Plan, unit: Unit) -> dict[str, Any]:
    """Multiply-accumulates, and the noise of the worst matrix of weights."""
    if unit.kind == "linear":
        bias = plan.bias.get(unit.name, bias_values(unit))
        stored = [quantize_weight(unit, bias, plan.of(unit.activations[0]), plan.options.per_channel)]
    elif unit.kind == "recurrent":
        stored = list(recurrent_weights(unit, plan.options.per_channel).values())
    else:
        return {"macs": 0, "weight_sqnr_db": None}
    reals = [real.astype(np.float64) for real in float_weights(unit)]
    found = [
        decibels(float(np.square(real).sum()), float(np.square(real - weight.real).sum()))
        for real, weight in zip(reals, stored, strict=True)
    ]
    return {"macs": macs(unit), "weight_sqnr_db": min((db for db in found if db is not None), default=None)}


def suspects(entries: list[dict[str, Any]]) -> list[str]:
    """Nodes in the order in which they deserve suspicion: own noise first."""
    return [entry["node"] for entry in sorted(entries, key=own_noise)]


def own_noise(entry: dict[str, Any]) -> float:
    """Decibels that a layer would have if nothing came in with noise: its range and its weights."""
    known = [entry[key] for key in ("range_sqnr_db", "weight_sqnr_db") if entry[key] is not None]
    return float(min(known, default=99.0))


def advice(entry: dict[str, Any], weakest: dict[str, Any]) -> str:
    """What to do about a layer.  weakest: the layer with the most noise of its own."""
    if entry["saturated_percent"] > CLIPPED and entry["method"] != "fixed":
        return f"{entry['saturated_percent']:g} % of its values are clipped: calibrate with more samples, or --method minmax"
    weak = entry["weight_sqnr_db"]
    if weak is not None and weak < POOR + 10:
        return "its weights differ too much within a channel: retrain with weight decay, or --keep-float this node"
    own = entry["range_sqnr_db"]
    if own is not None and own < POOR + 10 and (entry["crest"] or 0) > 20:
        return "a few outliers stretch its range: --method percentile or mse, or --keep-int16 this node"
    if own is not None and own < POOR + 10:
        return "its values need more than 8 bits: --keep-int16 this node"
    return f"its noise comes from other layers; most of its own has {weakest['node']!r} ({own_noise(weakest):.1f} dB)"


def worst(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers with the most noise, and what to do about them."""
    known = sorted((e for e in entries if e["sqnr_db"] is not None), key=lambda e: e["sqnr_db"])
    weakest = min(entries, key=own_noise, default={})
    return [
        {"node": e["node"], "op": e["op"], "sqnr_db": e["sqnr_db"], "advice": advice(e, weakest)} for e in known[:WORST]
    ]


def sensitivity(found: list[Gain], error: float) -> list[dict[str, Any]]:
    """Gains as plain values; error_share, int16_error_share: what the output error falls to."""

    def share(of: float) -> float:
        return round(of / error, 4) if error > 0 else 1.0

    return [{**asdict(g), "error_share": share(g.error), "int16_error_share": share(g.int16_error)} for g in found]


def kept(report: Mapping[str, Any]) -> dict[str, Any]:
    """What edgec.json keeps of a report: the loss, and of each layer its noise and how much of that is its own."""
    keys = ("node", "op", "sqnr_db", "range_sqnr_db", "weight_sqnr_db", "bits")
    found = [{key: layer[key] for key in keys} for layer in report["layers"]]
    return {"samples": report["samples"], "loss": report["loss"], "loss_is": report["loss_is"], "layers": found}
