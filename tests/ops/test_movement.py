"""Data movement: pages against onnxruntime (exactly equal), C against the reference, views against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgec.errors import UnsupportedError
from edgec.ir.program import Buffer, Port, Program, Quant, Step, default_rows
from edgec.ops._layout import channels_last, identity, settle, spread, view_perm
from edgec.ops.movement import permute_args
from tests.ops import ort
from tests.ops.stub import const, lower, rows_alone

Q = Quant(float(np.float32(0.05)), -9)


def values(shape, dtype="int8", seed=0):
    rng = np.random.default_rng([seed, *shape])
    return rng.integers(-128, 128, shape).astype(dtype) if dtype == "int8" else rng.normal(size=shape).astype(dtype)


def check(op, shapes, attrs, constants=None, perm=None, outputs=1, dtype="float32", compiled=False, quant=None):
    """Our bytes against onnxruntime's values, for any storage order of the inputs."""
    constants = constants or {}
    xs = [values(s, dtype, i) for i, s in enumerate(shapes)]
    slots = len(shapes) + max((i - len(shapes) + 1 for i in constants), default=0)
    theirs = ort.run(op, [*xs, *[None] * (slots - len(xs))], constants, attrs, outputs,
                     quants=[quant] * len(xs) if quant else (), out_quant=quant)  # fmt: skip
    given_ = [(s, quant, perm or channels_last(len(s))) for s in shapes]
    rest = [const(constants[i], constants[i].dtype) if i in constants else None for i in range(len(shapes), slots)]
    case = lower(op, [*given_, *rest], [t.shape for t in theirs], attrs, quant, dtype="int8" if quant else dtype)
    for ours, want in zip(case.run(xs, compiled), theirs, strict=True):
        np.testing.assert_array_equal(ours, want)
    return case


I64 = np.int64


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize(
    "pads", [[0, 0, 1, 2, 0, 0, 2, 1], [0, 2, 0, 0, 1, 1, 0, 0], [1, 0, 1, 1, 0, 0, 1, 1]], ids=str
)
def test_pad(mode, pads):
    if mode != "constant" and (pads[0] or pads[4]):
        pads = [0, *pads[1:4], 0, *pads[5:]]
    check("Pad", [(2, 3, 4, 5)], {"mode": mode}, {1: np.array(pads, I64)})


def test_pad_crops_and_quantizes_its_constant():
    check("Pad", [(1, 3, 6, 5)], {}, {1: np.array([0, 0, -1, 2, 0, 1, -2, -1], I64), 2: np.float32(1.5)})
    check("Pad", [(1, 3, 6, 5)], {}, {1: np.array([0, 0, 1, 1, 0, 0, 1, 1], I64)}, quant=Q, dtype="int8")
    check(
        "Pad",
        [(1, 3, 6, 5)],
        {},
        {1: np.array([1, 1, 1, 1], I64), 2: np.float32(-100.0), 3: np.array([2, -1], I64)},
        quant=Q,
        dtype="int8",
    )


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_concat(axis):
    shapes = []
    for extra in (0, 2, 1):
        shape = [2, 3, 4, 5]
        shape[axis] += extra
        shapes.append(tuple(shape))
    case = check("Concat", shapes, {"axis": axis})
    assert len(case.program.steps) == 1
    check("Concat", shapes, {"axis": axis}, quant=Q, dtype="int8")


def test_concat_of_tokens_and_vectors():
    check("Concat", [(1, 1, 8), (1, 6, 8)], {"axis": 1}, perm=identity(3))
    check("Concat", [(4,), (3,)], {"axis": 0})
    check("Concat", [(2, 4), (2, 3)], {"axis": 1})


SLICES = [
    ([1, 1], [3, 4], [2, 3], [1, 1]),
    ([1], [3], [1], [1]),
    ([0, 0], [99, 99], [2, 3], [2, 3]),
    ([-1, -1], [-99, -99], [2, 3], [-1, -2]),
    ([5], [-(2**63)], [1], [-1]),
    ([-3], [2**63 - 1], [3], [1]),
    ([3], [0], [2], [-2]),
    ([1], [2], [0], [1]),
]


