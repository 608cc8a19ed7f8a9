"""LayerNorm, RMSNorm, GroupNorm, InstanceNorm: integer results against the exact real ones on dense sweeps, onnxruntime, host C."""

from __future__ import annotations

import numpy as np
import pytest

from edgec.errors import UnsupportedError
from edgec.ir.program import Array, Quant
from edgec.ops._normalise import centred, normalise, normaliser
from tests.ops import ort
from tests.ops.page_bench import Operand, exact_share, run_node
from tests.ops.test_softmax import PAIRS

X, Y = Quant(0.0390625, 7), Quant(0.03125, -4)
RNG = np.random.default_rng(17)


def rows_of(depth: int, count: int, rng: np.random.Generator) -> Array:
    """Uniform, narrow, shifted, alternating, constant and one-outlier rows."""
    kinds = [
        rng.integers(-128, 128, (count, depth)),
        np.clip(rng.normal(3, 1.2, (count, depth)), -128, 127),
        np.clip(rng.normal(-110, 12, (count, depth)), -128, 127),
        np.where(rng.random((count, depth)) < 0.5, -128, 127),
        np.full((1, depth), -128),
        np.full((1, depth), 33),
        np.where(np.arange(depth) == depth // 2, 127, -128)[None],
        np.where(np.arange(depth) == 0, 1, 0)[None],
    ]
    return np.concatenate(kinds).astype(np.int8)


def real_norm(q: Array, x: Quant, epsilon: float, gamma: Array, beta: Array, rms: bool) -> Array:
    real = (q.astype(np.float64) - x.zero_point) * x.scale
    real = real if rms else real - real.mean(axis=1, keepdims=True)
    return np.asarray(real / np.sqrt((real * real).mean(axis=1, keepdims=True) + epsilon) * gamma + beta)


@pytest.mark.parametrize("rms", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3, 8, 17, 64, 65, 192, 240, 768, 1024, 4097])
def test_dense_sweep(depth: int, rms: bool) -> None:
    """Input scales from 1e-6 to 30, output scales from fine to coarse, any epsilon: the exact real result rounded, but for near ties."""
    rng = np.random.default_rng(depth)
    sweep(rows_of(depth, max(2, 400 // depth), rng), rng, rms)


@pytest.mark.parametrize("rms", [False, True])
def test_every_pair(rms: bool) -> None:
    """All 65536 rows of two values, at all scales."""
    sweep(PAIRS, np.random.default_rng(2), rms)


def sweep(q: Array, rng: np.random.Generator, rms: bool) -> None:
    depth = q.shape[1]
    for scale in (1e-6, 1e-4, 0.004, 0.05, 1.0, 30.0):
        for epsilon in (0.0, 1e-12, 1e-6, 1e-5, 1e-3, 1.0):
            x, y = (
                Quant(scale, int(rng.integers(-128, 128))),
                Quant(float(rng.choice([0.002, 0.011, 0.03, 0.3])), int(rng.integers(-128, 128))),
            )
            gamma, beta = rng.normal(1, 0.7, depth), rng.normal(0, 1.0, depth)
            made = normaliser(depth, x, y, epsilon, gamma, beta, rms)
            d, variance = centred(q)
            if rms:
                d = q.astype(np.int64) - x.zero_point
                variance = (d * d).sum(axis=1, keepdims=True)
            attrs = {**made.attrs, "lo": -128, "hi": 127}
            got = normalise(d, variance, attrs, made.consts["mult"], made.consts["add"], int(made.consts["epsilon"][0]))  # type: ignore[arg-type]
            with np.errstate(all="ignore"):
                real = np.where(variance == 0, beta, real_norm(q, x, epsilon, gamma, beta, rms))
            scaled = real / y.scale
            off = np.abs(got - np.clip(np.floor(scaled + 0.5) + y.zero_point, -128, 127))
            clear = np.abs(scaled - np.floor(scaled) - 0.5) > 1e-3
            assert off.max() <= 1 and not off[clear].any(), (scale, epsilon)


@pytest.mark.parametrize(("shape", "axis", "perm"), [
    ((3, 64), -1, None), ((1, 5, 48), 2, None), ((2, 3, 40), 1, None), ((1, 6, 4, 5), -1, None), ((1, 6, 4, 5), 1, (0, 2, 3, 1)),
    ((2, 4, 3, 5), 2, None), ((4, 6, 3), -1, (0, 2, 1)),
])  # fmt: skip
def test_layer_onnxruntime_and_host_c(shape: tuple[int, ...], axis: int, perm: tuple[int, ...] | None) -> None:
    q = RNG.integers(-128, 128, shape).astype(np.int8)
    gamma, beta = RNG.normal(1, 0.5, shape[axis:]).astype(np.float32), RNG.normal(size=shape[axis:]).astype(np.float32)
    operands = [Operand(q, X, perm), Operand(gamma, const=True), Operand(beta, const=True)]
    got, _ = run_node("LayerNormalization", operands, shape, Y, {"axis": axis, "epsilon": 1e-5})
    want = ort.run(
        "LayerNormalization",
        [q, None, None],
        {1: gamma, 2: beta},
        {"axis": axis, "epsilon": 1e-5},
        quants=[X],
        out_quant=Y,
    )[0]
    ort.compare(got, want, 0.98 if q.size < 500 else 0.995)
    x = RNG.normal(2, 3, shape).astype(np.float32)
    operands[0] = Operand(x, perm=perm)
    got, _ = run_node("LayerNormalization", operands, shape, attrs={"axis": axis, "epsilon": 1e-5})
    want = ort.run("LayerNormalization", [x, None, None], {1: gamma, 2: beta}, {"axis": axis, "epsilon": 1e-5})[0]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 4, 24), (3, 192)])
