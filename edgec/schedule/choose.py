"""Which kernel computes each step: the fastest set of kernels within the flash it may take (a knapsack with shared code).

Every step has candidates.  A choice costs flash for the constants of every step and once for every C function that some step needs,
so steps of one shape class share code.  From the fastest choice the search gives up, again and again, what costs the fewest
instructions for a byte of flash, one step at a time or all steps of a function at once, until the limit holds; then it takes back
what fits.  Which rows a call makes is not decided here (select.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from math import prod

from edgec.errors import BudgetError, UsageError
from edgec.ir.program import Program, site
from edgec.kernels.base import Cost, Kernel
from edgec.kernels.predict import code_keys, code_of, known, predict, stored, table
from edgec.kernels.registry import candidates, kernel
from edgec.schedule.select import choose as with_kernel

USUAL = 1.4
"""Cycles that an instruction of these kernels takes on Cortex-M4 (1.33 to 1.45 in most layers)."""
ROOM = 16 * 1024
"""Balanced: bytes of flash for code and for weights beyond the plain ones."""
FEW = 500
"""Choices of a whole model up to which all are tried."""
PRICE = 0.0005 / 1024
"""Balanced: what a byte of flash is worth, in parts of the work: half a permille for 1 KB."""


@dataclass(frozen=True)
class Candidate:
    """One kernel for one step.  cost: instructions, cycles, bytes of constants; code: what it needs and may share."""

    kernel: str
    cost: Cost
    scratch: int
    code: tuple[str, ...]
    measured: bool = False

    @property
    def work(self) -> float:
        """In instructions: the mean of them and of those that usually take so many cycles, where a CPU has a timing table.  A kernel of few
        instructions that take long is not the faster one."""
        return (self.cost.instructions + (self.cost.cycles / USUAL or self.cost.instructions)) / 2


@dataclass(frozen=True)
class Wanted:
    """What a choice is for.  optimize: as on the command line; flash: bytes the whole model may take, None for no limit;
    fixed: kernels by step that are not to be decided anew; banned: (step, kernel) not to be taken (their scratch is too large);
    measured: cost by (step, kernel) that was measured and goes before what is predicted; memories: names of the target's flash regions
    for constants."""

    optimize: str = "balanced"
    flash: int | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)
    banned: frozenset[tuple[str, str]] = frozenset()
    measured: Mapping[tuple[str, str], Cost] = field(default_factory=dict)
    memories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The kernel of a step, the best of the others, why it is not that one, and the default."""

    step: str
    chosen: Candidate
    runner_up: Candidate | None
    why: str
    plain: Candidate


def options(program: Program, features: frozenset[str], wanted: Wanted) -> dict[str, list[Candidate]]:
    """The candidates of every step, the first the default.  Others than that are candidates where they are calibrated; for the least flash,
    large ones where their code was measured."""
    found: dict[str, list[Candidate]] = {}
    large = wanted.optimize != "flash" or bool(table(program.target).code)
    for step in program.steps:
        at = site(program, step)
        plain = [kernel(step.kernel)] if step.kernel else candidates(at, features)
        every = plain if step.kernel else candidates(at, features, large)
        if not step.kernel and wanted.fixed:
            every = plain = [_fixed(wanted.fixed.get(step.name, "?"), step.name, every)]
        every = [k for k in every if k is plain[0] or known(k, at, program.target)]
        kept = [k for k in every if (step.name, k.name) not in wanted.banned] or plain[:1]
        made = [_candidate(program, step.name, k, wanted) for k in sorted(kept, key=lambda k: k is not plain[0])]
        found[step.name] = made
    return found


def _fixed(name: str, step: str, every: list[Kernel]) -> Kernel:
    for found in every:
        if found.name == name:
            return found
    raise UsageError(
        f"kernel {name!r} cannot compute step {step!r} here",
        "replay a choice only for the model, target and version it was made with; leave --replay out to decide anew",
    )