@pytest.mark.parametrize("what", SLICES, ids=str)
def test_slice(what):
    constants = {i + 1: np.array(v, I64) for i, v in enumerate(what)}
    check("Slice", [(2, 6, 4, 5)], {}, constants)
    check("Slice", [(2, 6, 4, 5)], {}, constants, perm=identity(4))


def test_slice_of_channels_runs_along_rows():
    case = check("Slice", [(1, 6, 4, 5)], {}, {1: np.array([2], I64), 2: np.array([4], I64), 3: np.array([1], I64)})
    step = case.program.steps[0]
    assert type(step.reach[0]).__name__ == "Run" and step.attrs["count"] == 5 and step.consts["runs"].tolist() == [2, 2]


@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_split(axis):
    shape = [2, 3, 4, 5]
    shape[axis] = 6
    check("Split", [tuple(shape)], {"axis": axis}, {1: np.array([1, 3, 2], I64)}, outputs=3)


@pytest.mark.parametrize("index", [np.array(2), np.array([3, 0, 0, -1]), np.array([[0, 1], [1, 2], [2, 3]])], ids=str)
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_gather(index, axis):
    check("Gather", [(1, 5, 4, 6)], {"axis": axis}, {1: index.astype(I64)})


def test_gather_frames():
    check(
        "Gather", [(1, 10, 4)], {"axis": 1}, {1: np.array([[i, i + 1, i + 2] for i in range(8)], I64)}, perm=identity(3)
    )


def test_expand_and_tile():
    check("Expand", [(1, 3, 1, 5)], {}, {1: np.array([2, 3, 4, 5], I64)})
    check("Expand", [(3, 1)], {}, {1: np.array([2, 1, 6], I64)})
    check("Tile", [(1, 3, 2, 5)], {}, {1: np.array([2, 2, 3, 1], I64)})


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode):
    check("DepthToSpace", [(2, 12, 3, 4)], {"blocksize": 2, "mode": mode})
    check("SpaceToDepth", [(2, 3, 4, 6)], {"blocksize": 2})


@pytest.mark.parametrize("perm", [(0, 3, 1, 2), (1, 0, 2, 3), (3, 2, 1, 0)])
def test_transpose_moves_no_byte(perm):
    case = check("Transpose", [(2, 3, 4, 5)], {"perm": list(perm)})
    assert not case.program.steps


@pytest.mark.parametrize(
    "new", [(2, 60), (2, 3, 20), (6, 4, 5), (2, 3, 2, 2, 5), (1, 2, 1, 3, 4, 5), (120,), (2, 12, 5)], ids=str
)
def test_reshape(new):
    check("Reshape", [(2, 3, 4, 5)], {}, {1: np.array(new, I64)})
    free = check("Reshape", [(2, 3, 4, 5)], {}, {1: np.array(new, I64)}, perm=identity(4))
    assert not free.program.steps


FREE = [
    ((1, 64, 1, 1), (0, 2, 3, 1), (1, 64), (0, 1)),
    ((1, 490), (0, 1), (1, 1, 49, 10), (0, 2, 3, 1)),
    ((1, 49, 10, 1), (0, 1, 2, 3), (1, 1, 49, 10), (0, 2, 3, 1)),
    ((2, 1, 4, 4), (0, 2, 3, 1), (2, 16), (0, 1)),
    ((1, 160, 1), (0, 2, 1), (1, 160), (0, 1)),
    ((1, 64), (0, 1), (1, 64, 1), (0, 2, 1)),
    ((1, 16, 8, 8), (0, 2, 3, 1), (16, 8, 8), (1, 2, 0)),
    ((1, 64, 7, 7), (0, 2, 3, 1), (1, 64, 49), (0, 2, 1)),
    ((1, 50, 192), (0, 1, 2), (1, 50, 3, 4, 16), (0, 1, 2, 3, 4)),
    ((1, 6, 4, 4), (0, 2, 3, 1), (1, 2, 3, 4, 4), (0, 3, 4, 1, 2)),
    ((1, 1, 1), (0, 1, 2), (1,), (0,)),
    ((1, 64, 7, 7), (0, 2, 3, 1), (1, 3136), None),
    ((4, 6), (1, 0), (24,), None),
    ((4, 6), (1, 0), (3, 8), None),
]


