"""edgec: trained ONNX models to small, dependency-free C, built, checked and measured on the target.

The verbs of the command line, as functions (edgec/api.py); nothing heavy is imported until one is used:

    artifact = edgec.compile("model.onnx", target="mps2-an386", out="build/model")
    artifact.build()
    artifact.bench(emulate=True)["instructions"]
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgec import errors

if TYPE_CHECKING:
    from edgec.api import analyze, bench, build, compile, flash, load, package, quantize
    from edgec.api import verify as verify

__version__ = "0.1.0"
__all__ = [
    "__version__", "analyze", "bench", "build", "compile", "errors", "flash", "load", "package", "quantize", "verify",
]  # fmt: skip

_VERBS = frozenset(("analyze", "bench", "build", "compile", "flash", "load", "package", "quantize", "verify"))


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        from edgec import api

        return getattr(api, name)
    raise AttributeError(f"module 'edgec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps `edgec.verify` the function: importing the subpackage edgec/verify/ would bind its name over it."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _VERBS and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
