"""Package folders from Programs that no ONNX model stands behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from edgec.emit.c import emit
from edgec.emit.manifest import manifest, reference_files
from edgec.ir.program import Program
from edgec.schedule.segment import with_scratch
from edgec.schedule.select import select
from edgec.target import load_target


def with_kernels(program: Program, features: frozenset[str] = frozenset()) -> Program:
    """A hand-placed program with kernels chosen and their scratch in an array of its own."""
    program = with_scratch(select(program, features, alone=False, several=False))
    segments = tuple(replace(s, scratch_offset=-1) for s in program.segments)
    return program.with_(segments=segments, scratch=max(s.scratch for s in segments))


def write_package(folder: Path, program: Program, target: str) -> Path:
    """What `compile` would have written, for a placed program with kernels (the ONNX model is missing)."""
    at = load_target(target)
    program = replace(program, target=at.name)
    source = emit(program, at.isa, "test")
    head = {
        "edgec": "test",
        "model": {"file": f"{program.name}.onnx", "sha256": "0" * 64},
        "target": {"name": at.name, "cpu": at.cpu, "board": at.board},
        "options": {},
    }
    files = {name: text.encode() for name, text in source.files.items()}
    files |= {f"reference/{name}": data for name, data in reference_files(program).items()}
    files["edgec.json"] = json.dumps(manifest(program, source, head)).encode()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
