"""What PyTorch's two exporters make of one network, at several opsets, becomes one Program, in float and in int8.  make_exports.py
made the files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from edgec.graph import stages
from edgec.graph.heads import split_heads
from edgec.graph.load import front
from edgec.graph.normalize import normalize
from edgec.graph.view import shape
from edgec.ir.program import Program
from edgec.ir.text import print_program
from edgec.lower import lower
from edgec.quant import QuantOptions, quantize
from tests.graph.test_shared_models import random_inputs

DATA = Path(__file__).parent / "data"
NETWORKS = {"vit": sorted(DATA.glob("vit_*.onnx")), "mixed": sorted(DATA.glob("mixed_*.onnx"))}
QUICK = ("vit_sdpa_script17", "vit_sdpa_dynamo25", "mixed_dynamo25")  # in int8 the others are slow
FILES = [path for paths in NETWORKS.values() for path in paths]


@cache
def program(path: Path) -> Program:
    model = front(path)
    split_heads(model)
    return nameless(lower(model, "net"))


@cache
def quantized(path: Path) -> Program:
    """In int8, from the same 8 samples."""
    model = front(path)
    split_heads(model)
    source = model.graph.inputs[0]
    samples = np.random.default_rng(1).normal(size=(8, *shape(source)[1:])).astype(np.float32)
    made = quantize(model, {str(source.name): samples}, QuantOptions(effort=0, trial_samples=8))
    return nameless(lower(normalize(made.model), "net", True))


def nameless(made: Program) -> Program:
    """Buffers and steps numbered as they come; nothing left of the model's names."""
    names = {buffer.name: f"b{index}" for index, buffer in enumerate(made.buffers)}
    buffers = [replace(b, name=names[b.name], origin=None, view_of=names.get(b.view_of, "")) for b in made.buffers]
    steps = [
        replace(step, name=f"s{i}", inputs=tuple(names[n] for n in step.inputs), output=names[step.output], node="")
        for i, step in enumerate(made.steps)
    ]
    ports = [tuple(replace(p, buffer=names[p.buffer]) for p in side) for side in (made.inputs, made.outputs)]
    return replace(made, buffers=tuple(buffers), steps=tuple(steps), inputs=ports[0], outputs=ports[1])


def test_the_files_are_there() -> None:
    assert len(NETWORKS["vit"]) == 10 and len(NETWORKS["mixed"]) == 6
    assert max(path.stat().st_size for path in FILES) < 60_000
    assert sum(path.stat().st_size for path in FILES) < 400_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_same_program(path: Path) -> None:
    first = program(NETWORKS[path.stem.split("_")[0]][0])
    made = program(path)
    assert print_program(made) == print_program(first)
    for ours, theirs in zip(made.steps, first.steps, strict=True):
        for name in ours.consts:
            assert ours.consts[name].dtype == theirs.consts[name].dtype
            np.testing.assert_allclose(ours.consts[name], theirs.consts[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=() if p.stem in QUICK else pytest.mark.slow) for p in FILES],
    ids=lambda path: path.stem,
)
def test_same_int8_program(path: Path) -> None:
    """To the bit: ranges, roundings and constants; in integers throughout."""
    first, made = quantized(NETWORKS[path.stem.split("_")[0]][0]), quantized(path)
    assert {buffer.dtype for buffer in made.buffers} == {"int8"}
    assert print_program(made) == print_program(first)
    for ours, theirs in zip(made.steps, first.steps, strict=True):
        assert all(np.array_equal(ours.consts[name], theirs.consts[name]) for name in theirs.consts)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_same_answers(path: Path) -> None:
    """The normal form, and the heads one by one, against the file itself."""
    model = front(path)
    for seed in range(3):
        stages.check(path, model, random_inputs(model, seed), 1e-5)
    split_heads(model)
    for seed in range(3):
        stages.check(path, model, random_inputs(model, seed), 1e-5)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_whole_operators(path: Path) -> None:
    """Nothing is left in pieces."""
    found = Counter(node.op_type for node in front(path).graph)
    assert not found.keys() & {
        "ReduceMean",
        "Sqrt",
        "Reciprocal",
        "Pow",
        "Div",
        "Erf",
        "Tanh",
        "Attention",
        "Slice",
        "Softplus",
        "Sigmoid",
    }
    if path.stem.startswith("vit"):
        assert (found["LayerNormalization"], found["Gelu"], found["Softmax"], found["Split"]) == (5, 2, 2, 2)
    else:
        norms = ("GroupNormalization", "InstanceNormalization", "LayerNormalization", "RMSNormalization")
        assert [found[name] for name in (*norms, "SiLU", "HardSwish", "HardSigmoid", "Mish", "Gelu")] == [
            1,
            1,
            1,
            1,
            2,
            1,
            1,
            1,
            1,
        ]


def test_heads_are_split() -> None:
    for path in NETWORKS["vit"]:
        assert split_heads(front(path)), path.name
