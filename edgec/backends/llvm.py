"""Target -> what LLVM inside TVM is told: one dict for every instruction set that the target's library is compiled for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgec.target import Target

__all__ = ["Llvm", "llvm_targets"]


@dataclass(frozen=True)
class Llvm:
    """options: a target of TVM's `llvm` kind; vectors: whether sums of products fill vector registers there."""

    options: dict[str, Any]
    vectors: bool


def llvm_targets(target: Target) -> dict[str, Llvm]:
    """By variant of a platform; "" for a CPU, a board or this machine."""
    if target.kind == "host":
        return {"": Llvm({"kind": "llvm"}, True)}
    variants = [(v.name, (*target.flags, *v.flags)) for v in target.variants] or [("", target.flags)]
    return {name: _llvm(target, flags) for name, flags in variants}


def _llvm(target: Target, flags: tuple[str, ...]) -> Llvm:
    """The compiler flags of a target in LLVM's own words."""
    options: dict[str, Any] = {"kind": "llvm", "mtriple": target.triple, "vector-width": 128}
    features: list[str] = []
    for flag, _, value in (flag.partition("=") for flag in flags):
        if flag == "-mcpu":
            options["mcpu"] = value
        elif flag == "-mfloat-abi":
            options["mfloat-abi"] = value
        elif flag == "-march":
            base, *more = value.split("+")
            features += [base.replace("armv", "v").replace("-", ""), *more]
        elif flag in ("-msimd128", "-mbulk-memory"):
            features.append(flag.removeprefix("-m"))
    if features:
        options["mattr"] = [f"+{feature}" for feature in features]
    return Llvm(options, "simd128" in features or "mve" in target.isa or target.cpu == "arm64")
