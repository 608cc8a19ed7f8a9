"""Finds every kernel: each module of this package that has a KERNELS list, best first within its family."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import edgec.kernels
from edgec.errors import UnsupportedError
from edgec.ir.program import Site
from edgec.kernels.base import Kernel


@cache
def all_kernels() -> tuple[Kernel, ...]:
    """Every kernel of every family, in the order of preference."""
    found: list[Kernel] = []
    for info in sorted(pkgutil.iter_modules(edgec.kernels.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"edgec.kernels.{info.name}")
        found.extend(getattr(module, "KERNELS", ()))
    return tuple(sorted(found, key=lambda k: -k.priority))  # stable: module by module within a priority


@cache
def kernel(name: str) -> Kernel:
    """The kernel of that name.  KeyError if there is none."""
    return {k.name: k for k in all_kernels()}[name]


def candidates(site: Site, features: frozenset[str], large: bool = False) -> list[Kernel]:
    """Kernels that can compute this step on a target with these features, best first.  UnsupportedError if there is none.

    large: also those that spend flash for speed.
    """
    family = [k for k in all_kernels() if k.op == site.step.op and k.needs <= features and (large or not k.large)]
    found = [k for k in family if k.when(site)]
    if not found:
        what = f"{site.step.op} {site.output.dtype}"
        raise UnsupportedError(
            f"no kernel computes {what} for node {site.step.node or site.step.name!r}",
            "quantize the model to int8 QDQ, or keep this operator out of the compiled part",
            ((site.step.node or site.step.name, site.step.op, f"no kernel for {what}"),),
        )
    return found
