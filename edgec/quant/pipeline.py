"""The stages of a quantization, one named line each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from edgec.quant.assign import Plan, make_plan
from edgec.quant.choose import choose, refine
from edgec.quant.correct import correct_biases
from edgec.quant.equalize import Pair, equalized, find_pairs
from edgec.quant.judge import Judge
from edgec.quant.observe import Seen, observe
from edgec.quant.options import Progress, QuantOptions, QuantResult, silent
from edgec.quant.qdq import write
from edgec.quant.runner import Samples, checked
from edgec.graph.normalize import tidy


EQUALIZED_WORTH = 0.8  # moved factors make the weights of two layers depend on the samples: they must pay for that


@dataclass(frozen=True)
class Ready:
    """A plan with everything measured for it.  error: noise over signal at the outputs; equalized: values."""

    plan: Plan
    seen: Seen
    error: float
    equalized: tuple[str, ...] = ()


def quantize(
    model: ir.Model, samples: Samples, options: QuantOptions | None = None, progress: Progress | None = None
) -> QuantResult:
    """The QDQ model of a normalised float model, and the report of what it cost.

    samples: by input name, [samples, *shape], values as the float model takes them.  Raises InputError, UsageError.
    """
    options, progress = options or QuantOptions(), progress or silent
    samples = checked(model, samples)
    judge = Judge(model, samples, options.trial_samples)
    ready = calibrated(model, samples, options, options.keep_float, judge, progress)
    return QuantResult(write(ready.plan).model, {"error": ready.error, "eq": ready.equalized, "before": ready.error})


def calibrated(
    model: ir.Model, samples: Samples, options: QuantOptions, keep_float: tuple[str, ...], judge: Judge, progress: Progress
) -> Ready:
    """Ranges and biases of the model, or of its equalised self where that has the smaller output error."""
    pairs = find_pairs(model, keep_float) if options.equalize else []
    best = planned(model, samples, options, keep_float, judge, {pair.value: pair.axis for pair in pairs}, progress)
    if pairs:
        moved = equalized(model, pairs, best.seen.peaks)
        tidy(moved)
        other = planned(moved, samples, options, keep_float, judge, {}, progress)
        if other.error < best.error * EQUALIZED_WORTH:
            best = replace(other, equalized=tuple(pair.value for pair in pairs))
    plan, error = refine(best.plan, best.error, best.seen, judge, progress)
    if options.bias_correction:
        plan, error = correct_biases(plan, error, judge, progress)
    return replace(best, plan=plan, error=error)


def planned(
    model: ir.Model,
    samples: Samples,
    options: QuantOptions,
    keep_float: tuple[str, ...],
    judge: Judge,
    axes: dict[str, int],
    progress: Progress,
) -> Ready:
    """Observed, one method for all values, biases corrected.  axes: values whose channels' peaks are wanted."""
    plan = make_plan(model, options, keep_float)
    seen = observe(model, samples, plan.sources, axes, progress)
    plan, error = choose(plan, seen, judge)
    if options.bias_correction:
        plan, error = correct_biases(plan, error, judge, progress)
    return Ready(plan, seen, error)
