"""Which kernel computes each step.  For now the first that matches; later stages price them."""

from __future__ import annotations

from dataclasses import replace

from edgec.ir.program import Program, Site, Step, site
from edgec.ir.reach import All, Run
from edgec.kernels.base import Kernel
from edgec.kernels.registry import candidates, kernel

TILES = (2, 4, 8)  # rows a call worth trying; more save next to nothing


def rows_at_once(at: Site, chosen: Kernel, alone: bool, several: bool) -> int:
    """Output rows a call makes; 0 for all of them.  alone: the step is a segment of its own, so its rows lie contiguous;
    several: more rows a call are wanted where that is faster."""
    if chosen.group is not None:
        return min(chosen.group(at, alone, several), at.output.rows)
    access = [chosen.access_of(i) for i in range(len(at.inputs))]
    if chosen.row or any(a.startswith("taps") for a in access):
        return chosen.rows_per_call
    if chosen.units is None:
        return 0 if all(a == "all" for a in access) else chosen.rows_per_call
    straight = all(isinstance(reach, Run | All) for reach in at.step.reach)
    return 0 if alone and straight else chosen.rows_per_call


def choose(at: Site, chosen: Kernel, alone: bool, several: bool) -> Step:
    """The step with that kernel and what follows from it."""
    return called(at, chosen, rows_at_once(at, chosen, alone, several))


def called(at: Site, chosen: Kernel, group: int) -> Step:
    """The step with that kernel, which makes `group` rows a call (0: all)."""
    step = replace(at.step, kernel=chosen.name, group=group, inplace=chosen.inplace)
    scratch = chosen.scratch(replace(at, step=step)) if chosen.scratch is not None else 0
    return replace(step, scratch=scratch)


def tiles(at: Site) -> list[Step]:
    """The step as a pipeline may call it: the fewest rows a call, more of them, and where it reads them as a run any of TILES."""
    chosen = kernel(at.step.kernel)
    groups = {rows_at_once(at, chosen, False, several) for several in (False, True)}
    runs = all(chosen.access_of(i) in ("run", "all") for i in range(len(at.inputs)))
    if runs and chosen.units is not None and all(isinstance(reach, Run | All) for reach in at.step.reach):
        groups |= {rows for rows in TILES if rows < at.output.rows}
    return [called(at, chosen, group) for group in sorted(groups)]


def select(
    program: Program, features: frozenset[str], alone: bool = True, several: bool | str = True, large: bool = False
) -> Program:
    """The program with a kernel for every step.  Steps that name one keep it.  UnsupportedError where no kernel matches.

    alone: every step is a segment of its own and may make all its rows in one call; False: for pipelines, a few rows a call;
    large: whether kernels that spend flash for speed are wanted; several: whether those few may be more than the
    fewest, where that is faster ("run": only for kernels that read their rows as a run).
    """
    steps = []
    for step in program.steps:
        at = site(program, step)
        chosen = kernel(step.kernel) if step.kernel else candidates(at, features, large)[0]
        more = several if isinstance(several, bool) else chosen.access_of(0) == several
        steps.append(choose(at, chosen, alone, more))
    return program.with_(steps=tuple(steps))
