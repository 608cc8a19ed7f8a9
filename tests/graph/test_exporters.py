"""What PyTorch's two exporters make of one network, at several opsets, becomes one Program.  make_exports.py made the files."""

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
from edgec.ir.program import Program
from edgec.ir.text import print_program
from edgec.lower import lower
from tests.graph.test_shared_models import random_inputs

DATA = Path(__file__).parent / "data"
NETWORKS = {"vit": sorted(DATA.glob("vit_*.onnx")), "mixed": sorted(DATA.glob("mixed_*.onnx"))}
FILES = [path for paths in NETWORKS.values() for path in paths]


@cache
def program(path: Path) -> Program:
    model = front(path)
    split_heads(model)
    return nameless(lower(model, "net"))


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
