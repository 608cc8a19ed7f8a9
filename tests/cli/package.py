"""A small edgec.json as `compile` would write it, for tests that need a package folder but no compiler."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def port(name: str, function: str, dtype: str = "int8", shape: tuple[int, ...] = (1, 4)) -> dict[str, Any]:
    elements = 1
    for n in shape:
        elements *= n
    quantized = dtype in ("int8", "uint8")
    return {
        "name": name,
        "function": function,
        "dtype": dtype,
        "shape": list(shape),
        "elements": elements,
        "bytes": elements * (1 if quantized else 4),
        "scale": 0.5 if quantized else None,
        "zero_point": 3 if quantized else None,
    }


def manifest(**changes: Any) -> dict[str, Any]:
    step = {"macs": 64, "kernel": "dense_s8", "rows": 1, "row_bytes": 4, "node": "fc"}
    return {
        "edgec": "0.1.0",
        "contract": "edgec.int8.v1",
        "name": "tiny",
        "model": {"file": "tiny.onnx", "sha256": "00"},
        "target": {"name": "mps2-an386", "cpu": "cortex-m4", "board": "mps2-an386"},
        "options": {},
        "licence": "MIT-0",
        "sources": ["tiny.c", "tiny_weights.c"],
        "header": "tiny.h",
        "inputs": [port("x", "tiny_input")],
        "outputs": [port("y", "tiny_output")],
        "arena_bytes": 24,
        "arena_lower_bound": 20,
        "scratch_bytes": 0, "weight_bytes": 64,
        "macs": 128,
        "steps": [
            {"index": 0, "name": "dense_0", "op": "dense", "symbol": "tiny_step_000_dense", "output": "h", **step},
            {"index": 1, "name": "dense_1", "op": "dense", "symbol": "tiny_step_001_dense", "output": "y", **step},
        ],
        "memory_plan": [
            {"buffer": "x", "offset": 0, "bytes": 4, "first": -1, "last": 0},
            {"buffer": "h", "offset": 4, "bytes": 16, "first": 0, "last": 1},
            {"buffer": "y", "offset": 20, "bytes": 4, "first": 1, "last": 2},
        ],
        **changes,
    }


def write(folder: Path, **changes: Any) -> Path:
    """A package folder: edgec.json and empty sources."""
    folder.mkdir(parents=True, exist_ok=True)
    content = manifest(**changes)
    (folder / "edgec.json").write_text(json.dumps(content), encoding="utf-8")
    for source in content["sources"]:
        (folder / source).touch()
    return folder


MEASURED: dict[str, Any] = {
    "model": "tiny",
    "target": "mps2-an386",
    "board": "mps2-an386",
    "macs": 128,
    "instructions": 1000,
    "cycles_estimate": 1200,
    "output_crc32": "0badcafe",
    "ram": {"arena": 24, "scratch": 0, "io": 0, "data_bss": 8, "stack": 96, "total": 128, "regions": {"sram": 128}},
    "flash": {"code": 2000, "weights": 200, "total": 2200, "regions": {"flash": 2200}},
    "layers": [
        {"name": "dense_0", "op": "dense", "macs": 64, "instructions": 600, "cycles_estimate": 700},
        {"name": "overhead", "op": "", "macs": 0, "instructions": 400, "cycles_estimate": 500},
    ],
}
