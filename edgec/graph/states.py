"""States: pairs of a model input and a model output that the library keeps to itself from run to run (`--state IN=OUT`)."""

from __future__ import annotations

import onnx_ir as ir

from edgec.errors import UsageError

States = tuple[tuple[str, str], ...]  # (input, output) names


def check_states(model: ir.Model, states: States) -> None:
    """Raises UsageError for a pair that does not name an input and an output of the same shape and type, or that names one twice."""
    ends = (("input", {v.name: v for v in model.graph.inputs}), ("output", {v.name: v for v in model.graph.outputs}))
    for side, (word, known) in enumerate(ends):
        names = [pair[side] for pair in states]
        for name in names:
            if name not in known:
                raise UsageError(
                    f"--state names {name!r}, which is no {word} of the model",
                    f"its {word}s are {', '.join(repr(n) for n in known)}; write INPUT=OUTPUT",
                )
            if names.count(name) > 1:
                raise UsageError(f"--state names the {word} {name!r} twice", "one pair for each state")
    for begin, end in states:
        a, b = ends[0][1][begin], ends[1][1][end]
        if a.shape != b.shape or a.dtype != b.dtype:
            raise UsageError(
                f"state {begin!r} is {a.dtype} {a.shape}, {end!r} is {b.dtype} {b.shape}",
                "the output of one run must fit the input of the next",
            )
    if states and len(states) == len(model.graph.outputs):
        raise UsageError(
            "every output of the model is a state: nothing would come out", "leave one output to the caller"
        )
