"""How far a plan is from the float model: measured at the model's outputs, on samples spread over the calibration set.

A final Softmax or Sigmoid hides errors (everything is near 0 or 1), so what goes into it is judged instead.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.view import Array
from edgec.quant.assign import FIXED, Plan
from edgec.quant.qdq import Written, write
from edgec.quant.runner import Runner, Samples, count, subset

LEAST = 1e-30


def judged_values(model: ir.Model) -> list[str]:
    """Float values whose error is the model's."""
    found = []
    for out in model.graph.outputs:
        producer = out.producer()
        while producer is not None and producer.op_type in ("Reshape", "Identity", "Transpose"):
            producer = producer.inputs[0].producer() if producer.inputs[0] is not None else None
        final = producer is not None and producer.op_type in FIXED and producer.inputs[0] is not None
        value = producer.inputs[0] if final and producer is not None else out
        if value is not None and value.dtype == ir.DataType.FLOAT and not value.is_graph_input():
            found.append(str(value.name))
    return found


class Judge:
    """Remembers the float model's answers on a subset of the samples; `error` compares a plan's with them."""

    def __init__(self, model: ir.Model, samples: Samples, wanted: int) -> None:
        self.samples = samples
        self.indices = subset(count(samples), wanted)
        self.names = judged_values(model)
        self.soft = {n for n in self.names if n not in {str(v.name) for v in model.graph.outputs}}
        self.expected = list(Runner(model, self.names).run(samples, self.names, self.indices))
        self.power = [max(sum(float((self.central(n, v[i]) ** 2).sum()) for v in self.expected), LEAST) for i, n in enumerate(self.names)]

    def central(self, name: str, value: Array) -> Array:
        """What goes into a Softmax counts up to a constant."""
        wide = value.astype(np.float64)
        return wide - wide.mean(axis=-1, keepdims=True) if name in self.soft else wide

    def error(self, plan: Plan) -> float:
        """Noise power over signal power at the outputs, averaged over them."""
        return self.session(plan).error(plan)

    def session(self, plan: Plan) -> Session:
        """A session that can judge every plan that differs from this one in params and biases only."""
        return Session(self, plan)

    def answers(self, written: Written) -> list[list[Array]]:
        """A written model's values at the judged places."""
        seen = [written.seen.get(name, name) for name in self.names]
        return list(Runner(written.model, seen).run(self.samples, seen, self.indices))

    def noise(self, answers: list[list[Array]]) -> float:
        """Noise over signal of answers."""
        total = np.zeros(len(self.names))
        for given, expected in zip(answers, self.expected, strict=True):
            for i, (a, b) in enumerate(zip(given, expected, strict=True)):
                total[i] += float(((self.central(self.names[i], a) - self.central(self.names[i], b)) ** 2).sum())
        return float(np.mean(total / np.array(self.power))) if self.names else 0.0

    def disagreement(self, answers: list[list[Array]]) -> float | None:
        """Percentage of samples whose largest output is another one; None unless the model is a classifier."""
        if len(self.names) != 1 or self.expected[0][0].ndim != 2 or self.expected[0][0].shape[-1] < 2:
            return None
        changed = [a[0].argmax(-1) != b[0].argmax(-1) for a, b in zip(answers, self.expected, strict=True)]
        return 100.0 * float(np.mean(changed))


class Session:
    """One trial model, opened once."""

    def __init__(self, judge: Judge, plan: Plan) -> None:
        self.judge, self.written = judge, write(plan, trial=True)
        self.seen = [self.written.seen.get(name, name) for name in judge.names]
        self.runner = Runner(self.written.model, self.seen, self.written.overridable)

    def answers(self, plan: Plan) -> list[list[Array]]:
        judge = self.judge
        return list(self.runner.run(judge.samples, self.seen, judge.indices, self.written.overrides(plan)))

    def error(self, plan: Plan) -> float:
        return self.judge.noise(self.answers(plan))
