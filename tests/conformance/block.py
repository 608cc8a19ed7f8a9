"""The inverted-residual block of example.md as Program text, with random weights."""

from __future__ import annotations

import numpy as np

from edgec.arithmetic import addition, multipliers
from edgec.ir.program import Array, Program
from edgec.ir.text import parse_program

SCALES = {"x": 0.0235, "t0": 0.0471, "t1": 0.0512, "t2": 0.0298, "y": 0.0301}
MA, MB, K = addition(SCALES["t2"], SCALES["x"], SCALES["y"])
EXPAND, DEPTHWISE, PROJECT = (0.0235 * 0.004 / 0.0471, 0.0471 * 0.006 / 0.0512, 0.0512 * 0.005 / 0.0298)

TEXT = """
program block  target host  contract edgec.int8.v1  arena 3072  scratch 0
buffer x   int8 1x16x16x8   rows 16          q 0.0235 -128
buffer t0  int8 1x16x16x16  rows 16  ring 3  q 0.0471 -128
buffer t1  int8 1x16x16x16  rows 16  ring 1  q 0.0512 -128
buffer t2  int8 1x16x16x8   rows 16  tile    q 0.0298 3
buffer y   int8 1x16x16x8   rows 16          q 0.0301 4
input "x" x 1x16x16x8
output "y" y 1x16x16x8
step expand   dense      x -> t0      reach run 16  attrs {EXPAND}   consts weight,bias,mult
step dw       depthwise  t0 -> t1     reach window 16 -> 16 rows 3 stride 1 dilation 1 pad 1  attrs {DW}  consts weight,bias,mult
step project  dense      t1 -> t2     reach run 16  attrs {PROJECT}  consts weight,bias,mult
step add      add        t2, x -> y   reach run 16  reach run 16     attrs {ADD}
segment expand dw project add  scratch 0 at -1
place x 0
place y 0 over x
place t0 2048
place t1 2816
"""


def _layer(zx: int, zy: int, lo: int, factors: Array) -> tuple[str, Array]:
    found = multipliers(factors)
    numbers = f'{{"zx": {zx}, "zy": {zy}, "lo": {lo}, "hi": 127, "shift": {found.shift}, "left": {found.left}}}'
    return numbers, found.m


def block(seed: int = 7, changes: dict[str, str] | None = None) -> Program:
    """The placed program.  changes: text to replace, for plans that are wrong on purpose."""
    rng = np.random.default_rng(seed)
    consts: dict[str, Array] = {}
    texts = {}
    shapes = {"EXPAND": (16, 8), "DW": (3, 3, 16), "PROJECT": (8, 16)}
    zeros = {"EXPAND": (-128, -128, -128), "DW": (-128, -128, -128), "PROJECT": (-128, 3, -128)}
    for key, base in (("EXPAND", EXPAND), ("DW", DEPTHWISE), ("PROJECT", PROJECT)):
        name = {"EXPAND": "expand", "DW": "dw", "PROJECT": "project"}[key]
        channels = shapes[key][-1] if key == "DW" else shapes[key][0]
        texts[key], mult = _layer(*zeros[key], base * rng.uniform(0.5, 1.5, channels))
        consts[f"{name}/weight"] = rng.integers(-127, 128, shapes[key]).astype(np.int8)
        consts[f"{name}/bias"] = rng.integers(-4000, 4000, channels).astype(np.int32)
        consts[f"{name}/mult"] = mult
    geometry = '"kernel": [3, 3], "stride": [1, 1], "dilation": [1, 1], "pad": [1, 1], "size": [16, 16], "out": [16, 16], "channels": 16'
    texts["DW"] = texts["DW"].replace("}", f", {geometry}}}")
    add = f'"ma": {MA}, "mb": {MB}, "k": {K}, "za": 3, "zb": -128, "zy": 4, "lo": -128, "hi": 127'
    texts["ADD"] = f'{{"kind": "add", "mode": "same", {add}}}'
    text = TEXT
    for key, value in texts.items():
        text = text.replace(f"{{{key}}}", value)
    for old, new in (changes or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    return parse_program(text, consts)


def layer_by_layer(program: Program) -> Program:
    """The same steps without segments, rings, tile and places: what the scheduler starts from."""
    from dataclasses import replace

    buffers = tuple(replace(b, stored=0, tile=False) for b in program.buffers)
    return program.with_(buffers=buffers, segments=(), places=(), arena=0, scratch=0)
