"""The Program as text: printable, parseable, diffable.  Constants travel beside it in an npz (key `step/name`).

program block  target cortex-m4  contract edgec.int8.v1  arena 3072  scratch 0
buffer x   int8 1x16x16x8  rows 16  q 0.0235 -128
buffer t0  int8 1x16x16x16  rows 16  ring 3  q 0.0471 -128
input "image" x 1x16x16x8
output "out" y 1x16x16x8
state "h" in1 1x1x6 "next" t5 1x1x6
step expand  dense  x -> t0  reach run 16  attrs {"zx": -128}  consts bias,weight  kernel dense_s8_c
region dtcm 0 2048
segment expand dw project add  scratch 128 at -1
place y 0 over x

(region lines: only where the arena lies in several memories of the target.)
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator, Mapping
from typing import Any

from edgec.errors import ModelError
from edgec.ir.program import Array, Buffer, Origin, Place, Port, Program, Quant, Region, Segment, State, Step
from edgec.ir.reach import All, Reach, Run, Table, Window


def constants(program: Program) -> dict[str, Array]:
    """All constants of a program, key `step/name`."""
    return {f"{step.name}/{name}": array for step in program.steps for name, array in step.consts.items()}


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _reach(reach: Reach) -> str:
    match reach:
        case Run(height):
            return f"run {height}"
        case Window(height, out, kernel, stride, dilation, pad):
            return f"window {height} -> {out} rows {kernel} stride {stride} dilation {dilation} pad {pad}"
        case All(height):
            return f"all {height}"
        case Table(first, last):
            return f"table {','.join(map(str, first))} {','.join(map(str, last))}"


def print_program(program: Program) -> str:
    """Text form of a program, without its constants."""
    out = [
        f"program {program.name}  target {program.target or '-'}  contract {program.contract}"
        f"  arena {program.arena}  scratch {program.scratch}"
    ]
    for b in program.buffers:
        line = f"buffer {b.name}  {b.dtype} {_shape(b.shape)}  rows {b.rows}"
        if b.stored:
            line += f"  ring {b.stored}"
        if b.shift:
            line += f"  shift {b.shift}"
        if b.tile:
            line += "  tile"
        if b.view_of:
            line += f"  view {b.view_of}"
        if b.quant:
            line += f"  q {b.quant.scale!r} {b.quant.zero_point}"
        if b.origin:
            line += f"  origin {json.dumps([b.origin.value, list(b.origin.perm), list(b.origin.keep)])}"
        out.append(line)
    for word, ports in (("input", program.inputs), ("output", program.outputs)):
        out += [f"{word} {json.dumps(p.name)} {p.buffer} {_shape(p.shape)}" for p in ports]
    for state in program.states:
        out.append(
            "state "
            + " ".join(f"{json.dumps(p.name)} {p.buffer} {_shape(p.shape)}" for p in (state.input, state.output))
        )
    for s in program.steps:
        line = f"step {s.name}  {s.op}  {', '.join(s.inputs)} -> {s.output}"
        for reach in s.reach:
            line += f"  reach {_reach(reach)}"
        line += f"  attrs {json.dumps(dict(s.attrs))}"
        if s.consts:
            line += f"  consts {','.join(s.consts)}"
        if s.kernel:
            line += f"  kernel {s.kernel}"
        if s.group != 1:
            line += f"  group {s.group}"
        if s.shift:
            line += f"  shift {s.shift}"
        if s.scratch:
            line += f"  scratch {s.scratch}"
        if s.inplace:
            line += f"  inplace {','.join(map(str, s.inplace))}"
        if s.node:
            line += f"  node {json.dumps(s.node)}"
        out.append(line)
    out += [f"region {r.name} {r.start} {r.bytes}" for r in program.regions]
    for g in program.segments:
        out.append(
            f"segment {' '.join(g.steps)}  scratch {g.scratch} at {g.scratch_offset}"
            + ("  reverse" if g.reverse else "")
            + ("  push" if g.push else "")
        )
    for p in program.places:
        out.append(f"place {p.buffer} {p.offset}" + (f" over {','.join(p.over)}" if p.over else ""))
    return "\n".join(out) + "\n"


class _Words:
    """A line as words and JSON values, read from left to right."""

    def __init__(self, line: str) -> None:
        self.rest = line.strip()

    def __bool__(self) -> bool:
        return bool(self.rest)

    def word(self) -> str:
        head, _, tail = self.rest.partition(" ")
        self.rest = tail.lstrip()
        return head

    def int(self) -> int:
        return int(self.word())

    def ints(self) -> tuple[builtins.int, ...]:
        return tuple(int(v) for v in self.word().split(",") if v)

    def shape(self) -> tuple[builtins.int, ...]:
        word = self.word()
        return () if word == "scalar" else tuple(int(v) for v in word.split("x"))

    def json(self) -> Any:
        value, end = json.JSONDecoder().raw_decode(self.rest)
        self.rest = self.rest[end:].lstrip()
        return value

    def until(self, stop: str) -> Iterator[str]:
        while (word := self.word()) != stop:
            if not word:
                raise ValueError(f"{stop!r} is missing")
            yield word.rstrip(",")


def _parse_reach(words: _Words) -> Reach:
    match words.word():
        case "run":
            return Run(words.int())
        case "all":
            return All(words.int())
        case "table":
            return Table(words.ints(), words.ints())
        case "window":
            height = words.int()
            words.word()
            numbers = [words.int()]
            for _ in range(4):
                words.word()
                numbers.append(words.int())
            return Window(height, *numbers)
        case other:
            raise ValueError(f"unknown reach {other!r}")


def _parse_buffer(words: _Words) -> Buffer:
    name, dtype, shape = words.word(), words.word(), words.shape()
    kw: dict[str, Any] = {}
    while words:
        match words.word():
            case "rows":
                kw["rows"] = words.int()
            case "ring":
                kw["stored"] = words.int()
            case "shift":
                kw["shift"] = words.int()
            case "tile":
                kw["tile"] = True
            case "view":
                kw["view_of"] = words.word()
            case "q":
                kw["quant"] = Quant(float(words.word()), words.int(), 16 if dtype == "int16" else 8)
            case "origin":
                value, perm, keep = words.json()
                kw["origin"] = Origin(value, tuple(perm), tuple(keep))
            case other:
                raise ValueError(f"unknown word {other!r}")
    return Buffer(name, dtype, shape, **kw)


def _parse_step(words: _Words, consts: Mapping[str, Array]) -> Step:
    name, op = words.word(), words.word()
    inputs = tuple(words.until("->"))
    output = words.word()
    kw: dict[str, Any] = {"reach": ()}
    while words:
        match words.word():
            case "reach":
                kw["reach"] += (_parse_reach(words),)
            case "attrs":
                kw["attrs"] = {k: tuple(v) if isinstance(v, list) else v for k, v in words.json().items()}
            case "consts":
                kw["consts"] = {c: consts[f"{name}/{c}"] for c in words.word().split(",")}
            case "kernel":
                kw["kernel"] = words.word()
            case "group":
                kw["group"] = words.int()
            case "shift":
                kw["shift"] = words.int()
            case "scratch":
                kw["scratch"] = words.int()
            case "inplace":
                kw["inplace"] = words.ints()
            case "node":
                kw["node"] = words.json()
            case other:
                raise ValueError(f"unknown word {other!r}")
    return Step(name, op, inputs, output, **kw)


def parse_program(text: str, consts: Mapping[str, Array]) -> Program:
    """The program of a text and its constants.  ModelError names the line that cannot be read."""
    head: dict[str, Any] = {}
    parts: dict[str, list[Any]] = {
        k: [] for k in ("buffers", "steps", "inputs", "outputs", "states", "regions", "segments", "places")
    }
    for number, line in enumerate(text.splitlines(), 1):
        words = _Words(line)
        if not words or line.lstrip().startswith("#"):
            continue
        try:
            match words.word():
                case "program":
                    head["name"] = words.word()
                    while words:
                        key, value = words.word(), words.word()
                        if key not in ("target", "contract", "arena", "scratch"):
                            raise ValueError(f"unknown word {key!r}")
                        head[key] = int(value) if key in ("arena", "scratch") else ("" if value == "-" else value)
                case "buffer":
                    parts["buffers"].append(_parse_buffer(words))
                case "input":
                    parts["inputs"].append(Port(words.json(), words.word(), words.shape()))
                case "output":
                    parts["outputs"].append(Port(words.json(), words.word(), words.shape()))
                case "state":
                    ends = [Port(words.json(), words.word(), words.shape()) for _ in range(2)]
                    parts["states"].append(State(ends[0], ends[1]))
                case "step":
                    parts["steps"].append(_parse_step(words, consts))
                case "region":
                    parts["regions"].append(Region(words.word(), words.int(), words.int()))
                case "segment":
                    steps = tuple(words.until("scratch"))
                    size = words.int()
                    words.word()
                    offset, rest = words.int(), words.rest.split()
                    parts["segments"].append(Segment(steps, size, offset, "reverse" in rest, "push" in rest))
                case "place":
                    name, offset = words.word(), words.int()
                    over = tuple(words.rest.removeprefix("over ").split(",")) if words else ()
                    parts["places"].append(Place(name, offset, over))
                case other:
                    raise ValueError(f"unknown word {other!r}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"line {number} of the program text cannot be read: {error}", "print the program again"
            ) from error
    if "name" not in head:
        raise ModelError("the program text has no line `program NAME`", "print the program again")
    fields: dict[str, Any] = {**head, **{k: tuple(v) for k, v in parts.items()}}
    return Program(**fields)
