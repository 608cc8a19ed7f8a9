"""Rings of one pipeline in the same bytes: what is never alive together shares, what is does not, and every plan stays sound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.ir.program import Buffer, Port, Program, Segment, Step
from edgec.ir.reach import Run, Window
from edgec.memory.check import check
from edgec.memory.lifetime import uses
from edgec.memory.place import place
from edgec.memory.share import meet, shared
from edgec.schedule.segment import with_rings, with_scratch

SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=6)


def disjoint(raw: list[tuple[int, int]]) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    for start, length in sorted(raw):
        if not made or start > made[-1][1]:
            made.append((start, start + length))
    return made


@settings(max_examples=200)
@given(SPANS, SPANS)
def test_meet(one: list[tuple[int, int]], two: list[tuple[int, int]]) -> None:
    a, b = disjoint(one), disjoint(two)
    points = [{p for first, last in spans for p in range(first, last + 1)} for spans in (a, b)]
    assert meet(a, b) == meet(b, a) == bool(points[0] & points[1])


def chain(residual: bool) -> Program:
    """window -> pointwise -> window -> pointwise, one pipeline; residual: the last step also reads what the first pointwise made."""
    names = ["x", "w0", "p0", "w1", "p1"]
    buffers = tuple(Buffer(n, "int8", (1, 9, 16), 9) for n in names)
    steps = []
    for i, name in enumerate(names[1:]):
        reach = Window(9, 9, 3, 1, 1, 1) if name[0] == "w" else Run(9)
        steps.append(Step(f"s{i}", "mix", (names[i],), name, (reach,)))
    if residual:
        steps[3] = Step("s3", "twice", ("w1", "w0"), "p1", (Run(9), Run(9)))
    ports = (Port("x", "x", (1, 9, 16)),), (Port("y", "p1", (1, 9, 16)),)
    segments = (Segment(tuple(s.name for s in steps)),)
    return with_scratch(with_rings(Program("net", buffers, tuple(steps), *ports, segments=segments)))


def test_rows_read_at_once_share() -> None:
    program = chain(residual=False)
    assert [set(group) for group in shared(program, uses(program))] == [{"w0", "w1"}]
    placed = place(program).program
    assert placed.offsets["w0"] == placed.offsets["w1"]
    check(placed)


def test_a_row_kept_for_a_residual_does_not_share() -> None:
    program = chain(residual=True)
    assert shared(program, uses(program)) == []
    check(place(program).program)
