"""Makes tests/graph/data: small networks as PyTorch's two exporters write them.  Needs torch and onnxscript; not run by the tests.

python tests/graph/make_exports.py
"""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import nn

DATA = Path(__file__).parent / "data"
# TorchScript: LayerNorm in pieces, as one operator, the newest that exporter knows (GELU as one operator).
# dynamo: what older tools read, and the newest that onnxruntime runs (Attention as one operator; 23: RMSNormalization).
VIT = ((14, False), (17, False), (20, False), (17, True), (25, True))
MIXED = ((14, False), (17, False), (20, False), (18, True), (23, True), (25, True))


class Attention(nn.Module):
    """Two heads; fused: torch's own attention function, else matrix products around a softmax."""

    def __init__(self, width: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    @staticmethod
    def spelt_out(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return ((q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5).softmax(-1) @ v

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v) if self.fused else self.spelt_out(q, k, v)
        return self.out(y.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, heads: int, fused: bool) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads, fused)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class TinyViT(nn.Module):
    """28x28x1, patches of 7, width 16, two blocks, a class token."""

    def __init__(self, fused: bool, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 7, 7)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 17, width) * 0.1)
        self.blocks = nn.Sequential(Block(width, 2, fused), Block(width, 2, fused))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class RootMeanSquare(nn.Module):
    """RMSNorm as the large language models spell it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class Mixed(nn.Module):
    """The other norms and activations: group, instance, channel and root mean square norm, SiLU, Hardswish, tanh-GELU, Mish."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.group = nn.Conv2d(2, 8, 3, padding=1), nn.GroupNorm(2, 8)
        self.second, self.instance = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.InstanceNorm2d(8, affine=True)
        self.scale, self.shift = nn.Parameter(torch.rand(8, 1, 1) + 0.5), nn.Parameter(torch.randn(8, 1, 1))
        self.rms, self.gate, self.up, self.down = (
            RootMeanSquare(8),
            nn.Linear(8, 12),
            nn.Linear(8, 12),
            nn.Linear(12, 8),
        )
        self.gelu = nn.GELU(approximate="tanh")
        for norm in (self.group, self.instance):
            nn.init.normal_(norm.weight, 1.0, 0.2)
            nn.init.normal_(norm.bias, 0.0, 0.2)

    def channel_norm(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        return self.scale * ((x - mean) / torch.sqrt(variance + 1e-6)) + self.shift

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.group(self.first(x)))
        x = F.hardswish(self.instance(self.second(x)))
        x = F.mish(self.channel_norm(x)) + F.hardsigmoid(x)
        x = x.flatten(2).transpose(1, 2)
        y = self.rms(x)
        return self.gelu(self.down(F.silu(self.gate(y)) * self.up(y)) + x)


def export(model: nn.Module, sample: torch.Tensor, name: str, opset: int, dynamo: bool) -> None:
    path = DATA / f"{name}_{'dynamo' if dynamo else 'script'}{opset}.onnx"
    kind = {"dynamo": True, "external_data": False, "verbose": False} if dynamo else {"dynamo": False}
    torch.onnx.export(model, (sample,), str(path), input_names=["x"], output_names=["y"], opset_version=opset, **kind)
    proto = onnx.load(path)
    for item in (proto.graph, *proto.graph.node):
        del item.metadata_props[:]
    for node in proto.graph.node:
        node.name = node.doc_string = ""
    del proto.graph.value_info[:]
    proto.graph.doc_string = ""
    path.write_bytes(proto.SerializeToString(deterministic=True))
    found = {entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")}
    print(f"{path.name}: {path.stat().st_size} bytes, opset {found}")  # noqa: T201


def main() -> None:
    DATA.mkdir(exist_ok=True)
    for name, make, shape, jobs in (
        ("vit_sdpa", lambda: TinyViT(True), (1, 1, 28, 28), VIT),
        ("vit_plain", lambda: TinyViT(False), (1, 1, 28, 28), VIT),
        ("mixed", Mixed, (1, 2, 6, 5), MIXED),
    ):
        for opset, dynamo in jobs:
            torch.manual_seed(7)
            export(make().eval(), torch.randn(shape), name, opset, dynamo)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
