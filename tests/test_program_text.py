"""The Program as text: what is printed can be read, and what cannot be read is refused with the line's number."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgec.errors import ModelError
from edgec.ir.program import Attr, Buffer, Origin, Place, Port, Program, Quant, Region, Segment, Step
from edgec.ir.reach import All, Reach, Run, Table, Window
from edgec.ir.text import constants, parse_program, print_program

NAME = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
SIZE = st.integers(1, 9)
ANY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
ATTR: st.SearchStrategy[Attr] = st.one_of(
    st.integers(-(2**31), 2**31),
    st.floats(allow_nan=False),
    ANY_TEXT,
    st.booleans(),
    st.lists(st.integers(-5, 5), max_size=4).map(tuple),
)
REACH: st.SearchStrategy[Reach] = st.one_of(
    st.builds(Run, SIZE),
    st.builds(All, SIZE),
    st.builds(Window, SIZE, SIZE, SIZE, SIZE, SIZE, st.integers(0, 4)),
    st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 5)), min_size=1, max_size=4).map(
        lambda pairs: Table(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
    ),
)
QUANT = st.builds(Quant, st.floats(1e-9, 1e3), st.integers(-128, 127))
ORIGIN = st.builds(Origin, ANY_TEXT, st.just((0, 2, 3, 1)), st.lists(st.integers(0, 9), max_size=3).map(tuple))


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Anything that can be written down, sound or not."""
    names = draw(st.lists(NAME, min_size=2, max_size=5, unique=True))
    buffers = tuple(
        Buffer(
            name,
            draw(st.sampled_from(["int8", "uint8", "float32", "int64"])),
            draw(st.lists(SIZE, max_size=4).map(tuple)),
            draw(SIZE),
            stored=draw(st.integers(0, 3)),
            tile=draw(st.booleans()),
            quant=draw(st.none() | QUANT),
            origin=draw(st.none() | ORIGIN),
            view_of=draw(st.sampled_from(["", names[0]])),
        )
        for name in names
    )
    steps = []
    for i in range(draw(st.integers(0, 3))):
        inputs = tuple(draw(st.lists(st.sampled_from(names), max_size=3)))
        consts = {k: np.arange(3) for k in draw(st.lists(NAME, max_size=2, unique=True))}
        steps.append(
            Step(
                f"s{i}",
                draw(NAME),
                inputs,
                draw(st.sampled_from(names)),
                tuple(draw(REACH) for _ in inputs),
                draw(st.dictionaries(NAME, ATTR, max_size=3)),
                consts,
                kernel=draw(st.sampled_from(["", "dense_s8_c"])),
                group=draw(st.integers(0, 3)),
                inplace=draw(st.sampled_from([(), (0,), (0, 1)])),
                scratch=draw(st.sampled_from([0, 64])),
                node=draw(ANY_TEXT),
            )
        )
    port = Port(draw(ANY_TEXT), names[0], draw(st.lists(SIZE, max_size=4).map(tuple)))
    segments = (
        (Segment(tuple(s.name for s in steps), 8, draw(st.integers(-1, 64)), draw(st.booleans())),) if steps else ()
    )
    places = (Place(names[0], draw(st.integers(0, 99)), draw(st.sampled_from([(), (names[1],), tuple(names[:2])]))),)
    return Program(
        "net", buffers, tuple(steps), (port,), (port,), segments, places, 128, draw(st.sampled_from([0, 16])),
        regions=draw(st.sampled_from([(), (Region("dtcm", 0, 48), Region("sram", 48, 80))])),
    )  # fmt: skip


@given(programs())
def test_round_trip(program: Program) -> None:
    text = print_program(program)
    again = parse_program(text, constants(program))
    assert print_program(again) == text
    assert again.buffers == program.buffers
    for part in ("inputs", "outputs", "regions", "segments", "places"):
        assert getattr(again, part) == getattr(program, part)
    for step, other in zip(program.steps, again.steps, strict=True):
        assert (step.reach, dict(step.attrs), step.inputs) == (other.reach, dict(other.attrs), other.inputs)
        assert list(step.consts) == list(other.consts)


SOUND = """program net  target -  contract edgec.int8.v1  arena 8  scratch 0
buffer x  int8 1x4  rows 1
buffer y  int8 1x4  rows 1
input "x" x 1x4
output "y" y 1x4
step a  copy  x -> y  reach run 1  attrs {}
segment a  scratch 0 at -1
place x 0
place y 4
"""


def test_comments_and_blank_lines_are_skipped() -> None:
    program = parse_program("# a program\n\n" + SOUND, {})
    assert print_program(program) == SOUND


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("x -> y", "x", 6),
        ("reach run 1", "reach walk 1", 6),
        ("attrs {}", "attrs {", 6),
        ("attrs {}", "consts w", 6),
        ("rows 1\nbuffer y", "rows one\nbuffer y", 2),
        ("buffer x  int8 1x4", "buffer x  int8 1xx4", 2),
        ("buffer x  int8 1x4  rows 1", "buffer x  int8 1x4", 2),
        ("segment a  scratch 0", "segment a  scrotch 0", 7),
        ("place y 4", "place y", 9),
        ("place y 4", "put y 4", 9),
        ("arena 8", "arena", 1),
        ("arena 8", "arenas 8", 1),
        ('input "x"', "input x", 4),
    ],
)
def test_a_damaged_line_is_named(old: str, new: str, line: int) -> None:
    with pytest.raises(ModelError, match=f"line {line} of the program text") as caught:
        parse_program(SOUND.replace(old, new, 1), {})
    assert caught.value.hint


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ModelError, match="program NAME"):
        parse_program("", {})


@given(st.integers(0, len(SOUND)), st.text(max_size=5))
def test_any_damage_is_refused_or_read(at: int, junk: str) -> None:
    """Never another exception, never without end."""
    for text in (SOUND[:at], SOUND[:at] + junk + SOUND[at:]):
        with contextlib.suppress(ModelError):
            parse_program(text, {})
