"""Kernels of GRU, LSTM and RNN: the whole sequence in one call, the state in scratch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import pad_to, pair_order
from edgec.kernels.base import Cost, Kernel, Packed, Scalar
from edgec.kernels.functions import FUNCTIONS

SIZES = ("time", "batch", "inputs", "hidden", "dirs", "backward", "x_t", "x_n", "y_t", "y_n", "s_d", "s_n")
STATES = {"gru": "h", "rnn": "h", "lstm": "hc"}
PARTS = "yhc"
SLOTS = "fgh"
RESCALE = ("mult", "shift", "zero")


def number(site: Site, name: str) -> int:
    return int(site.step.attrs.get(name, 0))  # type: ignore[arg-type]


def parts(site: Site) -> str:
    """The results that are written, in their order."""
    return "".join(part for part in PARTS if number(site, part))


def initial_fields(site: Site) -> dict[str, Scalar | Array]:
    """Constant initial states, and in integers how computed ones are rescaled."""
    fields: dict[str, Scalar | Array] = {}
    for state in STATES[site.step.op]:
        which = number(site, f"{state}0")
        if which < 0:
            fields[f"{state}0"] = site.const(f"{state}0")
        elif which and f"{state}0_mult" in site.step.attrs:
            fields |= {f"{state}0_{n}": site.int(f"{state}0_{n}") for n in RESCALE}
    return fields


def common(site: Site) -> dict[str, Scalar | Array]:
    """Sizes, distances, weights."""
    arrays = [name for name in ("w", "r", "bias", "p") if name in site.step.consts]
    return {**{n: site.int(n) for n in SIZES}, **{n: site.const(n) for n in arrays}, **initial_fields(site)}


def pack_float(site: Site) -> Packed:
    fields = common(site)
    if site.float("clip") > 0:
        fields["clip"] = site.float("clip")
    for slot in SLOTS:
        name = str(site.step.attrs.get(f"{slot}_act", ""))
        fields |= {f"{slot}_{p}": site.float(f"{slot}_{p}") for p in (FUNCTIONS[name].params if name else ())}
    return Packed(fields)


def pack_int8(site: Site) -> Packed:
    """start: what the sums of raw inputs begin with, -zx * (sum of the weights)."""
    sums = site.const("w").astype(np.int64).sum(axis=2)
    names = ["e", "top", "nx", "nr", "limit", *(n for n in ("q", "np") if n in site.step.attrs)]
    names += [f"{part}_{n}" for part in parts(site) for n in RESCALE]
    arrays = {n: site.const(n) for n in ("mx", "mr", "table")}
    start = (-site.int("zx") * sums).astype(np.int32)
    return Packed({**common(site), **{n: site.int(n) for n in names}, **arrays, "start": start})


def variant(site: Site) -> Mapping[str, Scalar | str | bool]:
    op, attrs = site.step.op, site.step.attrs
    found: dict[str, Scalar | str | bool] = {f"{part}_out": bool(number(site, part)) for part in PARTS}
    for state in "hc":
        which = number(site, f"{state}0")
        found[f"{state}0"] = "constant" if which < 0 else "computed" if which else "zero"
    found |= {n: bool(number(site, n)) for n in ("linear_before_reset", "coupled", "peepholes")}
    found |= {"dsp": False, "cell": op == "lstm", "clip": float(attrs.get("clip", 0)) > 0}  # type: ignore[arg-type]
    for slot in SLOTS:
        name = str(attrs.get(f"{slot}_act", ""))
        found[f"{slot}_act"] = name
        found[f"{slot}_c"] = FUNCTIONS[name].c.replace("p->", f"p->{slot}_") if name else ""
    if site.output.dtype == "int8":
        found |= {f"{n}_type": f"{site.const(n).dtype}_t" for n in ("w", "r")}
    return found


def scratch(site: Site) -> int:
    """h and the h that follows it; c of an LSTM; r * h (and in integers z) of a GRU that resets before the product."""
    hidden, real = site.int("hidden"), site.output.dtype == "float32"
    state = (4 if real else 2) * hidden
    extra = 4 * hidden if site.step.op == "lstm" else 0
    if site.step.op == "gru" and not number(site, "linear_before_reset"):
        extra = 2 * state
    return 2 * state + extra


def ordered(weight: Array) -> Array:
    """Weights [D, G*H, K] with K filled up to a multiple of four, each four in the order in which their pairs are read."""
    padded = pad_to(weight, 2, 4)
    return np.ascontiguousarray(padded[:, :, pair_order(padded.shape[2])])


def up4(size: int) -> int:
    return -(-size // 4) * 4


def pack_dsp(site: Site) -> Packed:
    weights = {name: ordered(site.const(name)) for name in ("w", "r")}
    sizes = {"inputs4": up4(site.int("inputs")), "hidden4": up4(site.int("hidden"))}
    return Packed({**pack_int8(site).fields, **sizes, **weights})


def scratch_dsp(site: Site) -> int:
    """h, next, x as int16; c of an LSTM; r * h and z of a GRU that resets before the product: each in room for whole fours."""
    hidden, inputs = up4(site.int("hidden")), up4(site.int("inputs"))
    early = site.step.op == "gru" and not number(site, "linear_before_reset")
    return 2 * inputs + (8 if early else 4) * hidden + (4 * site.int("hidden") if site.step.op == "lstm" else 0)


def matches(dtype: str) -> Callable[[Site], bool]:
    return lambda site: site.output.dtype == site.input.dtype == dtype


def narrow(site: Site) -> bool:
    """int8 with int8 weights."""
    return matches("int8")(site) and all(site.const(n).dtype == np.int8 for n in ("w", "r"))


def cost(per_mac: float, per_gate: float) -> Callable[[Site], Cost]:
    def predicted(site: Site) -> Cost:
        dirs, gates, _ = site.const("w").shape  # biases may be more than the gates
        rows = site.int("time") * site.int("batch") * int(dirs * gates)
        macs = rows * (site.int("inputs") + site.int("hidden"))
        work = macs * per_mac + rows * per_gate
        return Cost(work, 1.4 * work, sum(int(c.nbytes) for c in site.step.consts.values()))

    return predicted


def kernels(op: str) -> list[Kernel]:
    return [
        Kernel(f"{op}_s8_dsp", op, f"{op}_s8", pack_dsp, needs=frozenset({"dsp"}), when=narrow, access=("all",),
               variant=lambda site: {**variant(site), "dsp": True}, scratch=scratch_dsp, cost=cost(2.9, 120.0)),
        Kernel(f"{op}_s8", op, f"{op}_s8", pack_int8, when=matches("int8"), access=("all",), variant=variant, scratch=scratch,
               cost=cost(5.0, 140.0)),
        Kernel(f"{op}_f32", op, f"{op}_f32", pack_float, when=matches("float32"), access=("all",), variant=variant, scratch=scratch,
               cost=cost(5.0, 200.0)),
    ]  # fmt: skip


KERNELS = [kernel for op in STATES for kernel in kernels(op)]
