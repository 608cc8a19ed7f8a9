"""DSP kernels of conv2d, depthwise and dense on the emulated Cortex-M4: the interpreter's bytes for every shape and every kernel that fits;
and what channel counts that are no multiples of four may cost."""

from __future__ import annotations

import pytest

from edgec.emulate.run import measure
from tests.ops.arm import check_on, emulated, step_by_step, write_package
from tests.ops.convolutions import Layer, dense
from tests.ops.harness import run_program
from tests.ops.sweeps import (
    CHUNK,
    FORMS,
    channel_pairs,
    channels,
    geometries,
    in_chunks,
    large,
    paddings,
    program_of,
    run,
    square,
    with_other_kernels,
)
from tests.ops.test_convolutions import DSP, LAYERS, corner

CPU = "cortex-m4"
TAIL = 1.5  # instructions a multiply-accumulate: at most so many times those of the next smaller multiples of four


def few() -> list[Layer]:
    """Every count of inputs that stays in registers, on enough pixels."""
    return [dense(800 + k, (600, k), 5 + (k * 5) % 8) for k in range(4, 17)]


def sample() -> list[Layer]:
    return [*channels(0)[::7], *geometries()[::9], *paddings()[::16], *large()[::3]]


def test_a_sample_of_channel_counts_and_geometries(tmp_path):
    layers = [*sample(), *few(), *(edge for layer in few()[5::4] for edge in corner(layer))]
    run(tmp_path, layers, emulated(CPU), FORMS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS, ids=["alone", "several", "single"])
def test_sweep(tmp_path, form):
    in_chunks(tmp_path, [*channels(0), *channels(11), *geometries(), *paddings(), *large()], emulated(CPU), form)


@pytest.mark.slow
def test_every_pair_of_channel_counts(tmp_path):
    in_chunks(tmp_path, channel_pairs(), emulated(CPU), FORMS[1])


@pytest.mark.slow
def test_every_shape_at_the_edges_of_the_arithmetic(tmp_path):
    layers = [edge for layer in (*channels(5)[::3], *geometries()[::3], *large()[1:6]) for edge in corner(layer)]
    in_chunks(tmp_path, layers, emulated(CPU), FORMS[1])


@pytest.mark.slow
def test_every_other_kernel_that_fits(tmp_path):
    target = emulated(CPU)
    program, values = program_of([*sample(), *LAYERS.values()])
    for number, other in enumerate(with_other_kernels(program, target)):
        check_on(target, tmp_path / f"net{number}", step_by_step(other, target, False, True), [values])


@pytest.mark.slow
def test_sweep_of_the_c_forms_under_sanitizers():
    layers = [*few(), *channels(0), *geometries(), *paddings(), *large(), *channel_pairs()[::7]]
    for first in range(0, len(layers), 120):
        program, values = program_of(layers[first : first + 120])
        run_program(program, [values], DSP)


def per_mac(folder, layers: list[Layer]) -> list[float]:
    """Instructions a multiply-accumulate of each layer."""
    target = emulated(CPU)
    program, _ = program_of(layers)
    program = program.with_(outputs=program.outputs[:1])  # the others would travel over the serial line
    package = write_package(folder, step_by_step(program, target, True, True), target)
    return [layer["instructions"] / layer["macs"] for layer in measure(package, target)["layers"]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["1x1", "3x3"])
def test_channel_counts_that_are_no_multiples_of_four_cost_little_more(tmp_path, kind):
    def layer(cin: int, cout: int) -> Layer:
        return square(1, cin, cout, (3, 3) if kind == "3x3" else (1, 1), (21, 22), pads=[int(kind == "3x3")] * 4)

    counts = [8, 9, 10, 11, 12, 13, 15, 16, 17, 19, 32, 33, 36, 39, 40]
    pairs = [(i, o) for i in counts for o in counts]
    values = [
        value
        for first in range(0, len(pairs), CHUNK)
        for value in per_mac(tmp_path / str(first), [layer(*pair) for pair in pairs[first : first + CHUNK]])
    ]
    cost = dict(zip(pairs, values, strict=True))
    slow = {pair: cost[pair] / cost[pair[0] // 4 * 4, pair[1] // 4 * 4] for pair in pairs}
    assert {pair: round(ratio, 2) for pair, ratio in slow.items() if ratio > TAIL} == {}
