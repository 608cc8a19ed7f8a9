"""Every pass's docstring shows Before and After: here the boxes are executed, compared, and run in onnxruntime."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgec.graph import (
    activation,
    affine,
    attention,
    fold,
    gelu,
    gemm,
    movement,
    norm_affine,
    normalize,
    norms,
    opset,
    patterns,
    qoperator,
    slices,
    softmax,
    stages,
    window,
)
from edgec.graph.view import dtype, shape
from tests.graph.structure import assert_same, parse, parse_inferred

MODULES = (activation, affine, attention, fold, gelu, gemm, movement, norm_affine, norms, opset, patterns, qoperator, slices, softmax, window)


def boxed() -> list[Callable[..., Any]]:
    return [
        function
        for module in MODULES
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and re.search(r"^ *Before( \(|::)", function.__doc__ or "", re.M)
    ]


def boxes(function: Callable[..., Any]) -> tuple[str, str, int]:
    doc = inspect.getdoc(function) or ""
    found = re.search(r"Before(?: \(opset (\d+)\))?::\n\n(.*?)\nAfter::\n\n(.*?)(?:\n\S|\Z)", doc, re.S)
    assert found is not None, f"{function.__name__}: the docstring has no Before/After box"
    return textwrap.dedent(found[2]), textwrap.dedent(found[3]), int(found[1] or 21)


@pytest.mark.parametrize("function", boxed(), ids=lambda f: f.__name__)
def test_box(function: Callable[..., Any]) -> None:
    before_text, after_text, version = boxes(function)
    before, after = parse_inferred(before_text, version), parse(after_text)
    made = parse_inferred(before_text, version)
    for _ in range(5):
        if function(made) is not True:
            break
        normalize.tidy(made)
    normalize.tidy(made)
    assert_same(made, after)
    rng = np.random.default_rng(1)
    inputs = {str(v.name): (rng.standard_normal(shape(v)) * 3).astype(dtype(v)) for v in before.graph.inputs}
    stages.check(before, made, inputs)


def test_every_pass_has_a_box() -> None:
    passes = {*normalize.STATIC, *normalize.SPELLING, opset.canonical, qoperator.expand}
    assert {f.__name__ for f in passes} == {f.__name__ for f in boxed()}
