"""What the sweeps run: kinds of nodes, each once for each kernel of a family that can compute it."""

from __future__ import annotations

from collections.abc import Iterator

from edgec.kernels.base import Kernel
from tests.ops.forced import Given, by_code, forced, used_kernels
from tests.ops.sweep_layers import LAYERS, variations
from tests.ops.sweep_nodes import NODES

KINDS = [*LAYERS, *NODES]


def nodes(kind: str, each: int) -> Iterator[tuple[Given, Given | None]]:
    """Every `each`th node of a kind, and by turns the same at an edge of the arithmetic."""
    return variations(kind, each) if kind in LAYERS else ((node, None) for node in NODES[kind](each))


def is_of(kernel: Kernel, family: str) -> bool:
    """family: a target's feature; none: kernels that need no feature."""
    return family in kernel.needs if family else not kernel.needs


def every(kind: str, features: frozenset[str], family: str, each: int = 1, real: bool = True) -> list[Given]:
    """The nodes of a kind (every `each`th), each once for each kernel of the family that can compute it: at the edge of the arithmetic
    if the kernel can do that, else as it is.  real: also those that compute in float32."""
    found = []
    for n, (plain, edge) in enumerate(nodes(kind, each)):
        if not real and any(b.dtype == "float32" for b in plain.program.buffers):
            continue
        made = list(forced(edge, features, lambda k: is_of(k, family), n)) if edge else []
        done = used_kernels(made)
        found += made
        found += forced(plain, features, lambda k, done=done: is_of(k, family) and k.name not in done, n)  # type: ignore[misc]
    return by_code(found)


def sample(features: frozenset[str], family: str, real: bool = True) -> list[Given]:
    """A few nodes of every kind."""
    few = {kind: 347 if kind in LAYERS else 29 for kind in KINDS} | {"products": 347, "corners": 11, "large": 3}
    return by_code(node for kind in KINDS for node in every(kind, features, family, few[kind], real))