def test_root_mean_square(shape: tuple[int, ...]) -> None:
    q = RNG.integers(-128, 128, shape).astype(np.int8)
    gamma = RNG.normal(1, 0.5, shape[-1]).astype(np.float32)
    got, _ = run_node("RMSNormalization", [Operand(q, X), Operand(gamma, const=True)], shape, Y, {"epsilon": 1e-6})
    want = real_norm(q.reshape(-1, shape[-1]), X, 1e-6, gamma.astype(np.float64), np.zeros(1), True).reshape(shape)
    assert exact_share(got, want, Y) == (0, 1.0)
    x = RNG.normal(2, 3, shape).astype(np.float32)
    got, _ = run_node(
        "SimplifiedLayerNormalization", [Operand(x), Operand(gamma, const=True)], shape, attrs={"epsilon": 1e-6}
    )
    np.testing.assert_allclose(got, x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * gamma, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 7, 1024])
def test_host_c_ends_of_the_range(depth: int) -> None:
    q = rows_of(depth, 3, RNG)
    gamma, beta = RNG.normal(1, 2, depth).astype(np.float32), RNG.normal(0, 2, depth).astype(np.float32)
    for x, y, epsilon in (
        (Quant(1e-9, 0), Quant(0.5, 3), 1e-3),
        (Quant(25.0, -128), Quant(0.0004, 127), 0.0),
        (X, Y, 1e-5),
    ):
        operands = [Operand(q, x), Operand(gamma, const=True), Operand(beta, const=True)]
        run_node("LayerNormalization", operands, q.shape, y, {"epsilon": epsilon})
        run_node("LayerNormalization", operands, q.shape, y, {"epsilon": epsilon}, features=frozenset({"dsp"}))
        for features in (frozenset[str](), frozenset({"dsp"})):
            run_node("RMSNormalization", operands[:2], q.shape, y, {"epsilon": epsilon}, features=features)


@pytest.mark.parametrize(
    ("shape", "groups", "perm"), [((1, 6, 5, 4), 3, (0, 2, 3, 1)), ((2, 8, 7), 2, None), ((2, 4, 3, 3), 1, None)]
)
def test_group(shape: tuple[int, ...], groups: int, perm: tuple[int, ...] | None) -> None:
    q = RNG.integers(-128, 128, shape).astype(np.int8)
    gamma, beta = RNG.normal(1, 0.5, shape[1]).astype(np.float32), RNG.normal(size=shape[1]).astype(np.float32)
    operands = [Operand(q, X, perm), Operand(gamma, const=True), Operand(beta, const=True)]
    attrs = {"num_groups": groups, "epsilon": 1e-5}
    got, _ = run_node("GroupNormalization", operands, shape, Y, attrs)
    run_node("GroupNormalization", operands, shape, Y, attrs, features=frozenset({"dsp"}))
    want = ort.run(
        "GroupNormalization", [q, None, None], {1: gamma, 2: beta}, attrs, quants=[X], out_quant=Y, opset=21
    )[0]
    ort.compare(got, want, 0.98)
    x = RNG.normal(2, 3, shape).astype(np.float32)
    operands[0] = Operand(x, perm=perm)
    got, _ = run_node("GroupNormalization", operands, shape, attrs=attrs)
    want = ort.run("GroupNormalization", [x, None, None], {1: gamma, 2: beta}, attrs, opset=21)[0]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-6, 0.004, 0.05, 3.0])
@pytest.mark.parametrize(("channels", "groups", "size"), [(1, 1, 5), (6, 3, 7), (15, 5, 9), (7, 7, 64), (10, 1, 33)])
def test_group_dense_sweep(channels: int, groups: int, size: int, scale: float) -> None:
    """Every kind of group, tiny variances among them, against the exact real result rounded."""
    rng = np.random.default_rng(channels)
    kinds = rows_of(channels // groups * size, 6, rng)
    kinds = kinds[: len(kinds) // groups * groups]
    q = kinds.reshape(-1, channels, size)
    gamma, beta = rng.normal(1, 0.7, channels).astype(np.float32), rng.normal(0, 1, channels).astype(np.float32)
    x, operands = Quant(scale, -3), [Operand(gamma, const=True), Operand(beta, const=True)]
    attrs = {"num_groups": groups, "epsilon": 1e-5}
    got, _ = run_node("GroupNormalization", [Operand(q, x, (0, 2, 1)), *operands], q.shape, Y, attrs, compiled=False)
    plain = real_norm(kinds, x, 1e-5, np.ones(1), np.zeros(1), False).reshape(q.shape)
    want = plain * gamma.astype(np.float64)[:, None] + beta.astype(np.float64)[:, None]
    worst, same = exact_share(got, want, Y)
    assert worst <= 1 and same >= 0.999


def test_instance() -> None:
    shape = (2, 5, 6, 7)
    q = RNG.integers(-128, 128, shape).astype(np.int8)
    gamma, beta = RNG.normal(1, 0.5, 5).astype(np.float32), RNG.normal(size=5).astype(np.float32)
    operands = [Operand(q, X, (0, 2, 3, 1)), Operand(gamma, const=True), Operand(beta, const=True)]
    got, _ = run_node("InstanceNormalization", operands, shape, Y)
    ort.compare(
        got,
        ort.run("InstanceNormalization", [q, None, None], {1: gamma, 2: beta}, {}, quants=[X], out_quant=Y)[0],
        0.99,
    )


def test_factors_beyond_32_bits_are_refused() -> None:
    q = np.zeros((1, 4), np.int8)
    with pytest.raises(UnsupportedError, match="32 bits"):
        run_node("LayerNormalization", [Operand(q, X), Operand(np.full(4, 1e9, np.float32), const=True)], q.shape, Y)
