"""How far a plan is from the float model: measured at the model's outputs, on samples spread over the calibration set.

The error is noise power over signal power.  A final Softmax or Sigmoid hides errors (its result has 8 bits itself), so
what goes into it is judged instead; before a Softmax the error is the geometric mean of the noise and of the divergence
of the distributions: the one counts all samples alike, the other those whose decision could change.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgec.graph.view import Array
from edgec.quant.assign import FIXED, MOVED, Plan
from edgec.quant.qdq import Written, write
from edgec.quant.runner import Runner, Samples, count, subset

LEAST = 1e-30
POSITIONS = frozenset({"ArgMax", "ArgMin"})  # their error is that of what they look at


def judged_values(model: ir.Model) -> list[str]:
    """Float values whose error is the model's."""
    found = []
    for out in model.graph.outputs:
        producer = out.producer()
        while producer is not None and producer.op_type in MOVED:
            producer = producer.inputs[0].producer() if producer.inputs[0] is not None else None
        value = producer.inputs[0] if producer is not None and producer.op_type in FIXED | POSITIONS else out
        if value is None or value.is_graph_input():
            value = out
        if value.dtype == ir.DataType.FLOAT and str(value.name) not in found:
            found.append(str(value.name))
    return found


def squared(given: Array, expected: Array) -> float:
    """Sum of squared differences."""
    return float(((given.astype(np.float64) - expected.astype(np.float64)) ** 2).sum())


def level(logits: Array) -> Array:
    """Logits without the part that a softmax does not see."""
    wide = logits.astype(np.float64)
    found: Array = wide - wide.mean(axis=-1, keepdims=True)
    return found


def divergence(given: Array, expected: Array) -> float:
    """Kullback-Leibler divergence of the softmax of `given` from that of `expected`, mean over rows: errors count where they
    could change a decision."""
    logs = []
    for x in (expected, given):
        wide = x.astype(np.float64) - x.max(axis=-1, keepdims=True)
        logs.append(wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True)))
    per_row = (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=-1)
    return float(np.mean(per_row))


class Judge:
    """Remembers the float model's answers on a subset of the samples; `error` compares a plan's with them."""

    def __init__(self, model: ir.Model, samples: Samples, wanted: int) -> None:
        self.samples = samples
        self.indices = subset(count(samples), wanted)
        self.names = judged_values(model)
        self.soft = {
            str(n.inputs[0].name) for n in model.graph if n.op_type == "Softmax" and n.inputs[0] is not None
        } & set(self.names)
        self.expected = list(Runner(model, self.names).run(samples, self.names, self.indices))
        self.power = [
            max(sum(float((v[i].astype(np.float64) ** 2).sum()) for v in self.expected), LEAST)
            for i in range(len(self.names))
        ]

    def error(self, plan: Plan) -> float:
        """The output error of a plan."""
        return self.session(plan).error(plan)

    def session(self, plan: Plan) -> Session:
        """A session that can judge every plan that differs from this one in params and biases only."""
        return Session(self, plan)

    def answers(self, written: Written) -> list[list[Array]]:
        """A written model's values at the judged places."""
        seen = [written.seen.get(name, name) for name in self.names]
        return list(Runner(written.model, seen).run(self.samples, seen, self.indices))

    def noise(self, answers: list[list[Array]]) -> float:
        """Error of answers, averaged over the outputs."""
        noise, apart = np.zeros(len(self.names)), np.zeros(len(self.names))
        for given, expected in zip(answers, self.expected, strict=True):
            for i, (a, b) in enumerate(zip(given, expected, strict=True)):
                soft = self.names[i] in self.soft
                noise[i] += squared(level(a), level(b)) if soft else squared(a, b)
                apart[i] += divergence(a, b) / len(answers) if soft else 0.0
        noise /= np.array(self.power)
        total = [
            float(np.sqrt(n * d)) if name in self.soft else float(n)
            for name, n, d in zip(self.names, noise, apart, strict=True)
        ]
        return float(np.mean(total)) if self.names else 0.0

    @property
    def classifies(self) -> bool:
        """Whether the one output looks like the scores of classes: [1, 2..1024], and not as wide as the input."""
        if len(self.names) != 1 or self.expected[0][0].ndim != 2:
            return False
        classes = self.expected[0][0].shape[-1]
        return bool(self.soft) or (2 <= classes <= 1024 and classes != next(iter(self.samples.values()))[0].size)

    def disagreement(self, answers: list[list[Array]]) -> float | None:
        """Percentage of samples whose largest output is another one; None unless the model is a classifier."""
        if not self.classifies:
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
