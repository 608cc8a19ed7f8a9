"""A plan within the budgets of the options: kernels chosen, scheduled, placed; in patches where --ram allows nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgec.errors import BudgetError
from edgec.ir.program import Program
from edgec.kernels.base import Cost
from edgec.memory.lifetime import blocks
from edgec.options import CompileOptions
from edgec.schedule.choose import Decision, Wanted, choose, named
from edgec.schedule.order import order
from edgec.schedule.patches import Patched, patchings
from edgec.schedule.plan import Plan, least_peak, plan
from edgec.schedule.rooms import RESERVE, UNLIMITED, arena_limit, arena_rooms, beside, flash_of, ram_of
from edgec.target import Target

SLACK = 1.045  # balanced: instructions a smaller schedule may take, as a multiple of the fastest one's
SCRATCH = 1.03  # balanced: RAM that kernels with much scratch may cost, as a multiple of what the default ones take
CACHED = 256 * 1024  # the same on phones, hosts and in browsers, bytes: what their second-level caches hold
PRICED = 1.08  # what a schedule is priced at before anything is placed, at most, as a multiple of the arena it gets


@dataclass(frozen=True)
class _Asked:
    """What a plan is for.  kernels: by step, not to be decided anew; measured: costs by (step, kernel) that go before predicted ones."""

    target: Target
    options: CompileOptions
    kernels: Mapping[str, str]
    measured: Mapping[tuple[str, str], Cost]


def planned(
    program: Program,
    target: Target,
    options: CompileOptions,
    kernels: Mapping[str, str] | None = None,
    measured: Mapping[tuple[str, str], Cost] | None = None,
) -> tuple[Plan, list[Decision]]:
    """order -> choose kernels -> segment -> select -> place, checked, and held against the budgets.

    kernels: by step, not to be decided anew; measured: costs by (step, kernel) that go before predicted ones.
    What does not fit --ram, or the several memories that a target has for the arena, is tried in patches, which compute some columns
    anew, least recomputation first.
    """
    program = order(replace(program, target=target.name))
    room = arena_limit(target, program, options)
    asked = _Asked(target, options, kernels or {}, measured or {})
    if kernels and (known := _replayed(program, kernels)) is not None:
        made, decisions = _planned(known.program, asked)
        return replace(made, patched=known), decisions
    made, decisions = _smaller(program, asked, room)
    if room is None or _fits(made, room):
        return made, decisions
    least = made.program.arena
    for patched in patchings(program, room) if options.input != "rows" else ():
        reached = least_peak(patched.program, target.isa, options.keep_input)
        if reached <= PRICED * room:
            other, others = _smaller(patched.program, asked, room)
            reached = other.program.arena
            if _fits(other, room):
                return replace(other, patched=patched), others
        least = min(least, reached)
    patches = f"would need about {least} bytes" if least < made.program.arena else "would not fit either"
    raise _too_large(made, target, options, f"patches {patches}")


def _too_large(made: Plan, target: Target, options: CompileOptions, patches: str) -> BudgetError:
    """What a model needs, what there is, and what would help."""
    rooms = " and ".join(f"{r.bytes} bytes in {r.name}" for r in arena_rooms(target, made.program))
    limits = [] if options.ram is None else [f"--ram allows {options.ram}"]
    limits += [f"{target.name} has {rooms} for the arena"] if rooms else []
    return BudgetError(
        f"the model needs {made.program.arena} bytes of arena and about {beside(made.program)} of stack and states, "
        f"{', '.join(limits)}; the peak is at step {peak_step(made.program)}; {patches}",
        "reduce the resolution or the channels of that layer, take the input by rows (--input rows), give int8 instead of float32 "
        f"(--calib), or {'take a board with more memory' if options.ram is None else 'raise --ram'}",
    )


def _fits(made: Plan, room: int) -> bool:
    """Whether a plan is within its budget, and each memory has room for its part."""
    return made.program.arena <= room and not made.missing


def _replayed(program: Program, kernels: Mapping[str, str]) -> Patched | None:
    """The patches that the names of a replayed choice are those of; None for the names of the program itself."""
    if all(step.name in kernels for step in program.steps):
        return None
    tried = patchings(program, UNLIMITED)
    return next((p for p in tried if kernels.keys() == {step.name for step in p.program.steps}), None)


def _smaller(program: Program, asked: _Asked, room: int | None) -> tuple[Plan, list[Decision]]:
    """The plan as asked for; where it does not fit into `room` bytes, the one of --optimize ram if that is smaller."""
    made = _planned(program, asked)
    if room is None or _fits(made[0], room) or asked.options.optimize == "ram":
        return made
    least = _planned(program, replace(asked, options=replace(asked.options, optimize="ram")))
    return min(made, least, key=lambda found: (found[0].missing, found[0].program.arena))


def _planned(program: Program, asked: _Asked) -> tuple[Plan, list[Decision]]:
    """The plan of an ordered program.  A kernel whose scratch does not fit into the RAM there is gives way to the next."""
    target, options = asked.target, asked.options
    flash = options.flash or (flash_of(target) or None if options.optimize == "speed" else None)
    memories = tuple(region.name for region in target.regions("weights"))
    wanted = Wanted(options.optimize, flash, asked.kernels, measured=asked.measured, memories=memories)
    most = options.ram or (ram_of(target) if options.optimize == "speed" else None)
    reserve = beside(program)
    while True:
        decisions = choose(program, target.isa, wanted)
        made = scheduled(named(program, decisions), target, options)
        heavy = [d for d in decisions if d.chosen.scratch > d.plain.scratch]
        if not heavy or asked.kernels:
            return made, decisions
        if most is None:
            plain = [replace(d, chosen=d.plain) for d in decisions]
            least = scheduled(named(program, plain), target, options).program.arena
            most = round(SCRATCH * least) + reserve + (CACHED if target.kind in ("platform", "host") else 0)
        if made.program.arena + reserve <= most:
            return made, decisions
        worst = max(d.chosen.scratch for d in heavy)  # and those much like it: every schedule takes time
        large = {(d.step, d.chosen.kernel) for d in heavy if 2 * d.chosen.scratch >= worst}
        wanted = replace(wanted, banned=wanted.banned | large)


def scheduled(program: Program, target: Target, options: CompileOptions) -> Plan:
    """The plan of a program whose kernels are decided."""
    most = arena_limit(target, program, options)
    limit = (
        most if options.ram is not None else ram_of(target) - beside(program) if options.optimize == "speed" else None
    )
    limit = None if options.optimize == "ram" else limit
    return plan(
        program,
        target.isa,
        options.keep_input,
        limit,
        stream=limit is None or limit + beside(program) != UNLIMITED + RESERVE,
        pushed=options.input == "rows",
        slack=SLACK if options.optimize == "balanced" else None,
        rooms=arena_rooms(target, program),
        most=0 if options.optimize == "ram" else most,
    )


def peak_step(program: Program) -> str:
    """The step during which most bytes are alive."""
    found = blocks(program)
    alive = [sum(b.bytes for b in found if b.first <= i <= b.last) for i in range(len(program.segments))]
    worst = max(range(len(alive)), key=alive.__getitem__, default=0)
    return f"{' -> '.join(program.segments[worst].steps)} ({alive[worst]} bytes)" if alive else "none"
