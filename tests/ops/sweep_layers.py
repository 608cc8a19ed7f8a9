"""Convolutions, depthwise ones and products with a matrix in every size: what the sweeps give to every kernel of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from edgec.errors import UnsupportedError
from edgec.ir.program import Array, Quant
from tests.ops.convolutions import Layer, case_of, conv, dense
from tests.ops.forced import Given, extremes
from tests.ops.test_convolutions import LAYERS as PAGE_LAYERS
from tests.ops.test_convolutions import corner

T = TypeVar("T")
CHANNELS = [*range(1, 41), 67, 129, 255]
PAIRS = [
    *itertools.product(range(1, 41), repeat=2),
    (67, 129),
    (129, 67),
    (255, 3),
    (3, 255),
    (251, 37),
    (1, 131),
    (131, 1),
]
KERNELS = [(1, 1), (3, 3), (5, 5), (7, 7), (1, 3), (3, 1), (5, 3), (2, 4), (4, 2), (1, 7), (8, 2)]
STRIDES = [(1, 1), (2, 2), (3, 3), (1, 2), (2, 1), (3, 1)]
DILATIONS = [(1, 1), (2, 2), (1, 2)]
WINDOWS = [*itertools.product(KERNELS, STRIDES, DILATIONS, range(4))]
"""Every kernel with every stride, dilation and padding."""


def windowed(
    seed: int, cin: int, cout: int, window: tuple[Sequence[int], Sequence[int], Sequence[int], int], group: int = 1
) -> Layer:
    """A convolution with that kernel, stride, dilation and padding: none, about the same size, on two sides, more than a window."""
    kernel, strides, dilations, padding = window
    high, wide = ((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    pads = [
        [0, 0, 0, 0],
        [high // 2, (wide - 1) // 2, (high - 1) // 2, wide // 2],
        [0, wide - 1, high - 1, 0],
        [high, 0, 1, wide + 1],
    ][padding]
    size = [r + more for r, more in zip((high, wide), (seed % 3, seed % 5), strict=True)]
    attrs = {"strides": list(strides), "dilations": list(dilations), "pads": pads, "group": group}
    return conv(seed, (1, cin, *size), cout, kernel, **attrs)


def some(items: Iterable[T], each: int) -> Iterator[tuple[int, T]]:
    """Every `each`th item, numbered as in the whole."""
    return itertools.islice(enumerate(items), 0, None, each)


def matrices(each: int) -> Iterator[Layer]:
    """1x1 on one to nine pixels of two rows."""
    for n, (i, o) in some(PAIRS, each):
        yield conv(n, (1, i, 2, 1 + (7 * i + o) % 9), o, (1, 1))


def vectors(each: int) -> Iterator[Layer]:
    """One to four vectors, with and without bias, both orders of the weights."""
    for n, (i, o) in some(PAIRS, each):
        rows, turned = 1 + (i + o) % 4, {"transB": n // 2 % 2}
        yield dense(n, (rows, i), o, "Gemm", **turned) if n % 2 else dense(n, (rows, i), o)


def images(each: int) -> Iterator[Layer]:
    """3x3 of stride 1, every padding on each side."""
    for n, (i, o) in some(PAIRS, each):
        pads = [(n + i) // 3**side % 3 for side in range(4)]
        yield conv(n, (1 + (n % 11 == 0), i, 3 + (i + o) % 4, 3 + (i + 3 * o) % 7), o, (3, 3), pads=pads)


def tiles(each: int) -> Iterator[Layer]:
    """3x3 of stride 1, weights so small that every sum is proven to fit the transformed domain, sizes around its tiles."""
    for n, (i, o) in some([p for p in PAIRS if p[0] % 4 == 0], each):
        layer = conv(n, (1, i, 4 + n % 5, 4 + (n + o) % 7), o, (3, 3), pads=[1, n % 2, 1, n // 2 % 2])
        yield replace(layer, weight=layer.weight // 4)


def strided(each: int) -> Iterator[Layer]:
    """3x3 of other strides."""
    for n, (i, o) in some(PAIRS, each):
        pads = [(n + o) // 2**side % 2 for side in range(4)]
        yield conv(n, (1, i, 3 + n % 3, 4 + (i + o) % 5), o, (3, 3), pads=pads, strides=STRIDES[1 + n % 5])


def windows(each: int) -> Iterator[Layer]:
    """Each pair of channel counts with the next window."""
    for n, (i, o) in some(PAIRS, each):
        yield windowed(n, i, o, WINDOWS[n * 5 % len(WINDOWS)])


def crossing(each: int) -> Iterator[Layer]:
    """Every window with four pairs of channel counts."""
    for n, window in some(WINDOWS, each):
        for i, o in ((1, 6), (3, 9), (8, 5), (18, 4)):
            yield windowed(n, i, o, window)


def groups(each: int) -> Iterator[Layer]:
    """Each pair as inputs and outputs of one of two or three groups."""
    for n, (i, o) in some(PAIRS, each):
        count = 2 + n % 2
        if i > 1:
            yield windowed(
                n,
                count * i,
                count * o,
                (((3, 3), (1, 3), (2, 2), (1, 1))[n % 4], (1, 1 + n % 2), (1, 1), n // 4 % 3),
                count,
            )


def first(each: int) -> Iterator[Layer]:
    """Few input channels, rows long and short: first layers."""
    kernels = [(3, 3), (5, 5), (7, 7), (10, 4), (3, 5)]
    for n, (i, o) in some(itertools.product((1, 2, 3, 4), range(1, 41)), each):
        for kernel in kernels:
            for stride in (1, 2):
                wide = (kernel[1] + n % 7, 38 * stride + n % 12)[n % 4 == 0]
                size, pads = (kernel[0] + n % 3, wide), [n % 2, kernel[1] // 2, n // 2 % 2, n % 3]
                yield conv(n, (1, i, *size), o, kernel, strides=[stride, stride], pads=pads)


def depthwise(each: int) -> Iterator[Layer]:
    """Each channel count with each kernel at three strides, without and with dilation, the paddings by turns."""
    for n, (c, kernel, stride) in some(itertools.product(CHANNELS[1:], KERNELS, STRIDES[:3]), each):
        yield windowed(n, c, c, (kernel, stride, DILATIONS[n // 5 % 2], n % 4), c)


def depthwise_crossing(each: int) -> Iterator[Layer]:
    """Every window with three channel counts; and with several outputs for an input channel."""
    for n, window in some(WINDOWS, each):
        for c in (5, 16, 19):
            yield windowed(n, c, c, window, c)
        yield windowed(n, 2 + n % 5, (2 + n % 5) * (2 + n % 3), window, 2 + n % 5)


def worthwhile(each: int) -> Iterator[Layer]:
    """So large that kernels written out for one shape are taken: few inputs of many pixels, narrow depthwise ones."""
    for n, (i, o) in some(itertools.product((9, 10, 11, 13, 14, 15), CHANNELS), each):
        yield conv(n, (1, i, 3, 32768 // (3 * i * o) + 1), o, (1, 1))
    for n, (c, half) in some(itertools.product(CHANNELS[3:], (1, 5)), each):
        wide = half + n // 2 % 4
        if 4 * wide * c <= 4096:
            high = 7300 // (wide * c) + 1 + n % 4
            pads = [n % 3, 1, n // 3 % 3, 1]
            yield conv(n, (1, c, high + 2 - pads[0] - pads[2], wide), c, (3, 3), pads=pads, group=c)


def mixed(n: int, cin: int, cout: int) -> Layer:
    """By turns 1x1, vectors, a depthwise and two other convolutions."""
    match (cin + 2 * cout) % 5:
        case 0:
            return conv(n, (1, cin, 3, 1 + n % 4), cout, (1, 1))
        case 1:
            return dense(n, (1 + n % 3, cin), cout)
        case 2:
            return windowed(n, max(cin, 2), max(cin, 2), WINDOWS[n * 7 % len(WINDOWS)], max(cin, 2))
        case 3:
            return conv(n, (1, cin, 4, 3 + n % 3), cout, (3, 3), pads=[1, 1, 1, 1])
    return windowed(n, cin, cout, WINDOWS[n * 5 % len(WINDOWS)])


def sixteen(each: int) -> Iterator[Layer]:
    """int16 in, out, or both."""
    for n, (i, o) in some(PAIRS, each):
        layer = mixed(n, i, o)
        x, y = (Quant(float(np.float32(q.scale / 256)), 0, 16) for q in (layer.x_quant, layer.y_quant))
        kinds = [{"x_quant": x, "y_quant": y}, {"x_quant": x}, {"y_quant": y}, {"x_quant": x, "y_quant": y, "lo": 0.0}]
        yield replace(layer, **kinds[n // 3 % 4])  # type: ignore[arg-type]


def large(each: int) -> Iterator[Layer]:
    """Odd large ones, batches, groups, long rows."""
    layers = [
        conv(600, (1, 251, 3, 3), 37, (1, 1)),
        conv(601, (1, 67, 3, 5), 131, (3, 3), pads=[1, 1, 1, 1]),
        conv(602, (1, 147, 4, 4), 18, (3, 3), pads=[0, 0, 1, 1], strides=[2, 2]),
        conv(603, (1, 3, 9, 61), 33, (3, 3), pads=[1, 1, 1, 1]),
        conv(604, (1, 3, 9, 62), 8, (3, 3), pads=[0, 0, 1, 1], strides=[2, 2]),
        conv(605, (1, 1, 49, 10), 64, (10, 4), pads=[4, 1, 5, 1], strides=[2, 2]),
        conv(606, (1, 251, 3, 3), 251, (3, 3), pads=[1, 1, 1, 1], group=251),
        conv(607, (1, 19, 7, 53), 19, (3, 3), pads=[1, 1, 1, 1], group=19),
        conv(608, (1, 21, 8, 24), 21, (3, 3), pads=[1, 1, 1, 1], group=21),
        conv(609, (1, 18, 9, 25), 18, (3, 3), pads=[0, 0, 1, 1], strides=[2, 2], group=18),
        conv(610, (1, 40, 5, 5), 28, (3, 3), pads=[1, 1, 1, 1], group=4),
        conv(611, (1, 6, 5, 5), 6, (3, 3), pads=[1, 1, 1, 1], group=2),
        conv(612, (3, 5, 4, 7), 9, (3, 3), pads=[1, 1, 1, 1]),
        conv(613, (3, 5, 5, 9), 5, (3, 3), pads=[1, 1, 1, 1], group=5),
        dense(614, (1, 6272), 10),
        dense(615, (1, 640), 128),
        dense(616, (7, 129), 65),
        dense(617, (5, 144), 3),
        dense(618, (6, 160), 5),
        dense(619, (1, 1), 1),
    ]
    yield from layers[::each]


def corners(each: int) -> Iterator[Layer]:
    """The layers of the page tests, some of them at every edge of the arithmetic."""
    names = ("3x3", "groups", "1x1", "depthwise", "depthwise 5x5", "depthwise stride 2", "gemm")
    yield from [*PAGE_LAYERS.values(), *(edge for name in names for edge in corner(PAGE_LAYERS[name]))][::each]


LAYERS: dict[str, Callable[[int], Iterator[Layer]]] = {
    f.__name__: f
    for f in (
        matrices,
        vectors,
        images,
        tiles,
        strided,
        windows,
        crossing,
        groups,
        first,
        depthwise,
        depthwise_crossing,
        worthwhile,
        sixteen,
        large,
        corners,
    )
}


def given(layer: Layer, real: bool = False) -> Given:
    """The layer lowered; its inputs random, then at their ends."""
    case = case_of(layer, real)
    x: Array = np.ascontiguousarray(np.transpose(layer.x, case.inputs[0].perm))
    name = case.inputs[0].buffer
    if real:
        values = np.random.default_rng(x.size).normal(size=x.shape).astype(np.float32)
        return Given(case.program, ({name: values}, {name: 100 * values}))
    return Given(case.program, ({name: x}, {name: extremes(x)}))


def variations(kind: str, each: int) -> Iterator[tuple[Given, Given | None]]:
    """Every `each`th layer of a kind; and by turns the same at one of the edges of the arithmetic, where that is allowed."""
    for n, layer in enumerate(LAYERS[kind](each)):
        edge = None
        if kind not in ("sixteen", "corners"):
            edges = [None, *corner(layer), None]
            other = edges[n % len(edges)]
            try:
                edge = given(other) if other is not None else None
            except UnsupportedError:  # its accumulators could overflow
                edge = None
        yield given(layer), edge
