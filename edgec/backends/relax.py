"""Program -> a Relax module as TVMScript: one TIR function for every step that has a spelling, edgec's own C kernel for the others.

Tensors are whole and int8 stays int8.  Buffers have the shape they have in the Program (channels last); where a function sees the same
bytes in another shape, and for views, there is a reshape, which copies nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np

from edgec.backends.tir import function, module
from edgec.emit.c import emit
from edgec.emit.ffi import ffi_source
from edgec.emit.manifest import manifest
from edgec.emit.names import unique_names
from edgec.emit.parts import environment
from edgec.ir.program import Array, Port, Program, Step, site
from edgec.kernels.tir import spelled
from edgec.schedule.plan import plan

__all__ = ["RelaxModule", "relax_module"]

Shape = tuple[int, ...]


@dataclass
class RelaxModule:
    """text: the module; constants: values of the parameters behind the inputs; sources: C files of the steps without a TIR spelling,
    each a library of its own behind TVM's calling convention; kernels: those steps by name."""

    text: str
    constants: dict[str, Array] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    kernels: list[str] = field(default_factory=list)


@dataclass
class _Writer:
    """The lines of `main`.  at: where each buffer's bytes are, as (variable, shape)."""

    program: Program
    made: RelaxModule
    functions: dict[str, str] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    at: dict[str, tuple[str, Shape]] = field(default_factory=dict)

    def value(self, buffer: str, shape: Shape) -> str:
        """A variable that holds the buffer in that shape."""
        owner = self.program.base(buffer).name
        known, had = self.at[owner]
        if had == shape:
            return known
        name = f"{owner}_{len(self.lines)}"
        self.lines.append(f"{name} = R.reshape({known}, R.shape({list(shape)}))")
        self.at[owner] = (name, shape)
        return name

    def constant(self, name: str, array: Array) -> str:
        """The parameter that stands for a constant; equal ones share it."""
        digest = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).digest()
        if digest not in self.names:
            self.names[digest] = name
            self.made.constants[name] = np.ascontiguousarray(array)
        return self.names[digest]

    def step(self, index: int, step: Step) -> None:
        at = site(self.program, step)
        if step.op == "constant":
            name = self.constant(f"w{index:03d}", step.consts["value"].reshape(at.output.shape))
            self.at[step.output] = (name, at.output.shape)
            return
        spelling = spelled(at)
        if spelling is None:
            name, shape = f"{self.program.name}_step_{index:03d}", at.output.shape
            inputs = list(dict.fromkeys(step.inputs))
            passed = [self.value(b, self.program.by_name[b].shape) for b in inputs]
            self.made.sources |= _kernel(self.program, step, name)
            self.made.kernels.append(step.name)
            call = f'call_dps_packed("{name}"'
        else:
            name, shape = spelling.symbol(at), spelling.output
            passed = [self.value(b, s) for b, s in zip(step.inputs, spelling.inputs, strict=True)]
            passed += [self.constant(f"w{index:03d}_{n}", array) for n, array in spelling.constants.items()]
            self.functions.setdefault(name, function(at, spelling, name, False))
            call = f"call_tir(cls.{name}"
        result = f'out_ty=R.Tensor({shape}, dtype="{at.output.dtype}")'
        self.lines.append(f"{step.output} = R.{call}, ({', '.join(passed)},), {result})")
        self.at[step.output] = (step.output, shape)


def relax_module(program: Program) -> RelaxModule:
    """The module of a lowered program in execution order.  Inputs and outputs have their ONNX shapes, element types as stored."""
    writer = _Writer(program, RelaxModule(""))
    parameters = []
    names = unique_names([port.name for port in program.inputs], "input")
    for name, port in zip(names, program.inputs, strict=True):
        parameters.append((f"in_{name}", port.shape, program.by_name[port.buffer].dtype))
        writer.at[port.buffer] = (f"in_{name}", port.shape)
    for index, step in enumerate(program.steps):
        writer.step(index, step)
    outputs = []
    for index, port in enumerate(program.outputs):
        outputs.append(f"result_{index}")
        writer.lines.append(f"result_{index} = R.reshape({_last(writer, port)}, R.shape({list(port.shape)}))")
    parameters += [(name, array.shape, str(array.dtype)) for name, array in writer.made.constants.items()]
    context = {"parameters": parameters, "inputs": len(names), "lines": writer.lines, "outputs": outputs}
    main = environment().get_template("tir/relax.j2").render(context)
    writer.made.text = module([*writer.functions.values(), main])
    return writer.made


def _last(writer: _Writer, port: Port) -> str:
    return writer.at[writer.program.base(port.buffer).name][0]


def _kernel(program: Program, step: Step, name: str) -> dict[str, str]:
    """The C files of one step with edgec's kernel, as the function `name` of TVM's calling convention."""
    inputs = tuple(dict.fromkeys(step.inputs))
    buffers = [replace(program.by_name[b], view_of="", stored=0, tile=False) for b in (*inputs, step.output)]
    ports = tuple(Port(b.name, b.name, b.shape) for b in buffers)
    alone = Program(name, tuple(buffers), (replace(step, kernel=""),), ports[:-1], ports[-1:])
    made = plan(alone, frozenset()).program
    source = emit(made)
    return source.files | dict([ffi_source(manifest(made, source, {}), "", name)])
