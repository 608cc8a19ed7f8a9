"""Looking at a stage: write it as a file any ONNX tool opens, and compare two stages in onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.errors import ToolMissingError, VerifyError
from edgec.graph.view import Array


def dump(model: ir.Model, folder: Path, index: int, stage: str) -> Path:
    """Writes `folder/NN-stage.onnx`, a valid model that runs in onnxruntime, and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{index:02d}-{stage}.onnx"
    path.write_bytes(ir.to_proto(model).SerializeToString(deterministic=True))
    return path


def run(model: ir.Model | Path, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs of a model in onnxruntime on the CPU, graph optimisation off, so that every stage means what it says."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ToolMissingError("onnxruntime is not installed", "pip install 'edgec[ort]'") from error
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    source = str(model) if isinstance(model, Path) else ir.to_proto(model).SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def check(before: ir.Model | Path, after: ir.Model | Path, inputs: Mapping[str, Array], tolerance: float = 1e-5) -> dict[str, float]:
    """Largest difference per output between two stages on the same inputs.

    Floats: relative to the output's largest magnitude (at least 1), at most `tolerance`; integers: in steps, at most 1.
    Raises VerifyError naming the first output that differs more.
    """
    old, new = run(before, inputs), run(after, inputs)
    found: dict[str, float] = {}
    for name, expected in old.items():
        if name not in new:
            raise VerifyError(f"the output {name!r} got lost", "dump the stages and compare them in Netron")
        found[name] = difference(expected, new[name])
        limit = tolerance if np.issubdtype(expected.dtype, np.floating) else 1.0
        if not found[name] <= limit:
            raise VerifyError(
                f"the output {name!r} differs by {found[name]:g} (allowed {limit:g})", "dump the stages and find the first that differs"
            )
    return found


def difference(expected: Array, actual: Array) -> float:
    """Largest absolute difference, for floats relative to the largest expected magnitude; infinite if the shapes differ."""
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return float("inf")
    wide: Any = expected.astype(np.float64)
    gap = float(np.max(np.abs(wide - actual.astype(np.float64)), initial=0.0))
    if not np.issubdtype(expected.dtype, np.floating):
        return gap
    return gap / max(1.0, float(np.max(np.abs(wide), initial=0.0)))
