"""What can be compiled for, and which operators, as documents."""

from __future__ import annotations

from typing import Any


def targets() -> dict[str, Any]:
    """Everything that can be compiled for."""
    from edgec.target import list_targets, load_target

    rows = [
        {
            "name": target.name,
            "kind": target.kind,
            "cpu": target.cpu,
            "board": target.board,
            "ram": target.ram_bytes or None,
            "flash": target.flash_bytes or None,
            "emulated": target.qemu is not None,
            "about": target.description,
        }
        for target in map(load_target, list_targets())
    ]
    return {"targets": sorted(rows, key=lambda row: (row["kind"] != "board", row["kind"] != "cpu", row["name"]))}


def ops() -> dict[str, Any]:
    """The ONNX operators edgec compiles, with the step each becomes."""
    from edgec.ops.registry import by_onnx

    rows = [{"onnx": onnx, "step": op.name} for onnx, op in sorted(by_onnx().items())]
    return {"operators": rows}
