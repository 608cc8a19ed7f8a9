"""What keeps a layer from the best known instructions per multiply-accumulate of its kind: its sizes beside its kernel's blocks.

The limits stand in the files under targets/ (`[limits]`, with their sources), the blocks on the kernels' pages (`Kernel.block`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgec.ir.program import Site, site
from edgec.kernels._counting import calls, up
from edgec.kernels.base import Kernel
from edgec.kernels.registry import candidates, kernel
from edgec.target import Target
from edgec.verify.reference import read_program

__all__ = ["kind", "reasons", "with_limits"]

FAR = 1.5
"""A layer above so many times its limit gets a hint."""
WASTE = 0.05
"""Work beyond the layer's own, in parts of that, from which a block that is not full is named."""
FEW = 32
"""Inputs of an output below which its requantization, 5 to 35 instructions by CPU, weighs as much as its products."""


def with_limits(document: Mapping[str, Any], folder: Path, target: Target) -> dict[str, Any]:
    """The document of `bench --emulate` with `limit` (instructions per MAC, None where none is known) and `hint` (None for layers
    near their limit) in every layer."""
    if not (folder / "reference").is_dir():  # left out of a copy: counted all the same
        return {**document, "layers": [{**layer, "limit": None, "hint": None} for layer in document["layers"]]}
    program = read_program(folder)
    sites = (site(program, step) for step in program.steps)
    layers = [{**layer, **_verdict(layer, at, target)} for layer, at in zip(document["layers"], sites, strict=True)]
    return {**document, "layers": layers}


def _verdict(layer: Mapping[str, Any], at: Site, target: Target) -> dict[str, Any]:
    limit = dict(target.limits).get(kind(at)) if layer["macs"] else None
    if limit is None or layer["instructions"] <= FAR * limit * layer["macs"]:
        return {"limit": limit, "hint": None}
    return {"limit": limit, "hint": "; ".join(reasons(kernel(at.step.kernel), at, target.isa)) or None}


def kind(at: Site) -> str:
    """Which of target.LIMITS holds for a step; "" for those without: other operators, other types than int8."""
    if at.output.dtype != "int8" or at.input.dtype != "int8":
        return ""
    if at.step.op == "dense":
        blocks = kernel(at.step.kernel).block(at)
        one_by_one = bool(blocks) and "pixels" not in blocks
        return "vector" if one_by_one or at.output.elements == len(at.const("weight")) else "matrix"
    if at.step.op == "conv2d":
        rows = kernel(at.step.kernel).block(at).get("rows")
        return f"winograd{rows}" if rows else "convolution"
    if at.step.op == "depthwise":
        return "depthwise" if at.ints("stride") == (1, 1) else "depthwise_strided"
    return ""


def sizes(at: Site) -> dict[str, tuple[int, str]]:
    """What a layer has of everything that kernels take in blocks (see Kernel.block), in number and in words."""
    weight = at.const("weight")
    if at.step.op == "dense":
        outputs, depth = (int(n) for n in weight.shape)
        found = {"outputs": (outputs, "output channels"), "inputs": (depth, "input channels")}
        if kind(at) == "vector":  # its limit is that of one pixel
            return found
        return found | {"pixels": (calls(at)[0] * at.output.row_elements // outputs, "pixels a call")}
    found = {"pixels": (at.ints("out")[1], "pixels a row"), "rows": (at.ints("out")[0], "rows")}
    if at.step.op == "depthwise":
        return found | {"channels": (int(weight.shape[2]), "channels")}
    outputs, kernel_h, kernel_w, part = (int(n) for n in weight.shape)
    groups = at.int("groups")
    of = " of a group" if groups > 1 else ""
    split = groups > 1 or at.ints("dilation")[1] > 1
    return found | {
        "outputs": (outputs // groups, f"output channels{of}"),
        "inputs": (part, f"input channels{of}"),
        "window": (kernel_h * kernel_w * part, "inputs a window"),
        "run": (part if split else kernel_w * part, "inputs side by side"),
    }


def reasons(chosen: Kernel, at: Site, features: frozenset[str]) -> list[str]:
    """Why a layer is above its limit, in the model's terms, what costs most first; none if its sizes suit the kernel."""
    if "tvm" in chosen.needs:
        return ["compiled by TVM from TIR; edgec's own kernel with --backend c"]
    blocks = chosen.block(at)
    if not blocks:
        best = candidates(at, features)[0]
        if best is chosen:
            return [f"no kernel faster than {chosen.name} takes its numbers"]
        return [f"computed by {chosen.name}, smaller than {best.name}: see compile --verbose, --optimize speed"]
    has = sizes(at)
    taken = [(*has[name], block) for name, block in blocks.items() if name in has]
    wasted = {_over(*sized): up(sized[0], sized[2]) * sized[2] / sized[0] - 1 for sized in taken}
    told = sorted((text for text, waste in wasted.items() if waste > WASTE), key=lambda text: -wasted[text])
    inputs = int(at.const("weight")[0].size)
    if at.step.op != "depthwise" and inputs < FEW:
        told.append(f"{inputs} inputs an output: few for what is done once an output")
    return told


def _over(count: int, what: str, block: int) -> str:
    """`36 output channels: 4 over a block of 8`"""
    if count < block:
        return f"{count} {what}: a block is {block}"
    return f"{count} {what}: odd" if block == 2 else f"{count} {what}: {count % block} over a block of {block}"