@pytest.mark.parametrize("case", FREE, ids=str)
def test_views(case):
    assert view_perm(*case[:3]) == case[3]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_view_never_lies(data):
    shape = tuple(data.draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=5)))
    perm = tuple(data.draw(st.permutations(range(len(shape)))))
    rest, new = math.prod(shape), []
    while rest > 1 or not new:
        divisors = [d for d in range(1, rest + 1) if rest % d == 0]
        new.append(data.draw(st.sampled_from(divisors)) if len(new) < 5 else rest)
        rest //= new[-1]
    new = tuple(new)
    found = view_perm(shape, perm, new)
    x = np.arange(math.prod(shape)).reshape(shape)
    stored = np.transpose(x, perm).reshape(-1)
    if found is None:
        assert perm != identity(len(shape))
    else:
        assert sorted(found) == list(range(len(new)))
        np.testing.assert_array_equal(
            np.transpose(stored.reshape(spread(new, found)), np.argsort(found)), x.reshape(new)
        )


def test_settle_prefers_few_rows():
    assert settle((1, 1, 490), (2,)) == (0, 1, 2)
    assert settle((1, 490, 1), (1,)) == (0, 2, 1)


def test_refusals_name_what_to_do():
    with pytest.raises(UnsupportedError, match="indices of type float32"):
        lower("Gather", [((4, 4), None, (0, 1)), ((2,), None, (0,))], [(2, 4)])
    with pytest.raises(UnsupportedError, match="empty"):
        lower("Slice", [((4, 4), None, (0, 1)), const([2]), const([2])], [(0, 4)])


COMPILED = [
    ("Pad", [(2, 3, 4, 5)], {}, {1: np.array([0, 1, 1, 2, 0, 0, 2, 1], I64), 2: np.float32(0.7)}),
    ("Pad", [(1, 9, 4, 5)], {"mode": "reflect"}, {1: np.array([0, 0, 2, 2, 0, 0, 2, 2], I64)}),
    ("Concat", [(1, 3, 4, 5), (1, 9, 4, 5)], {"axis": 1}, {}),
    ("Concat", [(1, 3, 4, 5), (1, 3, 2, 5), (1, 3, 1, 5)], {"axis": 2}, {}),
    (
        "Slice",
        [(1, 6, 4, 5)],
        {},
        {1: np.array([-1, 1], I64), 2: np.array([-99, 4], I64), 3: np.array([2, 1], I64), 4: np.array([-2, 1], I64)},
    ),
    ("Split", [(1, 6, 4, 5)], {"axis": 2}, {1: np.array([1, 3], I64)}),
    ("Gather", [(1, 10, 4)], {"axis": 1}, {1: np.array([[0, 3], [9, 2]], I64)}),
    ("Expand", [(1, 3, 1, 5)], {}, {1: np.array([1, 3, 4, 5], I64)}),
    ("DepthToSpace", [(1, 12, 3, 4)], {"blocksize": 2}, {}),
    ("Reshape", [(1, 3, 4, 5)], {}, {1: np.array([1, 60], I64)}),
]


@pytest.mark.parametrize("case", COMPILED, ids=lambda c: c[0])
@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_c_equals_reference(case, kind):
    op, shapes, attrs, constants = case
    quant = Q if kind == "int8" else None
    check(op, shapes, attrs, constants, outputs=2 if op == "Split" else 1, dtype=kind, quant=quant, compiled=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_permute_is_numpy_transpose(shape, data):
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    reach, attrs, consts = permute_args(tuple(shape), order)
    out = spread(tuple(shape), order)
    x = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    source = Buffer("x", "int32", tuple(shape), default_rows(tuple(shape)))
    result = Buffer("y", "int32", out, default_rows(out))
    step = Step("s", "permute", ("x",), "y", (reach,), attrs, consts)
    program = Program("net", (source, result), (step,), (Port("x", "x", source.shape),), (Port("y", "y", out),))
    np.testing.assert_array_equal(rows_alone(program, {"x": x})["y"].reshape(out), np.transpose(x, order))
