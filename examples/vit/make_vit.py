"""Builds vision transformers of the MCUFormer class as ONNX, with random weights: for memory and speed, not for accuracy.

    python examples/vit/make_vit.py mcuformer mcuformer.onnx     240x240x3, patch 16, D 240, 4 heads of 64, 12 blocks, low rank 0.6
    python examples/vit/make_vit.py deit deit.onnx               DeiT-Tiny/16 at 224: D 192, 3 heads of 64, 12 blocks

Besides OUT.onnx (float32) it writes OUT.npz with calibration images.  Source: Liang et al. 2023 (MCUFormer); Touvron et al. 2021 (DeiT).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20


@dataclass(frozen=True)
class Shape:
    """A plain ViT with a class token.  rank: share of parameters kept by the low-rank form of projection and MLP; 0: dense."""

    image: int
    patch: int
    width: int
    heads: int
    head: int
    blocks: int
    ratio: int
    rank: float
    classes: int = 1000
    channels: int = 3


SHAPES = {
    "mcuformer": Shape(240, 16, 240, 4, 64, 12, 4, 0.6),
    "deit": Shape(224, 16, 192, 3, 64, 12, 4, 0.0),
    "small": Shape(48, 8, 32, 2, 16, 2, 2, 0.6, 10),
}


@dataclass
class Builder:
    """Collects nodes and constants."""

    dice: np.random.Generator
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def const(self, name: str, array: np.ndarray[Any, Any]) -> str:
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def random(self, name: str, *shape: int) -> str:
        """Weights that keep the variance of what they multiply."""
        return self.const(name, self.dice.normal(0, shape[0] ** -0.5, shape).astype(np.float32))

    def linear(self, x: str, name: str, inputs: int, outputs: int, rank: float = 0.0) -> str:
        """x @ W + b; of low rank: x @ U @ V + b."""
        if rank:
            r = max(1, round(rank * inputs * outputs / (inputs + outputs)))
            x = self.node("MatMul", [x, self.random(f"{name}.u", inputs, r)], f"{name}.low")
            inputs = r
        y = self.node("MatMul", [x, self.random(f"{name}.w", inputs, outputs)], f"{name}.product")
        bias = self.const(f"{name}.b", self.dice.normal(0, 0.1, outputs).astype(np.float32))
        return self.node("Add", [y, bias], f"{name}.out")

    def norm(self, x: str, name: str, width: int) -> str:
        scale = self.const(f"{name}.scale", self.dice.uniform(0.5, 1.5, width).astype(np.float32))
        bias = self.const(f"{name}.bias", self.dice.normal(0, 0.1, width).astype(np.float32))
        return self.node("LayerNormalization", [x, scale, bias], name, axis=-1, epsilon=1e-6)

    def shape(self, name: str, *dims: int) -> str:
        return self.const(name, np.array(dims, np.int64))


def block(b: Builder, x: str, n: int, s: Shape, tokens: int) -> str:
    """One pre-norm transformer block."""
    p, inner = f"b{n}", s.heads * s.head
    y = b.norm(x, f"{p}.n1", s.width)
    parts = []
    for part in "qkv":
        z = b.linear(y, f"{p}.{part}", s.width, inner)
        z = b.node("Reshape", [z, b.shape(f"{p}.{part}.s", 1, tokens, s.heads, s.head)], f"{p}.{part}.h")
        perm = [0, 2, 3, 1] if part == "k" else [0, 2, 1, 3]
        parts.append(b.node("Transpose", [z], f"{p}.{part}.t", perm=perm))
    scores = b.node("MatMul", parts[:2], f"{p}.scores")
    scores = b.node("Mul", [scores, b.const(f"{p}.scale", np.array(s.head**-0.5, np.float32))], f"{p}.scaled")
    weights = b.node("Softmax", [scores], f"{p}.softmax", axis=-1)
    z = b.node("Transpose", [b.node("MatMul", [weights, parts[2]], f"{p}.context")], f"{p}.back", perm=[0, 2, 1, 3])
    z = b.node("Reshape", [z, b.shape(f"{p}.joined.s", 1, tokens, inner)], f"{p}.joined")
    x = b.node("Add", [x, b.linear(z, f"{p}.proj", inner, s.width, s.rank)], f"{p}.mid")
    y = b.norm(x, f"{p}.n2", s.width)
    y = b.node("Gelu", [b.linear(y, f"{p}.fc1", s.width, s.width * s.ratio, s.rank)], f"{p}.gelu")
    return b.node("Add", [x, b.linear(y, f"{p}.fc2", s.width * s.ratio, s.width, s.rank)], f"{p}.end")


def build(s: Shape, seed: int = 1) -> onnx.ModelProto:
    """The whole model, float32, input `image` [1, C, I, I], output `logits`."""
    b = Builder(np.random.default_rng(seed))
    grid = s.image // s.patch
    tokens = grid * grid + 1
    kernel = b.random("patch.w", s.width, s.channels, s.patch, s.patch)
    bias = b.const("patch.b", np.zeros(s.width, np.float32))
    x = b.node("Conv", ["image", kernel, bias], "patch", kernel_shape=[s.patch] * 2, strides=[s.patch] * 2)
    x = b.node("Reshape", [x, b.shape("patch.s", 1, s.width, grid * grid)], "patch.flat")
    x = b.node("Transpose", [x], "patch.tokens", perm=[0, 2, 1])
    x = b.node("Concat", [b.const("class", b.dice.normal(0, 1, (1, 1, s.width)).astype(np.float32)), x], "tokens", axis=1)
    places = b.const("places", b.dice.normal(0, 0.5, (1, tokens, s.width)).astype(np.float32))
    x = b.node("Add", [x, places], "placed")
    for n in range(s.blocks):
        x = block(b, x, n, s, tokens)
    x = b.node("Gather", [b.norm(x, "norm", s.width), b.const("first", np.array(0, np.int64))], "head.x", axis=1)
    logits = b.linear(x, "head", s.width, s.classes)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, s.channels, s.image, s.image])
    out = helper.make_tensor_value_info(logits, TensorProto.FLOAT, [1, s.classes])
    graph = helper.make_graph(b.nodes, "vit", [image], [out], b.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def images(s: Shape, count: int, seed: int = 2) -> np.ndarray[Any, Any]:
    """Smooth random pictures: low-frequency noise, zero mean, [count, C, I, I]."""
    dice = np.random.default_rng(seed)
    small = dice.normal(0, 1, (count, s.channels, 8, 8)).astype(np.float32)
    index = np.arange(s.image) * 8 // s.image
    return small[:, :, index][:, :, :, index] + dice.normal(0, 0.2, (count, s.channels, s.image, s.image)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("out", type=Path)
    parser.add_argument("--samples", type=int, default=8)
    given = parser.parse_args()
    shape = SHAPES[given.shape]
    onnx.save(build(shape), given.out)
    np.savez_compressed(given.out.with_suffix(".npz"), image=images(shape, given.samples))
    print(f"{given.out}: {given.out.stat().st_size:,} bytes; {given.out.with_suffix('.npz')}: {given.samples} images")


if __name__ == "__main__":
    main()