def _candidate(program: Program, name: str, chosen: Kernel, wanted: Wanted) -> Candidate:
    step = with_kernel(site(program, program.step_by_name[name]), chosen, alone=False, several=True)
    at = site(program, step)
    bytes_, measured = stored(chosen, at), wanted.measured.get((name, chosen.name))
    cost = replace(measured or predict(chosen, at, program.target), flash=bytes_)
    return Candidate(chosen.name, cost, step.scratch, code_keys(chosen, at), measured is not None)


@dataclass
class Choice:
    """Which candidate every step has now.  at: index by step."""

    options: Mapping[str, list[Candidate]]
    target: str
    at: dict[str, int]

    @classmethod
    def of(cls, options: Mapping[str, list[Candidate]], target: str, key: str) -> Choice:
        """Every step for itself: key "work" the fastest, "flash" the smallest, "plain" the default."""

        def rank(c: Candidate) -> tuple[float, float]:
            return (c.work, c.cost.flash) if key == "work" else (c.cost.flash, c.work) if key == "flash" else (0, 0)

        return cls(options, target, {name: made.index(min(made, key=rank)) for name, made in options.items()})

    def of_step(self, name: str) -> Candidate:
        return self.options[name][self.at[name]]

    def code(self) -> float:
        """Bytes of code."""
        return code_of((key for name in self.at for key in self.of_step(name).code), len(self.at), self.target)

    def weights(self) -> int:
        return sum(self.of_step(name).cost.flash for name in self.at)

    @property
    def flash(self) -> float:
        return self.code() + self.weights()

    @property
    def work(self) -> float:
        return sum(self.of_step(name).work for name in self.at)

    def changed(self, moves: Mapping[str, int]) -> Choice:
        return Choice(self.options, self.target, {**self.at, **moves})

    @cached_property
    def free(self) -> list[str]:
        """Steps that have a choice."""
        return [name for name, made in self.options.items() if len(made) > 1]

    def moves(self) -> Iterator[dict[str, int]]:
        """One step to another candidate; all steps that need a function to their best without it; or to a function."""
        for name in self.free:
            yield from ({name: i} for i in range(len(self.options[name])) if i != self.at[name])
        for key in sorted({key for name in self.free for c in self.options[name] for key in c.code}):
            without: dict[str, int] = {}
            onto: dict[str, int] = {}
            for name in self.free:
                made = self.options[name]
                if key in self.of_step(name).code:
                    others = [i for i, c in enumerate(made) if key not in c.code]
                    without[name] = min(others, key=lambda i: made[i].work, default=self.at[name])
                else:
                    users = [i for i, c in enumerate(made) if key in c.code and c.work < self.of_step(name).work]
                    onto |= {name: min(users, key=lambda i: made[i].work)} if users else {}
            yield from (move for move in (without, onto) if len(move) > 1)

    def lighter(self, limit: float) -> Choice:
        """Gives up speed for flash until the limit holds, or nothing saves flash any more."""
        choice = self
        while choice.flash > limit:
            tried = [choice.changed(move) for move in choice.moves()]
            less = [other for other in tried if other.flash < choice.flash]
            if not less:
                break
            here = choice
            choice = min(
                less, key=lambda o: ((o.work - here.work) / min(here.flash - o.flash, here.flash - limit), o.flash)
            )
        return choice

    def leaner(self, price: float) -> Choice:
        """Gives up speed that costs more flash than it is worth.  price: of a byte, in parts of the work."""
        choice, each = self, price * self.work
        while True:
            less = [other for other in map(choice.changed, choice.moves()) if other.flash < choice.flash]
            best = min(less, key=lambda other: other.work + each * other.flash, default=choice)
            if best.work + each * best.flash >= choice.work + each * choice.flash:
                return choice
            choice = best

    def faster(self, limit: float) -> Choice:
        """Takes back what fits."""
        choice = self
        while True:
            fits = [o for o in map(choice.changed, choice.moves()) if o.work < choice.work and o.flash <= limit]
            if not fits:
                return choice
            choice = min(fits, key=lambda other: (other.work, other.flash))


