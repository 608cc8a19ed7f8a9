"""The stages of a quantization, one named line each."""

from __future__ import annotations

import onnx_ir as ir

from edgec.quant.assign import make_plan
from edgec.quant.choose import choose
from edgec.quant.judge import Judge
from edgec.quant.observe import observe
from edgec.quant.options import Progress, QuantOptions, QuantResult, silent
from edgec.quant.qdq import write
from edgec.quant.runner import Samples, checked


def quantize(model: ir.Model, samples: Samples, options: QuantOptions | None = None, progress: Progress | None = None) -> QuantResult:
    options, progress = options or QuantOptions(), progress or silent
    samples = checked(model, samples)
    plan = make_plan(model, options, options.keep_float)
    seen = observe(model, samples, plan.sources, progress=progress)
    judge = Judge(model, samples, options.trial_samples)
    plan, error = choose(plan, seen, judge, progress)
    return QuantResult(write(plan).model, {"error": error})
