"""Walks a normalised ONNX graph and lowers it unit by unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir

from edgec.errors import UnsupportedError
from edgec.graph.states import States
from edgec.ir.program import CONTRACT, CONTRACT_16, Buffer, Origin, Port, Program, Quant, State, default_rows
from edgec.ir.reach import Run
from edgec.lower.context import Context
from edgec.lower.pads import fold_pads
from edgec.lower.units import Group, LoweredUnit, attribute, constant, grow, is_image, shape_of
from edgec.ops.base import Tensor
from edgec.ops.registry import by_onnx

DTYPES = {
    ir.DataType.FLOAT: "float32",
    ir.DataType.INT8: "int8",
    ir.DataType.UINT8: "uint8",
    ir.DataType.INT16: "int16",
    ir.DataType.INT32: "int32",
    ir.DataType.INT64: "int64",
    ir.DataType.BOOL: "bool",
}

FORMATS = "activations need one constant scale and an int8 or uint8 zero point, or an int16 one that is 0"


class Lowerer:
    """State of one lowering.  values: ONNX value name -> Tensor."""

    def __init__(self, model: ir.Model, name: str, quantized_io: bool, by_rows: bool, states: States) -> None:
        self.graph = model.graph
        self.name = name
        self.quantized_io = quantized_io
        self.by_rows = by_rows
        self.states = states
        self.kept = {name for pair in states for name in pair}  # these ports are as quantized as the model is inside
        self.ctx = Context()
        self.values: dict[str, Tensor] = {}
        self.done: set[ir.Node] = set()
        self.problems: list[tuple[str, str, str]] = []
        self.taken: list[str] = []  # buffers that are model outputs already

    def run(self) -> Program:
        inputs = tuple(self.input(value) for value in self.graph.inputs)
        for node in self.graph:
            if node not in self.done:
                self.guarded(node)
        if self.problems:
            listed = "; ".join(f"{n or '(unnamed)'} ({op}): {why}" for n, op, why in self.problems)
            raise UnsupportedError(
                f"{len(self.problems)} node(s) of the model cannot be compiled: {listed}",
                "`edgec ops` lists what is supported; export with another opset, replace the operator, or cut the model before it",
                tuple(self.problems),
            )
        begins = {port.name: port for port in inputs}
        ends = {output: begins[name] for name, output in self.states}
        outputs = tuple(self.output(value, ends.get(str(value.name))) for value in self.graph.outputs)
        found = {port.name: port for port in outputs}
        ctx = self.ctx
        contract = CONTRACT_16 if any(b.dtype == "int16" for b in ctx.buffers.values()) else CONTRACT
        return Program(
            self.name,
            tuple(ctx.buffers.values()),
            tuple(ctx.steps),
            tuple(port for port in inputs if port.name not in self.kept),
            tuple(port for port in outputs if port.name not in self.kept),
            contract=contract,
            states=tuple(State(begins[name], found[output]) for name, output in self.states),
        )

    # -- borders ----------------------------------------------------------------------------------------------------------------

    def input(self, value: ir.Value) -> Port:
        """The buffer of a model input; with quantized I/O a float input that is only quantized arrives as int8."""
        name, shape = str(value.name), shape_of(value)
        if value.dtype not in DTYPES:
            raise UnsupportedError(
                f"input {name!r} has type {value.dtype}",
                "use float32, int8 or uint8 inputs",
                ((name, "input", "type"),),
            )
        perm = tuple(range(len(shape)))
        if self.by_rows and len(shape) == 4 and is_image(value):
            perm = (0, 2, 3, 1)
        physical = tuple(shape[a] for a in perm)
        buffer = f"in{len(self.ctx.buffers)}"
        users = {use.node for use in value.uses()}
        quant = None
        dtype = DTYPES[value.dtype]
        if (
            (self.quantized_io or name in self.kept)
            and users
            and all(u.op_type in ("QuantizeLinear", "DequantizeLinear") for u in users)
        ):
            params = {self.quant_of(u) for u in users}
            if len(params) == 1 and dtype in ("float32", "uint8"):
                quant = params.pop()
                dtype = quant.dtype if quant is not None else dtype
        if quant is not None:  # the port stands for the quantized value: its consumers see int8 at once
            tensor = Tensor(name, shape, dtype, perm, buffer, quant, shifted=True)
            self.ctx.add_buffer(
                Buffer(buffer, dtype, physical, default_rows(physical), quant=quant, origin=Origin(name, perm))
            )
            self.values[name] = tensor
            return Port(name, buffer, physical)
        seen = {q for u in users if u.op_type == "DequantizeLinear" and (q := self.quant_of(u)) is not None}
        quant = next(iter(seen)) if len(seen) == 1 and dtype in ("int8", "int16") else None
        if dtype == "uint8" and len(seen) == 1:
            stored = next(iter(seen))
            quant = Quant(stored.scale, stored.zero_point + 128)
        self.ctx.add_buffer(
            Buffer(buffer, dtype, physical, default_rows(physical), quant=quant, origin=Origin(name, perm))
        )
        self.values[name] = Tensor(name, shape, dtype, perm, buffer)
        return Port(name, buffer, physical)

    def output(self, value: ir.Value, begin: Port | None) -> Port:
        """The buffer of a model output: row-major ONNX order, the model's own type unless quantized I/O is asked for.

        begin: of the next state the port where it begins, which says type and quantization.
        """
        name = str(value.name)
        ctx = self.ctx
        ctx.node = ""
        tensor = ctx.physical(ctx.stored(self.values[name]), tuple(range(len(shape_of(value)))))
        wanted = DTYPES.get(value.dtype, "float32")  # type: ignore[arg-type]
        if begin is not None:
            quant = ctx.buffers[begin.buffer].quant
            tensor = ctx.requantized(tensor, quant) if quant is not None and not tensor.shifted else tensor
            tensor = ctx.as_float(tensor) if ctx.buffers[begin.buffer].dtype == "float32" else tensor
        elif tensor.quant is not None and wanted == "float32" and not self.quantized_io:
            tensor = ctx.as_float(tensor)
        elif tensor.shifted and wanted == "uint8" and not self.quantized_io:
            quant = self.int_quant(value)
            ctx.origin = name
            made = ctx.elementwise(tensor, "requantize", "uint8", quant, {"sx": 1.0, "zx": -128, "sy": 1.0, "zy": 0})
            tensor = replace(made, shifted=False)
        base = ctx.base(tensor.buffer)
        taken = any(base == ctx.base(b) for b in self.taken)
        if taken or base in {ctx.base(f"in{i}") for i in range(len(self.graph.inputs))}:
            rows = ctx.buffers[tensor.buffer].rows
            tensor = ctx.emit_raw(
                name, "copy", [tensor], tensor.shape, tensor.dtype, tensor.quant, tensor.perm, rows, [Run(rows)]
            )
        self.taken.append(tensor.buffer)
        if (
            ctx.buffers[tensor.buffer].quant is None
            and (quant := self.int_quant(value)) is not None
            and tensor.dtype in ("int8", "int16")
        ):
            ctx.buffers[tensor.buffer] = replace(ctx.buffers[tensor.buffer], quant=quant)
        return Port(name, tensor.buffer, shape_of(value))

    def int_quant(self, value: ir.Value) -> Quant | None:
        """What an integer output means, if its producer says so."""
        producer = value.producer()
        while producer is not None and producer.op_type in (
            "Reshape",
            "Transpose",
            "Squeeze",
            "Flatten",
            "Unsqueeze",
            "Identity",
        ):
            producer = producer.inputs[0].producer() if producer.inputs[0] is not None else None
        if producer is None or producer.op_type != "QuantizeLinear":
            return None
        scale, zero = constant(producer.inputs[1]), constant(producer.inputs[2]) if len(producer.inputs) > 2 else None
        return (
            None
            if scale is None
            else Quant(
                float(scale.reshape(-1)[0]),
                0 if zero is None else int(zero.reshape(-1)[0]),
                16 if zero is not None and zero.dtype == np.int16 else 8,
            )
        )

    # -- nodes ------------------------------------------------------------------------------------------------------------------

    def guarded(self, node: ir.Node) -> None:
        """Lowers one node; what is unsupported is noted, so that all of it is reported together."""
        if any(v is not None and v.name not in self.values and constant(v) is None for v in node.inputs):
            return  # fed by a node that was already reported
        self.ctx.node = node.name or (node.outputs[0].name or "")
        try:
            if node.op_type == "DequantizeLinear":
                self.dequantize(node)
            elif node.op_type == "QuantizeLinear":
                self.quantize(node)
            else:
                self.unit(node)
        except UnsupportedError as error:
            self.problems.extend(error.problems or ((node.name or "", node.op_type, error.message),))

    def tensor(self, value: ir.Value | None) -> Tensor | None:
        """The lowered operand, None for an absent one."""
        if value is None:
            return None
        if value.name in self.values:
            return self.values[value.name]
        array = constant(value)
        assert array is not None
        name = str(value.name)
        return Tensor(name, array.shape, str(array.dtype), tuple(range(array.ndim)), const=array)

    def refuse(self, node: ir.Node, reason: str) -> UnsupportedError:
        name = node.name or str(node.outputs[0].name)
        return UnsupportedError(
            f"node {name!r} ({node.op_type}): {reason}",
            "`edgec ops` lists what is supported",
            ((name, node.op_type, reason),),
        )

    def quant_of(self, node: ir.Node) -> Quant | None:
        """Stored quantization of a per-tensor Q or DQ node; None if it is per channel, not constant, or int16 with a zero point."""
        scale = constant(node.inputs[1])
        zero = (
            constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] is not None else np.zeros(1, np.uint8)
        )
        if scale is None or zero is None or scale.size != 1:
            return None
        if zero.dtype == np.int16 and not zero.any():
            return Quant(float(scale.reshape(-1)[0]), 0, 16)
        if zero.dtype not in (np.int8, np.uint8):
            return None
        return Quant(float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]) - (128 if zero.dtype == np.uint8 else 0))

    def dequantize(self, node: ir.Node) -> None:
        """Names the meaning of stored integers; makes no step (but for a raw uint8 input, which is shifted to int8)."""
        x = self.tensor(node.inputs[0])
        out = node.outputs[0]
        assert x is not None
        if x.is_const:
            scale, zero = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
            if scale is None or (len(node.inputs) > 2 and node.inputs[2] is not None and zero is None):
                raise self.refuse(node, "scale and zero point must be constants")
            zeros = np.zeros(scale.shape, np.int32) if zero is None else zero
            axis = int(node.attributes["axis"].as_int()) if "axis" in node.attributes else 1
            self.values[str(out.name)] = replace(
                x,
                name=str(out.name),
                scales=scale.reshape(-1),
                zero_points=zeros.reshape(-1),
                axis=axis % max(len(x.shape), 1),
            )
            return
        quant = self.quant_of(node)
        if quant is None:
            raise self.refuse(node, FORMATS)
        if x.quant is not None:  # quantized I/O: the port already stands for this value
            self.values[str(out.name)] = self.ctx.requantized(x, quant)
            return
        if x.dtype == "uint8":
            x = self.shift(x)
        self.values[str(out.name)] = replace(x, name=str(out.name), quant=quant, shifted=False)
        self.note_quant(x.buffer, quant)

    def shift(self, x: Tensor) -> Tensor:
        """A raw uint8 tensor as int8, 128 less: once for all its readers."""
        made = self.ctx.elementwise(x, "requantize", "int8", None, {"sx": 1.0, "zx": 0, "sy": 1.0, "zy": -128})
        made = replace(made, shifted=True)
        self.values[x.name] = made
        return made

    def note_quant(self, buffer: str, quant: Quant) -> None:
        """Writes down what the stored integers mean, for people who read the header or the plan."""
        if self.ctx.buffers[buffer].quant is None and self.ctx.buffers[buffer].dtype == quant.dtype:
            self.ctx.buffers[buffer] = replace(self.ctx.buffers[buffer], quant=quant)

    def quantize(self, node: ir.Node) -> None:
        """A QuantizeLinear that no unit absorbed."""
        x, quant = self.tensor(node.inputs[0]), self.quant_of(node)
        assert x is not None
        if quant is None:
            raise self.refuse(node, FORMATS)
        self.finish(node, x, quant)

    def finish(self, node: ir.Node, x: Tensor, quant: Quant) -> None:
        """Stores x at `quant` as the integer value a Q node makes."""
        out = node.outputs[0]
        if x.quant != quant:
            self.ctx.origin = str(out.name)
        made = self.ctx.requantized(x, quant)
        if made.is_const:
            made = self.ctx.stored(made)
        self.values[str(out.name)] = replace(
            made, name=str(out.name), quant=None, shifted=out.dtype == ir.DataType.UINT8
        )

    def unit(self, node: ir.Node) -> None:
        """An operator with what it absorbs."""
        group = grow(node)
        op = by_onnx().get(node.op_type if not node.domain else f"{node.domain}:{node.op_type}") or by_onnx().get(
            node.op_type
        )
        if op is None or node.domain not in ("", "ai.onnx", "edgec"):
            raise self.refuse(
                node, f"operator {node.domain + '.' if node.domain else ''}{node.op_type} is not supported"
            )
        unit = self.lowered(group)
        made = op.lower_all(unit if op.sixteen else self.without16(unit), self.ctx)
        for value, tensor in zip(node.outputs if len(node.outputs) > 1 else [group.last], made, strict=False):
            self.values[str(value.name)] = replace(tensor, name=str(value.name))
        self.done.update(group.absorbed)
        for i, (nodes, tensor, quant) in enumerate(
            zip([group.quantize, *group.others], made, unit.output_quants, strict=False)
        ):
            if len(made) > 1 and unit.used[i]:
                self.note_origin(tensor, str((nodes[0] if nodes else node).outputs[0 if nodes else i].name), quant)
            for quantize in nodes:
                assert quant is not None
                self.finish(quantize, tensor, quant)
                self.done.add(quantize)

    def without16(self, unit: LoweredUnit) -> LoweredUnit:
        """The unit as a page sees it that does not compute with int16: float32 in its place."""
        inputs = [
            self.ctx.as_float(t) if t is not None and t.dtype == "int16" and t.is_quantized else t for t in unit.inputs
        ]
        quants = [None if q is not None and q.bits == 16 else q for q in unit.output_quants]
        seen = replace(unit, inputs=inputs, output_quants=quants)
        return (
            replace(seen, quant=None, origin=unit.out_name)
            if unit.quant is not None and unit.quant.bits == 16
            else seen
        )

    def note_origin(self, tensor: Tensor, name: str, quant: Quant | None) -> None:
        """Says which ONNX value a buffer holds, where a node has several and emit could not know."""
        buffer = self.ctx.buffers[tensor.buffer] if tensor.buffer else None
        exact = tensor.dtype == ("float32" if quant is None else quant.dtype) and tensor.quant == quant
        if buffer is not None and buffer.origin is None and exact:
            self.ctx.buffers[buffer.name] = replace(buffer, origin=Origin(name, tensor.perm))

    def lowered(self, group: Group) -> LoweredUnit:
        node = group.core
        quants = [self.quant_of(nodes[0]) if nodes else None for nodes in (group.quantize, *group.others)]
        quant = quants[0]
        if quant is None:
            group.quantize = []
        group.others = [nodes if q is not None else [] for nodes, q in zip(group.others, quants[1:], strict=True)]
        last = group.last
        attrs: dict[str, Any] = {name: attribute(attr) for name, attr in node.attributes.items()}
        bias = None
        if group.bias is not None:
            producer = group.bias.producer()
            if str(group.bias.name) not in self.values and producer is not None:
                self.dequantize(producer)
                self.done.add(producer)
            bias = self.tensor(group.bias)
        return LoweredUnit(
            node_name=node.name or str(node.outputs[0].name),
            op_type=node.op_type,
            attrs=attrs,
            inputs=[self.tensor(v) for v in node.inputs],
            bias=bias,
            lo=group.lo,
            hi=group.hi,
            out_name=str(last.name or ""),
            out_shape=shape_of(last) if last.name else (),
            quant=quant,
            out_dtype=DTYPES.get(last.dtype, "float32"),  # type: ignore[arg-type]
            outputs=[(str(v.name or ""), shape_of(v) if v.name else ()) for v in node.outputs],
            output_quants=quants,
            used=[bool(v.uses()) or v.is_graph_output() for v in node.outputs],
            origin=str(group.quantize[0].outputs[0].name) if group.quantize else str(last.name),
        )


def lower(
    model: ir.Model, name: str, quantized_io: bool = False, by_rows: bool = False, states: States = ()
) -> Program:
    """The program of a normalised model.  UnsupportedError lists every node that cannot be compiled, with the reason.

    quantized_io: int8 at the borders; states: (input, output) that the library keeps from run to run;
    by_rows: the input will arrive by rows, so a planar image is taken as rows of pixels (H, W, C).
    """
    return fold_pads(Lowerer(model, name, quantized_io, by_rows, states).run())
