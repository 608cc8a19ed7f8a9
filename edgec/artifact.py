"""What `edgec.compile` returns: the compiled package, with the verbs that go on from it as methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec import api
from edgec.compiler import CompileResult

if TYPE_CHECKING:
    from edgec.api import Array, Samples


@dataclass(frozen=True)
class Artifact(CompileResult):
    """A package folder (`dir`), its manifest (edgec.json as a dict), its Program and the figures of the compilation.

    The methods are the functions of edgec.api on this folder, with their options, results and errors.  Building is cheap where little
    changed: objects are kept by what the compiler read, so a search loop pays for the new model alone.
    """

    def build(self, samples: Samples | None = None, trace: bool = False) -> dict[str, Any]:
        """Firmware, a library or an npm package; see edgec.build."""
        return api.build(self.dir, samples, trace=trace)

    def flash(self, **options: Any) -> dict[str, Any]:
        """The firmware onto a board; see edgec.flash."""
        return api.flash(self.dir, **options)

    def verify(self, inputs: Samples | None = None, on: str = "host", layers: bool = False) -> dict[str, Any]:
        """Compiled code against the reference and onnxruntime; see edgec.verify."""
        return api.verify(self.dir, inputs, on, layers)

    def bench(self, **options: Any) -> dict[str, Any]:
        """Exact instructions and memory (emulate=True) or times of a board (port=...); see edgec.bench."""
        return api.bench(self.dir, **options)

    def report(self, inputs: Samples | None = None) -> dict[str, Any]:
        """Everything known of the package as one document; see edgec.report.explain."""
        return api.report(self.dir, inputs=inputs)

    def load(self) -> Callable[..., list[Array]]:
        """A host build as a callable on numpy arrays; see edgec.load."""
        return api.load(self.dir)
