"""Cases for the tests of conv2d, depthwise and dense: random quantized layers, a naive loop, merged programs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgec.ir.program import Array, Program, Quant
from edgec.ops._layout import channels_last, identity
from edgec.ops.base import Tensor
from tests.ops.forced import Given, joined
from tests.ops.stub import Case, lower

X_QUANT, Y_QUANT = Quant(float(np.float32(0.05)), 3), Quant(float(np.float32(0.4)), -5)


def quantized(values: Array, scales: Array, zero_points: Array | int = 0, axis: int = 0) -> Tensor:
    """A constant of stored integers."""
    scales = np.atleast_1d(np.asarray(scales, np.float32))
    zero = np.broadcast_to(np.asarray(zero_points), scales.shape).astype(values.dtype)
    order, dtype = identity(values.ndim), str(values.dtype)
    return Tensor("w", values.shape, dtype, order, const=values, scales=scales, zero_points=zero, axis=axis)


@dataclass
class Layer:
    """One Conv, Gemm or MatMul.  shape: logical input; weight, scales: as stored; bias: int32 or None."""

    op: str
    shape: tuple[int, ...]
    weight: Array
    scales: Array
    bias: Array | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    x_quant: Quant = X_QUANT
    y_quant: Quant = Y_QUANT
    zero_points: Array | int = 0
    axis: int = 0
    lo: float = -math.inf
    hi: float = math.inf

    @property
    def real_weight(self) -> Array:
        along = [1] * self.weight.ndim
        along[self.axis] = -1
        zero = np.broadcast_to(np.asarray(self.zero_points), np.atleast_1d(self.scales).shape).reshape(along)
        return (
            (self.weight.astype(np.int64) - zero) * np.atleast_1d(self.scales).astype(np.float64).reshape(along)
        ).astype(np.float64)

    @property
    def bias_scale(self) -> Array:
        return np.float64(np.float32(self.x_quant.scale)) * np.atleast_1d(self.scales).astype(np.float64)

    @property
    def real_bias(self) -> Array | None:
        return None if self.bias is None else self.bias.astype(np.float64) * self.bias_scale

    @property
    def x(self) -> Array:
        low, high = self.x_quant.lowest, self.x_quant.highest
        found = np.random.default_rng(list(self.shape)).integers(low, high + 1, self.shape).astype(self.x_quant.dtype)
        found.reshape(-1)[:: max(found.size // 7, 1)] = low
        return found

    def real(self, x: Array) -> Array:
        """The exact real result (float64) of stored int8 x, before the clamp: a naive loop over outputs."""
        values = (x.astype(np.float64) - self.x_quant.zero_point) * np.float64(np.float32(self.x_quant.scale))
        if self.op == "Conv":
            return naive_conv(values, self.real_weight, self.real_bias, self.attrs)
        weight = self.real_weight.T if self.attrs.get("transB") else self.real_weight
        made = values @ weight
        return made if self.bias is None else made + self.real_bias

    def case(self, out_shape: tuple[int, ...], real: bool = False) -> Case:
        perm = channels_last(len(self.shape)) if self.op == "Conv" else identity(len(self.shape))
        tensors: list[Any] = [(self.shape, None if real else self.x_quant, perm)]
        tensors.append(quantized(self.weight, self.scales, self.zero_points, self.axis))
        if self.bias is not None:
            tensors.append(quantized(self.bias, self.bias_scale.astype(np.float32)))
        fused = {"lo": self.lo, "hi": self.hi}
        return lower(self.op, tensors, [out_shape], self.attrs, None if real else self.y_quant, **fused)


def naive_conv(x: Array, weight: Array, bias: Array | None, attrs: Mapping[str, Any]) -> Array:
    """[N,C,(H,)L] convolved, one output at a time."""
    if x.ndim == 3:
        flat = {**attrs, "pads": [0, attrs.get("pads", [0, 0])[0], 0, attrs.get("pads", [0, 0])[1]]}
        flat |= {"strides": [1, attrs.get("strides", [1])[0]], "dilations": [1, attrs.get("dilations", [1])[0]]}
        return naive_conv(x[:, :, None], weight[:, :, None], bias, flat)[:, :, 0]
    pads = attrs.get("pads", [0] * 4)
    (sh, sw), (dh, dw), groups = attrs.get("strides", [1, 1]), attrs.get("dilations", [1, 1]), attrs.get("group", 1)
    padded = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    outputs, part, kh, kw = weight.shape
    high = (padded.shape[2] - (kh - 1) * dh - 1) // sh + 1
    wide = (padded.shape[3] - (kw - 1) * dw - 1) // sw + 1
    y = np.zeros((x.shape[0], outputs, high, wide))
    for n, o, i, j in np.ndindex(y.shape):
        g = o // (outputs // groups)
        window = padded[
            n,
            g * part : (g + 1) * part,
            i * sh : i * sh + (kh - 1) * dh + 1 : dh,
            j * sw : j * sw + (kw - 1) * dw + 1 : dw,
        ]
        y[n, o, i, j] = (window * weight[o]).sum() + (0.0 if bias is None else bias[o])
    return y


def check(layer: Layer) -> Case:
    """Page against the exact real result rounded half up; one step off where the multiplier's 30 bits decide a tie."""
    real = np.clip(layer.real(layer.x), layer.lo, layer.hi)
    scaled = real / np.float64(np.float32(layer.y_quant.scale))
    quant = layer.y_quant
    want = np.clip(np.floor(scaled + 0.5) + quant.zero_point, quant.lowest, quant.highest)
    case = layer.case(real.shape)
    got = case.run([layer.x])[0]
    off = np.abs(got.astype(np.int64) - want)
    near = np.abs(scaled - np.floor(scaled) - 0.5) < (1e-5 if quant.bits == 8 else 1e-3)
    clamped = (real == layer.lo) | (real == layer.hi)  # bounds are rounded half to even
    assert off[~near & ~clamped].max(initial=0) == 0
    assert off.max(initial=0) <= 1
    return case


