"""Execution order of the steps: what no output needs is left out; branching programs are ordered so that little is alive at once.

The search works on whole tensors, a proxy for the plan: where it finds an order with a lower peak, the planner prices that one too.
Dynamic programming over downsets (sets of steps closed under producers); with more of a size than WIDTH, the best of them (beam).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edgec.ir.program import Program

STATES = 20_000  # downsets looked at in all
WIDTH = 32  # of one size kept, at least


def order(program: Program) -> Program:
    """The steps that the outputs need, producers first, as the model states them."""
    makers = {step.output: step for step in program.steps}
    wanted: set[str] = set()
    todo = [program.base(port.buffer).name for port in program.exits]
    while todo:
        name = todo.pop()
        if name in wanted:
            continue
        wanted.add(name)
        if name in makers:
            todo += [program.base(source).name for source in makers[name].inputs]
    steps = tuple(step for step in program.steps if step.output in wanted)
    kept = wanted | {program.base(port.buffer).name for port in program.entries}
    buffers = tuple(b for b in program.buffers if program.base(b.name).name in kept)
    return program.with_(steps=steps, buffers=buffers)


@dataclass
class _Graph:
    """Steps by number, as bit masks.  needs[i]: steps that must come before step i; readers: stored buffer -> steps that read it."""

    program: Program
    keep_input: bool
    needs: list[int] = field(default_factory=list)
    sources: list[set[str]] = field(default_factory=list)
    readers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        program = self.program
        makers = {step.output: i for i, step in enumerate(program.steps)}
        for i, step in enumerate(program.steps):
            names = {program.base(name).name for name in step.inputs} - {step.output}
            self.sources.append(names)
            self.needs.append(sum(1 << makers[name] for name in names if name in makers))
            for name in names:
                self.readers[name] = self.readers.get(name, 0) | 1 << i
        self.kept = {program.base(p.buffer).name for p in program.exits}
        self.kept |= {program.base(p.buffer).name for p in program.inputs} if self.keep_input else set()

    def bytes(self, name: str) -> int:
        return self.program.by_name[name].bytes

    def start(self) -> int:
        """Bytes alive before the first step."""
        return sum(self.bytes(self.program.base(port.buffer).name) for port in self.program.entries)

    def least(self) -> int:
        """No order has a smaller peak: what one step alone needs, and what is there at the start."""
        alone = (
            sum(self.bytes(n) for n in {*names, step.output})
            for names, step in zip(self.sources, self.program.steps, strict=True)
        )
        return max([self.start(), *alone])

    def freed(self, done: int, i: int) -> int:
        """Bytes that nobody reads once step i has run after the steps of `done`."""
        after = done | 1 << i
        names = (n for n in self.sources[i] if n not in self.kept and not self.readers[n] & ~after)
        return sum(self.bytes(name) for name in names)


def peak(program: Program, keep_input: bool = False) -> int:
    """The most bytes of whole tensors alive at once, in the order of the steps."""
    graph = _Graph(program, keep_input)
    live = most = graph.start()
    for i, step in enumerate(program.steps):
        live += graph.bytes(step.output)
        most = max(most, live)
        live -= graph.freed((1 << i) - 1, i)
    return most


def reordered(program: Program, keep_input: bool = False, width: int | None = None) -> Program:
    """The steps in an order with the smallest peak() there is (of those the beam sees); the program itself, if none is better.

    width: downsets of one size that are kept; exact where there are no more.
    """
    graph, count, stated = _Graph(program, keep_input), len(program.steps), peak(program, keep_input)
    if stated <= graph.least():
        return program
    width = width or max(WIDTH, STATES // max(count, 1))
    layer = {0: (graph.start(), 0, graph.start())}  # downset -> peak so far, sum of what was alive, alive now
    came: dict[int, int] = {}  # downset -> its last step
    for _ in range(count):
        following: dict[int, tuple[int, int, int]] = {}
        for done, (most, total, live) in layer.items():
            for i, needs in enumerate(graph.needs):
                if done >> i & 1 or needs & ~done:
                    continue
                during = live + graph.bytes(program.steps[i].output)
                state = max(most, during), total + during, during - graph.freed(done, i)
                after = done | 1 << i
                if after not in following or state < following[after]:
                    following[after], came[after] = state, i
        kept = sorted(following.items(), key=lambda item: (item[1], item[0]))[:width]
        layer = dict(kept)
    found, steps = (1 << count) - 1, []
    if layer[found][0] >= stated:
        return program
    while found:
        steps.append(program.steps[came[found]])
        found ^= 1 << came[found]
    return program.with_(steps=tuple(reversed(steps)))
