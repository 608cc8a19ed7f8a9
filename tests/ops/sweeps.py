"""Many layers as one program on an emulated board: channel counts, geometries and the edges of the arithmetic, for every kernel that fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edgec.ir.program import Program, site
from edgec.kernels.registry import candidates
from edgec.target import Target
from tests.ops.arm import check_on, step_by_step
from tests.ops.convolutions import Layer, conv, dense, merged
from tests.ops.stub import Case

FORMS = [(True, True), (False, True), (False, False)]
OPS = {"conv2d", "depthwise", "dense"}
CHUNK = 60  # layers of one build


def case_of(layer: Layer) -> Case:
    """The layer lowered; its output shape computed here, not by a naive convolution."""
    if layer.op != "Conv":
        outputs = layer.weight.shape[0 if layer.attrs.get("transB") else 1]
        return layer.case((*layer.shape[:-1], int(outputs)))
    spatial = len(layer.shape) - 2
    pads = layer.attrs.get("pads", [0] * 2 * spatial)
    strides, dilations = (layer.attrs.get(n, [1] * spatial) for n in ("strides", "dilations"))
    sizes = []
    for i in range(spatial):
        extent = (layer.weight.shape[2 + i] - 1) * dilations[i] + 1
        sizes.append((layer.shape[2 + i] + pads[i] + pads[spatial + i] - extent) // strides[i] + 1)
    return layer.case((layer.shape[0], layer.weight.shape[0], *sizes))


def program_of(layers: Sequence[Layer]) -> tuple[Program, dict[str, object]]:
    return merged([case_of(layer) for layer in layers], [layer.x for layer in layers])


def run(folder: Path, layers: Sequence[Layer], target: Target, forms: Sequence[tuple[bool, bool]] = FORMS[:1]) -> None:
    """All layers in one program, in each form of calls."""
    program, sample = program_of(layers)
    for number, (alone, several) in enumerate(forms):
        check_on(target, folder / f"net{number}", step_by_step(program, target, alone, several), [sample])


def in_chunks(folder: Path, layers: Sequence[Layer], target: Target, form: tuple[bool, bool]) -> None:
    for first in range(0, len(layers), CHUNK):
        run(folder / str(first), layers[first : first + CHUNK], target, [form])


def with_other_kernels(program: Program, target: Target) -> Iterator[Program]:
    """The program with the second kernel that fits each step, the third, ...: the first is what is chosen anyway."""
    fits = {s.name: candidates(site(program, s), target.isa, True) for s in program.steps}
    for number in range(1, max(map(len, fits.values()))):
        yield program.with_(
            steps=tuple(
                replace(s, kernel=fits[s.name][number].name) if number < len(fits[s.name]) else s for s in program.steps
            )
        )


def square(
    seed: int, cin: int, cout: int, kernel: Sequence[int], size: Sequence[int] = (4, 6), **attrs: object
) -> Layer:
    return conv(seed, (1, cin, *size), cout, kernel, **attrs)


def channels(seed: int) -> list[Layer]:
    """A 3x3, a 1x1 and a depthwise layer of every channel count 1..40, output counts scattered over 1..40."""
    made = []
    for c in range(1, 41):
        o = (c * 7 + seed) % 40 + 1
        made.append(square(100 + c, c, o, (3, 3), pads=[1, 1, 1, 1]))
        made.append(square(200 + c, c, o, (1, 1)))
        made.append(square(300 + c, c, c, (3, 3), pads=[1, 1, 1, 1], group=c) if c > 1 else square(3, 1, 3, (1, 3)))
    return made


def channel_pairs() -> list[Layer]:
    """Every pair of channel counts 1..40, by turns as 1x1, vector, 3x3, 3x3 of stride 2 and 1x3 of odd width."""
    made = []
    for cin in range(1, 41):
        for cout in range(1, 41):
            seed, size = 1000 + 40 * cin + cout, (3, 3 + cout % 2)
            made.append(
                (
                    lambda c=cin, o=cout, s=seed, z=size: square(s, c, o, (1, 1), z),
                    lambda c=cin, o=cout, s=seed: dense(s, (1, c), o),
                    lambda c=cin, o=cout, s=seed, z=size: square(s, c, o, (3, 3), z, pads=[1, 1, 1, 1]),
                    lambda c=cin, o=cout, s=seed: square(s, c, o, (3, 3), (5, 7), strides=[2, 2]),
                    lambda c=cin, o=cout, s=seed: square(s, c, o, (1, 3), (2, 5), pads=[0, 2, 0, 0]),
                )[(cin + 3 * cout) % 5]()
            )
    return made


def geometries() -> list[Layer]:
    """Kernels, strides, dilations and paddings, asymmetric ones among them."""
    made = []
    kernels = [(1, 1), (3, 3), (5, 5), (7, 7), (1, 3), (3, 1), (2, 4), (4, 2), (5, 3), (1, 7), (8, 2)]
    for seed, kernel in enumerate(kernels):
        for stride in (1, 2, 3):
            for dilation in (1, 2):
                reach = [(k - 1) * dilation + 1 for k in kernel]
                size = [r + 4 + (seed + stride) % 3 for r in reach]
                pads = [reach[0] // 2, (reach[1] - 1) // 2, (reach[0] - 1) // 2, reach[1] // 2]
                attrs = {"strides": [stride, stride], "dilations": [dilation, dilation], "pads": pads}
                cin, cout = [(3, 5), (1, 8), (16, 6), (20, 4)][(seed + stride + dilation) % 4]
                made.append(square(400 + seed, cin, cout, kernel, size, **attrs))
                made.append(square(500 + seed, 9, 9, kernel, size, group=9, **attrs))
    return made


def paddings() -> list[Layer]:
    """Every padding of a 3x3 from none to all of a window, on each side, and strides that differ."""
    made = []
    for number in range(81):
        pads = [number // 3**i % 3 for i in range(4)]
        stride = [1 + number % 2, 1 + number // 2 % 3]
        cin, cout = 1 + number % 7, 1 + number * 5 % 11
        made.append(square(700 + number, cin, cout, (3, 3), (4, 3 + number % 4), pads=pads, strides=stride))
    return made


def large() -> list[Layer]:
    """Odd large ones, batches, groups, long rows."""
    return [
        square(600, 251, 37, (1, 1), (3, 3)),
        square(601, 67, 131, (3, 3), (3, 5), pads=[1, 1, 1, 1]),
        square(602, 147, 18, (3, 3), (4, 4), pads=[0, 0, 1, 1], strides=[2, 2]),
        square(603, 3, 33, (3, 3), (9, 61), pads=[1, 1, 1, 1]),
        square(604, 3, 8, (3, 3), (9, 62), pads=[0, 0, 1, 1], strides=[2, 2]),
        square(605, 1, 64, (10, 4), (49, 10), pads=[4, 1, 5, 1], strides=[2, 2]),
        square(606, 251, 251, (3, 3), (3, 3), pads=[1, 1, 1, 1], group=251),
        square(607, 19, 19, (3, 3), (7, 53), pads=[1, 1, 1, 1], group=19),
        square(608, 21, 21, (3, 3), (8, 24), pads=[1, 1, 1, 1], group=21),
        square(609, 18, 18, (3, 3), (9, 25), pads=[0, 0, 1, 1], strides=[2, 2], group=18),
        square(610, 40, 28, (3, 3), (5, 5), pads=[1, 1, 1, 1], group=4),
        square(611, 6, 6, (3, 3), (5, 5), pads=[1, 1, 1, 1], group=2),
        conv(612, (3, 5, 4, 7), 9, (3, 3), pads=[1, 1, 1, 1]),
        conv(613, (3, 5, 5, 9), 5, (3, 3), pads=[1, 1, 1, 1], group=5),
        dense(614, (1, 6272), 10),
        dense(615, (1, 640), 128),
        dense(616, (7, 129), 65),
        dense(617, (5, 144), 3),
        dense(618, (6, 160), 5),
        dense(619, (1, 1), 1),
    ]