def choose(program: Program, features: frozenset[str], wanted: Wanted) -> list[Decision]:
    """A kernel for every step.  BudgetError if `wanted.flash` is less than any choice takes."""
    made = options(program, features, wanted)
    plain = Choice.of(made, program.target, "plain")
    limit = float(wanted.flash) if wanted.flash is not None else float("inf")
    if wanted.optimize == "balanced":
        least = sum(min(c.cost.flash for c in cands) for cands in made.values())
        limit = min(limit, max(least + ROOM, plain.flash))
    if wanted.optimize == "ram":
        choice = plain
    elif wanted.optimize == "flash":
        choice = Choice.of(made, program.target, "flash")
        choice = min((choice, choice.lighter(0.0), plain.lighter(0.0)), key=lambda c: (c.flash, c.work))
        choice = choice.faster(choice.flash)
    else:
        choice = _fastest(made, program.target, limit)
        if wanted.optimize == "balanced":
            choice = choice.leaner(PRICE)
    if wanted.flash is not None and choice.flash > wanted.flash:
        choice = min((choice, Choice.of(made, program.target, "flash").lighter(wanted.flash)), key=lambda c: c.flash)
        if choice.flash > wanted.flash:
            raise _too_large(choice, wanted)
    return [_decision(name, choice, limit, wanted) for name in made]


def _fastest(made: Mapping[str, list[Candidate]], target: str, limit: float) -> Choice:
    """The fastest choice within the limit, the smallest where there is none.  Few choices are tried all; the search among many is greedy,
    from the fastest and from the default ones."""
    starts = [Choice.of(made, target, key) for key in ("work", "plain")]
    if prod(map(len, made.values())) <= FEW:
        tried = [
            Choice(made, target, dict(zip(made, at, strict=True)))
            for at in product(*(range(len(c)) for c in made.values()))
        ]
    else:
        tried = [start.lighter(limit).faster(limit) for start in starts]
    return min(tried, key=lambda c: (max(c.flash, limit), c.work, c.flash))


def _too_large(choice: Choice, wanted: Wanted) -> BudgetError:
    worst = max(choice.at, key=lambda name: choice.of_step(name).cost.flash)
    share = choice.of_step(worst).cost.flash
    where = f" in {' and '.join(wanted.memories)} together" if len(wanted.memories) > 1 else ""
    return BudgetError(
        f"the smallest choice of kernels needs about {choice.weights()} bytes of constants and {choice.code():.0f} of code, "
        f"--flash allows {wanted.flash}{where}",
        f"most of it is step {worst!r} ({share} bytes): use int8 instead of float32 (--calib), fewer channels there, or raise --flash",
    )


def _decision(name: str, choice: Choice, limit: float, wanted: Wanted) -> Decision:
    chosen, cands = choice.of_step(name), choice.options[name]
    other = min((c for c in cands if c is not chosen), key=lambda c: c.work, default=None)
    return Decision(name, chosen, other, _why(name, choice, other, limit, wanted), cands[0])


def _why(name: str, choice: Choice, other: Candidate | None, limit: float, wanted: Wanted) -> str:
    chosen = choice.of_step(name)
    if name in wanted.fixed:
        return "replayed"
    if other is None:
        return "the only kernel for it"
    if chosen.work <= other.work:
        return f"least work ({'measured' if chosen.measured and other.measured else 'predicted'})"
    saved = f"the other would save the work of {chosen.work - other.work:,.0f} instructions"
    if wanted.optimize == "ram":
        return f"{saved} for {other.scratch - chosen.scratch:,} bytes of scratch: --optimize ram"
    more = choice.changed({name: choice.options[name].index(other)}).flash - choice.flash
    room = "--optimize flash" if wanted.optimize == "flash" else f"{max(limit - choice.flash, 0):,.0f} are left"
    return f"{saved} for {more:,.0f} bytes of flash: {room}"


def named(program: Program, decisions: list[Decision]) -> Program:
    """The program with the decided kernels; select.py keeps them."""
    kernels = {decision.step: decision.chosen.kernel for decision in decisions}
    return program.with_(steps=tuple(replace(step, kernel=kernels[step.name]) for step in program.steps))
