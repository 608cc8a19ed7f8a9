"""Static quantization by onnxruntime's own tool: what others' models look like, and the accuracy to beat."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

Array = np.ndarray[Any, Any]


class Samples(CalibrationDataReader):  # type: ignore[misc]
    """Arrays of a model's own input shape, one inference each."""

    def __init__(self, name: str, arrays: Sequence[Array]) -> None:
        self.name, self.left = name, iter(arrays)

    def get_next(self) -> dict[str, Array] | None:
        array = next(self.left, None)
        return None if array is None else {self.name: array}


def quantized_by_onnxruntime(
    model: onnx.ModelProto,
    samples: Sequence[Array],
    form: str = "QDQ",
    activations: str = "QInt8",
    per_channel: bool = True,
    operators: Sequence[str] | None = None,
) -> onnx.ModelProto:
    """int8 weights, ranges by minimum and maximum.

    samples: arrays of the input's own shape; form: QDQ or QOperator; activations: QInt8 or QUInt8; operators: those to quantize
    (None: all that the tool knows).
    """
    reader = Samples(model.graph.input[0].name, samples)
    logging.getLogger().setLevel(logging.ERROR)  # the tool recommends a preparation the models do not need
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "float.onnx", Path(folder) / "quantized.onnx"
        onnx.save(model, source)
        quantize_static(
            source, made, reader, quant_format=QuantFormat[form], op_types_to_quantize=operators, per_channel=per_channel,
            activation_type=QuantType[activations], weight_type=QuantType.QInt8,
        )  # fmt: skip
        return onnx.load(made)
