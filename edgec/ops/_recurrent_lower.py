"""GRU, LSTM and RNN: from the ONNX node to one step, and to its results.

attrs: time, batch, inputs, hidden, dirs; backward: directions from this one on run from the end; x_t, x_n, y_t, y_n, s_d, s_n: distances
in elements of neighbours along time, batch and direction, in x, Y and states; y, h, c: which results are written; h0, c0: 0 none,
-1 constant, k operand k; f, g, h_act: activations; float: clip (0: none).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgec.ir.program import Array, Attr, Quant, default_rows
from edgec.ir.reach import All
from edgec.kernels.functions import FUNCTIONS
from edgec.ops._layout import identity, operand, spread
from edgec.ops._recurrent_int import int_numbers
from edgec.ops.base import Lowering, Tensor, Unit
from edgec.ops.elementwise import real_values
from edgec.ops.movement import transposed
from edgec.ops.slice import picked

GATES = {"gru": 3, "lstm": 4, "rnn": 1}
DEFAULTS = {"gru": ("Sigmoid", "Tanh"), "lstm": ("Sigmoid", "Tanh", "Tanh"), "rnn": ("Tanh",)}
SLOTS = ("f", "g", "h")
ACTIVATIONS = ("Relu", "Tanh", "Sigmoid", "HardSigmoid", "LeakyRelu", "ThresholdedRelu", "Elu", "Softsign", "Softplus")
# directions, and the first of them that runs backwards
FIRST_BACKWARD = {"forward": (1, 1), "reverse": (1, 0), "bidirectional": (2, 1)}


@dataclass(frozen=True)
class Node:
    """What a node says, checked.

    sizes: attrs that come from shapes; consts: real values in ONNX order; wanted: outputs that something reads; acts: (name, alpha, beta).
    """

    op: str
    x: Tensor
    w: Tensor
    r: Tensor
    starts: tuple[Tensor | None, Tensor | None]
    sizes: dict[str, int]
    consts: dict[str, Array]
    wanted: tuple[int, ...]
    quants: tuple[Quant | None, ...]
    acts: tuple[tuple[str, float, float], ...]
    clip: float
    batch_first: bool  # Y is stored with the batch outside, as x is


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def activations(unit: Unit, ctx: Lowering, op: str, dirs: int) -> tuple[tuple[str, float, float], ...]:
    """The activations f, g, h with their parameters; both directions must have the same."""
    names = [text(a) for a in unit.attrs.get("activations") or DEFAULTS[op] * dirs]
    known = {name.lower(): name for name in ACTIVATIONS}
    alphas, betas = (list(unit.attrs.get(f"activation_{p}") or ()) for p in ("alpha", "beta"))
    found = []
    for given in names:
        name = known.get(given.lower())
        if name is None:
            raise ctx.unsupported(unit, f"activation {given}; those of {', '.join(ACTIVATIONS)} are there")
        params = FUNCTIONS[name].params
        alpha = float(alphas.pop(0) if alphas else params["alpha"]) if "alpha" in params else 0.0
        beta = float(betas.pop(0) if betas else params["beta"]) if "beta" in params else 0.0
        found.append((name, alpha, beta))
    each = len(DEFAULTS[op])
    if len(found) != each * dirs or found[:each] != found[-each:]:
        raise ctx.unsupported(unit, f"activations {names}: {each} are needed, the same for both directions")
    return tuple(found[:each])


def constants(unit: Unit, ctx: Lowering, op: str, sizes: tuple[int, int, int], reset: bool) -> dict[str, Array]:
    """bias [D, G*H] with both halves added up ([D, 4*H] for a GRU that keeps the last apart) and peepholes p [D, 3*H]."""
    dirs, gates, hidden = sizes
    total = gates * hidden
    found = {}
    for name, index, size in (("bias", 3, 2 * total), ("p", 7, 3 * hidden)):
        tensor = operand(unit, index)
        if tensor is not None and tensor.const is None:
            raise ctx.unsupported(unit, f"its input {'P' if name == 'p' else 'B'} is computed; make it a constant")
        if tensor is not None:
            found[name] = real_values(tensor).reshape(dirs, size)
    both = found.get("bias", np.zeros((dirs, 2 * total)))
    bias = both[:, :total] + both[:, total:]
    if op == "gru" and reset:
        apart = both[:, total - hidden : total], both[:, -hidden:]
        bias = np.concatenate([bias[:, :-hidden], *apart], axis=1)
    found["bias"] = bias
    if op != "lstm" or not found.get("p", np.zeros(1)).any():
        found.pop("p", None)
    return found


def full_length(unit: Unit, ctx: Lowering, time: int) -> None:
    """sequence_lens may only say that every sequence has all time steps."""
    lens = operand(unit, 4)
    if lens is not None and (lens.const is None or (np.asarray(lens.const) != time).any()):
        raise ctx.unsupported(
            unit,
            f"sequence_lens; leave it out, or fill it with {time}: sequences have a fixed length, pad them outside",
        )


def read(unit: Unit, ctx: Lowering, op: str) -> Node:
    """Everything a node says.  Raises ctx.unsupported."""
    x, w, r = (operand(unit, i) for i in range(3))
    assert x is not None and w is not None and r is not None
    if w.const is None or r.const is None:
        raise ctx.unsupported(unit, "its weights are computed by the model; only constant W and R are there")
    direction = text(unit.attrs.get("direction", "forward"))
    if direction not in FIRST_BACKWARD:
        raise ctx.unsupported(unit, f"direction {direction!r}")
    dirs, backward = FIRST_BACKWARD[direction]
    layout = int(unit.attrs.get("layout", 0))
    time, batch = x.shape[layout], x.shape[1 - layout]
    hidden, inputs, gates = r.shape[2], w.shape[2], GATES[op]
    if w.shape != (dirs, gates * hidden, inputs) or r.shape != (dirs, gates * hidden, hidden) or x.shape[2] != inputs:
        raise ctx.unsupported(unit, f"shapes X {x.shape}, W {w.shape}, R {r.shape} do not belong together")
    full_length(unit, ctx, time)
    x = ctx.stored(x)
    if x.perm[-1] != 2:
        x = ctx.physical(x, identity(3))
    batch_first = batch > 1 and x.perm.index(1 - layout) < x.perm.index(layout)
    wide = dirs * hidden
    reset = bool(unit.attrs.get("linear_before_reset", 0))
    where = {
        "time": time, "batch": batch, "inputs": inputs, "hidden": hidden, "dirs": dirs, "backward": backward,
        "x_t": inputs if batch_first else batch * inputs, "x_n": time * inputs if batch_first else inputs,
        "y_t": wide if batch_first else batch * wide, "y_n": time * wide if batch_first else wide,
        "s_d": hidden if layout else batch * hidden, "s_n": wide if layout else hidden,
    }  # fmt: skip
    if op == "gru":
        where["linear_before_reset"] = int(reset)
    if op == "lstm":
        where["coupled"] = int(unit.attrs.get("input_forget", 0))
    count = len(unit.outputs) or 1
    named = [bool(name) for name, _ in unit.outputs] or [True]
    used = list(unit.used) or [True] * count
    wanted = tuple(i for i in range(count) if used[i] and named[i]) or (0,)
    quants = tuple(unit.output_quants) or (unit.quant, *[None] * (count - 1))
    acts = activations(unit, ctx, op, dirs)
    consts = constants(unit, ctx, op, (dirs, gates, hidden), reset)
    starts = tuple(_start(operand(unit, i), layout) for i in (5, 6))
    clip = float(unit.attrs.get("clip") or 0.0)
    return Node(
        op,
        x,
        w,
        r,
        (starts[0], starts[1] if op == "lstm" else None),
        where,
        consts,
        wanted,
        quants,
        acts,
        clip,
        batch_first,
    )


def _start(given: Tensor | None, layout: int) -> Tensor | None:
    """An initial state; a constant one as real values [D, N, H], none where it is zero."""
    if given is None or given.const is None:
        return given
    real = real_values(given).transpose((1, 0, 2) if layout else (0, 1, 2))
    return replace(given, const=real, scales=None, zero_points=None) if real.any() else None


def lower_recurrent(unit: Unit, ctx: Lowering, op: str) -> list[Tensor]:
    """The step and, where several results are used, what cuts them apart: one Tensor for each output (any where it is not used)."""
    node = read(unit, ctx, op)
    try:
        numbers = int_numbers(node)
    except ValueError as error:
        raise ctx.unsupported(unit, str(error)) from None
    x = node.x
    attrs: dict[str, Attr] = {**node.sizes}
    consts = dict(node.consts)
    if numbers is None:
        x = ctx.as_float(x)
        if x.dtype != "float32":
            raise ctx.unsupported(unit, f"a sequence of {x.dtype}; cast it to float32, or quantize it")
        attrs |= {"clip": node.clip}
        attrs |= {
            f"{s}_{n}": v
            for s, (_, a, b) in zip(SLOTS, node.acts, strict=False)
            for n, v in (("alpha", a), ("beta", b))
        }
        consts |= {"w": real_values(node.w), "r": real_values(node.r)}
    else:
        attrs |= numbers[0]
        consts = numbers[1]
    attrs |= {f"{s}_act": name for s, (name, _, _) in zip(SLOTS, node.acts, strict=False)}
    attrs["peepholes"] = int("p" in consts)
    inputs = [x]
    for name, start in zip(("h0", "c0") if op == "lstm" else ("h0",), node.starts, strict=False):
        attrs[name] = 0
        if start is not None and start.const is not None:
            attrs[name] = -1
            consts.setdefault(name, np.asarray(start.const))
        elif start is not None:
            attrs[name] = len(inputs)
            inputs.append(ctx.physical(start if numbers is not None else ctx.as_float(start), identity(3)))
    if numbers is None:
        consts = {name: np.ascontiguousarray(value, np.float32) for name, value in consts.items()}
    return results(unit, ctx, node, inputs, attrs, consts)


def results(
    unit: Unit,
    ctx: Lowering,
    node: Node,
    inputs: Sequence[Tensor],
    attrs: dict[str, Attr],
    consts: dict[str, Array],
) -> list[Tensor]:
    """Emits the step and cuts its output into the results that are used."""
    wanted, quants, integer = node.wanted, node.quants, inputs[0].dtype == "int8"
    time, batch, dirs, hidden = (node.sizes[n] for n in ("time", "batch", "dirs", "hidden"))
    layout = int(unit.attrs.get("layout", 0))
    shapes = {i: unit.outputs[i][1] if unit.outputs else unit.out_shape for i in wanted}
    names = {i: unit.outputs[i][0] if unit.outputs else unit.out_name for i in wanted}
    inside = wanted == (0, 1) and dirs == 1 and (not integer or quants[0] == quants[1])  # Y_h is a row of Y
    parts = (0,) if inside else wanted
    attrs |= {name: int(i in parts) for i, name in enumerate("yhc")}
    reach = [All(default_rows(t.physical)) for t in inputs]
    dtype = "int8" if integer else "float32"
    perm = y_perm(node, layout, batch, dirs)
    made: dict[int, Tensor] = {}
    if parts == (0,):
        rows = default_rows(spread(shapes[0], perm))
        like = None if integer else inputs[0]
        made[0] = ctx.emit(unit, node.op, inputs, perm, rows, reach, attrs, consts, like)
    elif len(parts) == 1:
        i = parts[0]
        made[i] = ctx.emit_raw(names[i], node.op, inputs, shapes[i], dtype, quants[i] if integer else None, identity(3),
                               default_rows(shapes[i]), reach, attrs, consts)  # fmt: skip
    else:
        sizes = {i: dirs * batch * (time if i == 0 else 1) for i in parts}
        count = sum(sizes.values())
        name = f"{unit.node_name}_all"
        whole = ctx.emit_raw(name, node.op, inputs, (count, hidden), dtype, None, (0, 1), count, reach, attrs, consts)
        first = 0
        for i in parts:
            shown = replace(whole, quant=quants[i] if integer else None)
            piece = picked(ctx, f"{names[i]}_part", "slice", shown, {0: np.arange(first, first + sizes[i])})
            order = perm if i == 0 else identity(3)
            stored = ctx.view(piece, spread(shapes[i], order), names[i])
            made[i] = transposed(stored, tuple(order.index(a) for a in range(len(order))), names[i])
            first += sizes[i]
    if inside:
        row = time - 1 if node.sizes["backward"] else 0
        made[1] = ctx.view(
            picked(ctx, f"{names[1]}_row", "slice", made[0], {layout: np.array([row])}), shapes[1], names[1]
        )
    spare = next(iter(made.values()))
    return [made.get(i, spare) for i in range(max(len(unit.outputs), 1))]


def y_perm(node: Node, layout: int, batch: int, dirs: int) -> tuple[int, ...]:
    """Axis order in which Y is stored: time and batch as in x, then directions, then the state."""
    t, n, d = (1, 0, 2) if layout else (0, 2, 1)
    perm = (n, t, d, 3) if node.batch_first else (t, n, d, 3)
    shape = [0, 0, 0, 2]
    shape[t], shape[n], shape[d] = 2, batch, dirs
    return identity(4) if [a for a in perm if shape[a] != 1] == [a for a in range(4) if shape[a] != 1] else perm


__all__ = ["GATES", "Node", "lower_recurrent"]
