"""The sweeps reach every kernel there is: a new one that no sweep exercises is found here."""

from __future__ import annotations

from edgec.ir.program import site
from edgec.kernels.registry import all_kernels
from tests.ops.sweep_kinds import KINDS, nodes
from tests.ops.sweep_layers import LAYERS


def test_every_kernel_computes_some_node_of_the_sweeps() -> None:
    """Looks at few of the nodes; every sixth channel count has all types and forms."""
    few = {kind: 43 if kind in LAYERS else 18 for kind in KINDS}
    programs = [
        given.program for kind in KINDS for pair in nodes(kind, few[kind]) for given in pair if given is not None
    ]
    sites = [site(program, step) for program in programs for step in program.steps]
    found = {k.name for k in all_kernels() if any(k.op == at.step.op and k.when(at) for at in sites)}
    assert {k.name for k in all_kernels()} - found == set()
