"""Small models as text, written to a file that the front must refuse."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgec.errors import EdgecError, ModelError
from edgec.graph.load import front

HEADER = '<ir_version: 8, opset_import: ["" : 17, "strange" : 1]>'
GOOD = "g (float[1, 3] x) => (float[1, 3] y) <float[3] w = {1, 2, 3}> { t = Mul (x, w) y = Relu (t) }"


def parsed(text: str = GOOD) -> onnx.ModelProto:
    return onnx.parser.parse_model(HEADER + text)


def saved(folder: Path, model: onnx.ModelProto | str) -> Path:
    path = folder / "model.onnx"
    path.write_bytes((parsed(model) if isinstance(model, str) else model).SerializeToString())
    return path


def refused(path: Path, *words: str, kind: type[EdgecError] = ModelError, batch: int = 1) -> EdgecError:
    """front() must raise `kind`, name every word, and give a hint."""
    with pytest.raises(kind) as caught:
        front(path, batch)
    assert caught.value.exit_code == 2
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message, caught.value.message
    return caught.value
