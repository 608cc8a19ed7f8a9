"""Global average pools by accumulation: the pooled tensor becomes a stream, its sums 4 bytes a channel.

Before: step pool  avgpool  x -> y                       y needs all rows of x at once
After:  step pool_sum  pool_sum  x, acc -> acc           acc: int32 [H, C], a ring of one row
        step pool      pool_finish  acc -> y
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from edgec.ir.program import Buffer, Program, Site, Step, site
from edgec.ir.reach import Run, Table


def _global(at: Site) -> tuple[int, int] | None:
    """(channels, elements averaged) of a step that averages whole images of one batch in int8; None for any other step."""
    step, x = at.step, at.inputs[0] if at.inputs else None
    if x is None or x.dtype != "int8" or at.output.dtype != "int8" or x.view_of or x.rows < 2:
        return None
    if step.op == "reduce_mean":
        channels, count = at.int("inner"), at.int("count")
    elif (
        step.op == "avgpool"
        and at.ints("kernel") == at.ints("size")
        and at.ints("out") == (1, 1)
        and not any(at.ints("pad"))
    ):
        channels, count = at.int("channels"), prod(at.ints("size"))
    else:
        return None
    fits = x.elements == channels * count and x.row_elements % channels == 0 and at.output.elements == channels
    return (channels, count) if fits and 128 * count < 2**31 else None


def accumulated(program: Program) -> Program:
    """The program with every global int8 average pool split into running sums and a finish."""
    buffers, steps = list(program.buffers), []
    for step in program.steps:
        at = site(program, step)
        found = _global(at)
        if found is None:
            steps.append(step)
            continue
        channels, count = found
        x, acc = at.inputs[0], f"{step.output}_sum"
        buffers.append(Buffer(acc, "int32", (x.rows, channels), x.rows))
        before = Table(tuple(max(y - 1, 0) for y in range(x.rows)), tuple(y - 1 for y in range(x.rows)))
        shape = {"pixels": x.row_elements // channels, "channels": channels}
        steps.append(
            Step(f"{step.name}_sum", "pool_sum", (x.name, acc), acc, (Run(x.rows), before), shape, node=step.node)
        )
        last = (x.rows - 1,) * at.output.rows
        numbers = {k: v for k, v in step.attrs.items() if k in ("zx", "zy", "lo", "hi", "exact", "num")}
        consts = {k: v[:1] for k, v in step.consts.items() if k in ("den", "mult", "shift")}
        attrs = {**numbers, "channels": channels, "count": count}
        steps.append(
            replace(step, op="pool_finish", kernel="", inputs=(acc,), reach=(Table(last, last),), attrs=attrs, consts=consts)
        )
    return program.with_(buffers=tuple(buffers), steps=tuple(steps))
