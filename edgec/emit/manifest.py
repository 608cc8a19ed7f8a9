"""edgec.json: what later verbs need to know of a package, and `reference/`, what they need to check it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from edgec.emit.c import Source
from edgec.emit.parts import arena_bytes, region_bytes
from edgec.ir.program import Port, Program, State, site
from edgec.ir.pull import pushed_input
from edgec.ir.text import constants, print_program
from edgec.memory.lifetime import uses
from edgec.ops.registry import by_name


def _port(program: Program, port: Port, function: str) -> dict[str, Any]:
    buffer = program.by_name[port.buffer]
    perm = buffer.origin.perm if buffer.origin is not None else ()
    return {
        "name": port.name,
        "perm": list(perm) if perm != tuple(range(len(perm))) else None,
        "function": function,
        "dtype": buffer.dtype,
        "shape": list(port.shape),
        "elements": buffer.elements,
        "bytes": buffer.rows * buffer.row_bytes,
        "scale": buffer.quant.scale if buffer.quant else None,
        "zero_point": buffer.quant.zero_point if buffer.quant else None,
    }


def _state(program: Program, state: State) -> dict[str, Any]:
    buffer = program.by_name[state.input.buffer]
    return {
        "input": state.input.name,
        "output": state.output.name,
        "dtype": buffer.dtype,
        "shape": list(state.input.shape),
        "bytes": buffer.bytes,
        "scale": buffer.quant.scale if buffer.quant else None,
        "zero_point": buffer.quant.zero_point if buffer.quant else None,
    }


def manifest(program: Program, source: Source, head: dict[str, Any]) -> dict[str, Any]:
    """The content of edgec.json.  head: versions, model, target and options, which the caller knows."""
    life = uses(program)
    steps = []
    for index, step in enumerate(program.steps):
        at = site(program, step)
        steps.append(
            {
                "index": index,
                "name": step.name,
                "op": step.op,
                "node": step.node,
                "macs": by_name()[step.op].macs(at),
                "symbol": source.symbols[step.name],
                "kernel": step.kernel,
                "rows": at.output.rows,
                "row_bytes": at.output.row_bytes,
                "output": step.output,
            }
        )
    plan = [
        {
            "buffer": p.buffer,
            "offset": p.offset,
            "bytes": program.by_name[p.buffer].bytes,
            "first": life[p.buffer][0],
            "last": life[p.buffer][1],
            "ring": 0 if program.by_name[p.buffer].is_full else program.by_name[p.buffer].stored_rows,
            "over": list(p.over),
        }
        for p in program.places
    ]
    plan += [
        {
            "buffer": f"scratch {i}",
            "offset": s.scratch_offset,
            "bytes": s.scratch,
            "first": i,
            "last": i,
            "ring": 0,
            "over": [],
        }
        for i, s in enumerate(program.segments)
        if s.scratch and s.scratch_offset >= 0
    ]
    for entry in plan if program.regions else ():
        entry["region"] = program.region_at(int(str(entry["offset"]))).name
    segments = [{"steps": list(s.steps), "reverse": s.reverse, "push": s.push} for s in program.segments]
    return {
        **head,
        "contract": program.contract,
        "name": program.name,
        "licence": "MIT-0",
        "sources": [name for name in source.files if name.endswith(".c")],
        "header": next(name for name in source.files if name.endswith(".h")),
        "inputs": [_port(program, p, f) for p, f in zip(program.inputs, source.input_functions, strict=True)],
        "outputs": [_port(program, p, f) for p, f in zip(program.outputs, source.output_functions, strict=True)],
        "states": [_state(program, state) for state in program.states],
        "state_bytes": program.state_bytes,
        "input_rows": program.by_name[pushed_input(program)].rows if pushed_input(program) else 0,
        "weight_bytes": source.weight_bytes,
        "weight_regions": [{"name": name, "bytes": size} for name, size in source.weight_regions.items()],
        "arena_bytes": arena_bytes(program),
        "regions": [
            {"name": region.name, "start": region.start, "bytes": region_bytes(program)[region.name]}
            for region in program.regions
        ],
        "scratch_bytes": program.scratch,
        "macs": sum(s["macs"] for s in steps),
        "steps": steps,
        "segments": segments,
        "memory_plan": plan,
    }


def reference_files(program: Program) -> dict[str, bytes]:
    """program.txt and weights.npz of the `reference` folder.  The npz is written with fixed dates: same program, same bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **constants(program))  # numpy stamps its entries 1980-01-01
    return {"program.txt": print_program(program).encode(), "weights.npz": stream.getvalue()}
