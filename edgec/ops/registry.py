"""Finds every operator page: each module of this package that has an OPS tuple."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import edgec.ops
from edgec.ops.base import Op


@cache
def all_ops() -> tuple[Op, ...]:
    """Every operator, by module name."""
    found: list[Op] = []
    for info in sorted(pkgutil.iter_modules(edgec.ops.__path__), key=lambda i: i.name):
        found.extend(getattr(importlib.import_module(f"edgec.ops.{info.name}"), "OPS", ()))
    return tuple(found)


@cache
def by_name() -> dict[str, Op]:
    """Program operator name -> page."""
    return {op.name: op for op in all_ops()}


@cache
def by_onnx() -> dict[str, Op]:
    """ONNX op type -> page that lowers it."""
    return {onnx: op for op in all_ops() for onnx in op.onnx}
