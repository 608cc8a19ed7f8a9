"""The stages of a quantization, one named line each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from edgec.errors import UsageError
from edgec.graph.normalize import tidy
from edgec.quant.assign import Plan, make_plan
from edgec.quant.choose import by_operator, choose, refine
from edgec.quant.correct import correct_biases
from edgec.quant.equalize import equalized, find_pairs
from edgec.quant.judge import Judge
from edgec.quant.lowrank import factorize, fold_chains
from edgec.quant.observe import Seen, observe
from edgec.quant.options import Price, Progress, QuantOptions, QuantResult, silent
from edgec.quant.prices import prices
from edgec.quant.qdq import write
from edgec.quant.report import layers, sensitivity, suspects, worst
from edgec.quant.runner import Samples, checked, count, with_states
from edgec.quant.sensitivity import auto_keep, gains, loss_of
from edgec.quant.units import named_nodes, split_units
from edgec.quant.weights import macs

TRIAL_WORK = 4_000_000_000  # multiply-accumulates of one trial run
NODE_WORK = 50_000  # what a node costs beside its multiplications, as many of them
EQUALIZED_WORTH = 0.8  # moved factors make the weights of two layers depend on the samples: they must pay for that


@dataclass(frozen=True)
class Ready:
    """A plan with everything measured for it.  error: noise over signal at the outputs; equalized: values."""

    plan: Plan
    seen: Seen
    error: float
    equalized: tuple[str, ...] = ()


def quantize(
    model: ir.Model,
    samples: Samples,
    options: QuantOptions | None = None,
    progress: Progress | None = None,
    price: Price | None = None,
) -> QuantResult:
    """The QDQ model of a normalised float model, and the report of what it cost.

    samples: by input name, [samples, *shape], values as the float model takes them; price: what a model costs on a target,
    for the report.  Raises InputError, UsageError.
    """
    options, progress = options or QuantOptions(), progress or silent
    check_float(model)
    samples = checked(model, with_states(model, samples, options.states))
    judge = Judge(model, samples, options.trial_samples or affordable(model))
    model = model.clone()
    folded = fold_chains(model)
    options = replace(
        options,
        keep_float=named_nodes(model, options.keep_float),
        keep_int16=named_nodes(model, options.keep_int16),
    )
    factored = []
    if options.low_rank is not None:
        factored = factorize(model, samples, options.low_rank, options.keep_float, options.low_rank_error)
    ready = calibrated(model, samples, options, judge, progress)
    written = write(ready.plan)
    entries = layers(ready.plan, written, ready.seen, judge)
    order = suspects(entries)
    plan, keep = auto_keep(ready.plan, order, judge, progress)
    if keep:
        written = write(plan)
        entries = layers(plan, written, ready.seen, judge)
    error, loss = loss_of(plan, judge)
    found = gains(plan, suspects(entries)[: options.sensitivity], judge, progress)
    report: dict[str, Any] = {
        "samples": count(samples),
        "method": options.method,
        "output_error": error,
        "loss": round(loss, 4),
        "loss_is": "percent of samples whose top-1 changed" if judge.classifies else "percent of the output's RMS",
        "quantized": sum(unit.kind != "float" for unit in plan.units),
        "float": [unit.name for unit in plan.units if unit.kind == "float"],
        "int16": [unit.name for unit in plan.units if unit.bits == 16],
        "kept_float": [*options.keep_float, *(name for name, form in keep.items() if form == "float32")],
        "kept_int16": [*options.keep_int16, *(name for name, form in keep.items() if form == "int16")],
        "equalized": list(ready.equalized),
        "bias_corrected": sorted(plan.bias),
        "folded": folded,
        "low_rank": factored,
        "layers": entries,
        "worst": worst(entries),
        "sensitivity": sensitivity(found, error),
    }
    if price is not None:
        report["prices"] = prices(plan, [gain.node for gain in found], price, progress)
    return QuantResult(written.model, report)


def affordable(model: ir.Model) -> int:
    """Samples of one trial: many for a small model, few for a large one.  Counted, not timed, so that results are the same anywhere."""
    work = sum(macs(unit) for unit in split_units(model)) + NODE_WORK * len(model.graph)
    return int(min(max(TRIAL_WORK // max(work, 1), 64), 500))


def check_float(model: ir.Model) -> None:
    """Raises UsageError for a model that is quantized already."""
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph):
        raise UsageError("the model is quantized already", "compile it as it is, without calibration data")


def calibrated(model: ir.Model, samples: Samples, options: QuantOptions, judge: Judge, progress: Progress) -> Ready:
    """Ranges and biases of the model, or of its equalised self where that has the smaller output error."""
    pairs = find_pairs(model, options.keep_float) if options.equalize else []
    best = planned(model, samples, options, judge, {pair.value: pair.axis for pair in pairs}, progress)
    if pairs:
        moved = equalized(model, pairs, best.seen.peaks)
        tidy(moved)
        other = planned(moved, samples, options, judge, {}, progress)
        if other.error < best.error * EQUALIZED_WORTH:
            best = replace(other, equalized=tuple(pair.value for pair in pairs))
    plan, error = by_operator(best.plan, best.error, best.seen, judge, progress)
    plan, error = refine(plan, error, best.seen, judge, progress)
    if options.bias_correction:
        plan, error = correct_biases(plan, error, judge, progress)
    return replace(best, plan=plan, error=error)


def planned(
    model: ir.Model,
    samples: Samples,
    options: QuantOptions,
    judge: Judge,
    axes: dict[str, int],
    progress: Progress,
) -> Ready:
    """Observed, one method for all values, biases corrected.  axes: values whose channels' peaks are wanted."""
    plan = make_plan(model, options, options.keep_float, options.keep_int16)
    seen = observe(model, samples, plan.sources, axes, progress)
    plan.peaks = {name: max(abs(h.lo), abs(h.hi)) for name, h in seen.histograms.items()}
    plan, error = choose(plan, seen, judge)
    if options.bias_correction:
        plan, error = correct_biases(plan, error, judge, progress)
    return Ready(plan, seen, error)
