"""Every kernel in every size on the host, under sanitizers: the interpreter's bytes, and no byte beside the buffers touched.

Not optimised: that compiles eight times as fast, and hides no access that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from edgec.ir.interp import Interpreter
from edgec.ir.program import Array
from tests.ops.forced import Given, apart, batches, gaps, joined
from tests.ops.harness import references, run_host
from tests.ops.sweep_kinds import KINDS, every, sample

FAMILIES = {
    "dsp": frozenset({"dsp"}),
    "mve": frozenset({"dsp", "mve"}),
    "thumb2": frozenset({"thumb2"}),
    "armv6m": frozenset({"armv6m"}),
    "simd": frozenset({"simd", "simd128"}),
    "": frozenset(),
}
"""Feature whose kernels are tested (none: the portable ones) -> features of the vocabulary they are compiled with."""


def equal(got: Array, want: Array) -> bool:
    return bool(np.allclose(got, want, rtol=1e-4, atol=1e-4)) if want.dtype == np.float32 else np.array_equal(got, want)


def check(features: frozenset[str], nodes: Iterable[Given]) -> None:
    wrong = []
    for batch in batches(nodes):
        whole = joined(batch)
        program = apart(whole.program)
        interpreter = Interpreter(program, references())  # type: ignore[arg-type]
        makers = {s.output: s.kernel for s in program.steps}
        made = run_host(program, whole.samples, features, gaps=gaps(program), level=["-O0"])
        for got, values in zip(made, whole.samples, strict=True):
            want = interpreter.run(values)
            wrong += [
                f"{p.name} ({makers.get(p.buffer)})" for p in program.outputs if not equal(got[p.name], want[p.name])
            ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("family", FAMILIES)
def test_some_nodes_of_every_kind(family: str) -> None:
    check(FAMILIES[family], sample(FAMILIES[family], family))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_sweep(family: str, kind: str) -> None:
    check(FAMILIES[family], every(kind, FAMILIES[family], family))
