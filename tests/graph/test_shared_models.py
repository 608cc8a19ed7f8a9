"""The front on every model of ../shared: static, valid, quick, and the same answers in onnxruntime on real inputs where there are any."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from edgec.graph import stages
from edgec.graph.load import front
from edgec.graph.view import Array, dtype, shape

MODELS = (
    "ad_f32 ad_int8_qdq gru_fsdd ic_f32 ic_int8_qdq kws_f32 kws_int8_qdq kwt1_mfcc kwt1_raw mcunet_vww_int8 mlp_digits "
    "mobilenetv2_224_ptq vit_fashion_p4 vit_fashion_p7 vww_f32 vww_int8_qdq"
).split()
SECONDS = 2.0


def random_inputs(model: ir.Model, seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    made: dict[str, Array] = {}
    for value in model.graph.inputs:
        kind = dtype(value)
        if kind == "float32":
            made[str(value.name)] = rng.standard_normal(shape(value)).astype(np.float32)
        else:
            limits = np.iinfo(kind)
            made[str(value.name)] = rng.integers(limits.min, limits.max, shape(value), endpoint=True).astype(kind)
    return made


@pytest.mark.parametrize("name", MODELS)
def test_front_keeps_the_answers(shared: Path, name: str) -> None:
    path = shared / "models" / f"{name}.onnx"
    front(path)  # libraries are imported before the clock starts
    start = time.process_time()
    model = front(path)
    assert time.process_time() - start < SECONDS
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert all(shape(value) and dtype(value) for node in model.graph for value in node.outputs)
    for seed in range(2):
        assert max(stages.check(path, model, random_inputs(model, seed), 1e-5).values()) <= 1


@pytest.mark.parametrize("name", [m for m in MODELS if "int8" in m or "ptq" in m])
def test_weights_stay_integers(shared: Path, name: str) -> None:
    model = front(shared / "models" / f"{name}.onnx")
    for node in model.graph:
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            source = node.inputs[1].producer() if node.inputs[1] is not None else None
            assert source is not None and source.op_type == "DequantizeLinear", node.name
            stored = source.inputs[0]
            assert stored is not None and stored.const_value is not None and dtype(stored) in ("int8", "uint8")


def test_the_front_of_the_front_is_the_front(shared: Path, tmp_path: Path) -> None:
    model = front(shared / "models" / "mcunet_vww_int8.onnx")
    path = stages.dump(model, tmp_path, 1, "front")
    again = front(path)
    assert path.name == "01-front.onnx"
    assert [n.op_type for n in again.graph] == [n.op_type for n in model.graph]