def conv(seed: int, shape: Sequence[int], outputs: int, kernel: Sequence[int], **attrs: Any) -> Layer:
    """A random convolution; weights -127..127, a scale for each output channel over three octaves."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-127, 128, (outputs, shape[1] // attrs.get("group", 1), *kernel)).astype(np.int8)
    scales = (0.004 * 2.0 ** rng.uniform(-3, 0, outputs)).astype(np.float32)
    bias = rng.integers(-3000, 3000, outputs).astype(np.int32)
    terms = weight[0].size
    x_quant = Quant(float(np.float32(0.05)), int(rng.integers(-128, 128)))
    y_quant = Quant(float(np.float32(0.05 * 0.3 * math.sqrt(terms) * 0.4)), int(rng.integers(-128, 100)))
    return Layer("Conv", tuple(shape), weight, scales, bias, attrs, x_quant, y_quant)


def dense(seed: int, shape: Sequence[int], outputs: int, op: str = "MatMul", **attrs: Any) -> Layer:
    """A random product with a constant matrix."""
    rng = np.random.default_rng(seed)
    weight = rng.integers(-127, 128, (shape[-1], outputs)).astype(np.int8)
    weight = np.ascontiguousarray(weight.T) if attrs.get("transB") else weight
    scales = (0.004 * 2.0 ** rng.uniform(-3, 0, outputs)).astype(np.float32)
    x_quant = Quant(float(np.float32(0.05)), int(rng.integers(-128, 128)))
    y_quant = Quant(float(np.float32(0.006 * math.sqrt(shape[-1]))), int(rng.integers(-128, 100)))
    bias = rng.integers(-3000, 3000, outputs).astype(np.int32) if op == "Gemm" else None
    return Layer(op, tuple(shape), weight, scales, bias, attrs, x_quant, y_quant, axis=0 if attrs.get("transB") else 1)


def case_of(layer: Layer, real: bool = False) -> Case:
    """The layer lowered; its output shape computed here, not by a naive convolution."""
    if layer.op != "Conv":
        outputs = layer.weight.shape[0 if layer.attrs.get("transB") else 1]
        return layer.case((*layer.shape[:-1], int(outputs)), real)
    spatial = len(layer.shape) - 2
    pads = layer.attrs.get("pads", [0] * 2 * spatial)
    strides, dilations = (layer.attrs.get(n, [1] * spatial) for n in ("strides", "dilations"))
    sizes = []
    for i in range(spatial):
        extent = (layer.weight.shape[2 + i] - 1) * dilations[i] + 1
        sizes.append((layer.shape[2 + i] + pads[i] + pads[spatial + i] - extent) // strides[i] + 1)
    return layer.case((layer.shape[0], layer.weight.shape[0], *sizes), real)


def merged(cases: Sequence[Case], values: Sequence[Array | Sequence[Array]]) -> tuple[Program, dict[str, Array]]:
    """Independent cases as one program, so that they cost one compilation; and its inputs.  values: one array each, or several."""
    given = []
    for case, value in zip(cases, values, strict=True):
        arrays = value if isinstance(value, list) else [value]
        pairs = zip(case.inputs, arrays, strict=True)
        sample = {t.buffer: np.ascontiguousarray(np.transpose(array, t.perm)) for t, array in pairs}
        given.append(Given(case.program, (sample,)))
    made = joined(given)
    return made.program, dict(made.samples[0])
