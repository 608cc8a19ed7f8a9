"""Low rank: chains fold exactly, factors cost what they may, the error that is reported is the one that is made."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.graph.stages import check, run
from edgec.quant.lowrank import factorize, fold_chains
from tests.quant.models import conv_net, parse, randoms, samples


def test_chains_fold() -> None:
    w = randoms(1, a=(16, 16), b=(16, 8), bias=(8,))
    text = "net (float[1, 4, 16] x) => (float[1, 4, 8] y) { m = MatMul (x, a) n = MatMul (m, b) y = Add (n, bias) }"
    model, folded = parse(text, w), parse(text, w)
    assert len(fold_chains(folded)) == 1
    check(model, folded, {"x": randoms(2, x=(1, 4, 16))["x"]}, 1e-5)
    narrow = parse(text, randoms(1, a=(16, 2), b=(2, 8), bias=(8,)))
    assert fold_chains(narrow) == [], "a bottleneck stays"


def test_factors_of_a_low_rank_layer_are_exact() -> None:
    w = randoms(4, u=(32, 3), v=(3, 24))
    model = parse("net (float[5, 32] x) => (float[5, 24] y) { y = MatMul (x, w) }", {"w": w["u"] @ w["v"]})
    before = model.clone()
    data = {"x": np.random.default_rng(0).standard_normal((8, 5, 32)).astype(np.float32)}
    found = factorize(model, data, 0.3)
    assert found[0]["rank"] == int(0.3 * 32 * 24 / 56)
    assert found[0]["macs_after"] <= 0.3 * found[0]["macs_before"]
    assert found[0]["error"] == pytest.approx(0.0, abs=1e-5)
    check(before, model, {"x": data["x"][0]}, 1e-4)


def test_the_reported_error_is_made() -> None:
    model = parse("net (float[1, 32] x) => (float[1, 24] y) { y = MatMul (x, w) }", randoms(5, w=(32, 24)))
    before = model.clone()
    rng = np.random.default_rng(0)
    data = {"x": (rng.standard_normal((64, 32)) * np.geomspace(0.1, 4, 32)).astype(np.float32)}
    found = factorize(model, data, 0.6)
    pairs = [(run(before, {"x": x[None]})["y"], run(model, {"x": x[None]})["y"]) for x in data["x"]]
    error = np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((a**2).sum() for a, _ in pairs))
    assert found[0]["error"] == pytest.approx(float(error), rel=0.25)
    assert factorize(before, data, 0.6, most=found[0]["error"] / 2) == []


def test_a_pointwise_convolution() -> None:
    model = conv_net()
    before = model.clone()
    found = factorize(model, samples(model), 0.9)
    assert {entry["of"] for entry in found} == {8, 5}
    outputs = [run(m, {"x": samples(model)["x"][:1]})["y"] for m in (before, model)]
    assert outputs[0].shape == outputs[1].shape
