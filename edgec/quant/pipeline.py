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
    plan, error = ready.plan, ready.error
    if options.bias_correction:
        plan, error = correct_biases(plan, error, judge, progress)
    return QuantResult(write(plan).model, {"error": error, "eq": ready.equalized, "before": ready.error})


def calibrated(
    model: ir.Model, samples: Samples, options: QuantOptions, keep_float: tuple[str, ...], judge: Judge, progress: Progress
) -> Ready:
    """Ranges of the model, or of its equalised self where that has the smaller output error."""
    plan = make_plan(model, options, keep_float)
    pairs = find_pairs(model, keep_float) if options.equalize else []
    seen = observe(model, samples, plan.sources, {pair.value: pair.axis for pair in pairs}, progress)
    plan, error = choose(plan, seen, judge)
    best = Ready(plan, seen, error)
    for chosen in subsets(pairs):
        moved = equalized(model, chosen, seen.peaks)
        tidy(moved)
        plan = make_plan(moved, options, keep_float)
        again = observe(moved, samples, plan.sources, progress=progress)
        plan, error = choose(plan, again, judge)
        if error < best.error:
            best = Ready(plan, again, error, tuple(pair.value for pair in chosen))
    plan, error = refine(best.plan, best.error, best.seen, judge, progress)
    return replace(best, plan=plan, error=error)


def subsets(pairs: list[Pair]) -> list[list[Pair]]:
    """Sets of pairs to try: all at once."""
    return [pairs] if pairs else []
