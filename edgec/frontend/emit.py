"""NAME_frontend.h and .c: what `edgec.frontend.spec` states, as C beside the model's library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgec.emit.literals import C_TYPES, floating, initialiser
from edgec.emit.names import c_name, comment
from edgec.emit.parts import environment
from edgec.errors import UsageError
from edgec.frontend import image, sound
from edgec.frontend.spec import Around, Image, Sound
from edgec.ir.program import Array, Buffer, Port, Program
from edgec.ir.pull import pushed_input


@dataclass(frozen=True)
class Layout:
    """Where the elements of a port lie: sizes, and the step in elements from one to the next, of each axis that is asked for."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]


def frontend(program: Program, manifest: Mapping[str, Any], around: Around, version: str) -> tuple[dict[str, str], dict[str, Any]]:
    """(files by name, what edgec.json says of them); both empty where nothing is stated.  UsageError where a statement fits no port."""
    ports = {port.name: (port, entry) for port, entry in zip(program.inputs, manifest["inputs"], strict=True)}
    outputs = {port.name: (port, entry) for port, entry in zip(program.outputs, manifest["outputs"], strict=True)}
    for stated, known, kind in ((around.inputs, ports, "input"), (around.labels, outputs, "output")):
        for name in stated:
            if name not in known:
                raise UsageError(f"the model has no {kind} {name!r}", f"its {kind}s: {', '.join(map(repr, known))}")
    if not around.inputs and not around.labels:
        return {}, {}
    prefix = str(manifest["name"])
    images, sounds = [], []
    for name, spec in around.inputs.items():
        port, entry = ports[name]
        buffer = program.by_name[port.buffer]
        pushed = pushed_input(program) == port.buffer
        made = {**_common(entry, buffer, pushed), "suffix": "" if len(around.inputs) == 1 else f"_{c_name(name)}"}
        if isinstance(spec, Image):
            images.append(made | _image(port, buffer, spec, pushed))
        else:
            sounds.append(made | _sound(port, buffer, spec, pushed))
    labelled = [_labels(*outputs[name], labels) for name, labels in around.labels.items()]
    for entry in labelled:
        entry["suffix"] = "" if len(labelled) == 1 else f"_{c_name(entry['name'])}"
    context = {
        "name": prefix, "upper": prefix.upper(), "version": version, "header": manifest["header"], "images": images, "sounds": sounds,
        "labels": labelled, "full": floating(1.0 / sound.FULL), "push": bool(pushed_input(program)),
    }  # fmt: skip
    env = environment()
    files = {
        f"{prefix}_frontend.{kind}": env.get_template(f"package/frontend.{kind}.j2").render(context) for kind in ("h", "c")
    }
    inputs = {n: {"kind": "image" if isinstance(s, Image) else "sound", **asdict(s)} for n, s in around.inputs.items()}
    return files, {"inputs": inputs, "labels": {name: list(labels) for name, labels in around.labels.items()}}


def _common(entry: Mapping[str, Any], buffer: Buffer, pushed: bool) -> dict[str, Any]:
    """What every input needs: its function, its type, and how a real number becomes one of its elements."""
    info = None if buffer.dtype == "float32" else np.iinfo(buffer.dtype)
    if info is not None and buffer.quant is None and buffer.dtype != "uint8":
        raise UsageError(f"input {entry['name']!r} is {buffer.dtype} without a scale", "state nothing for it, and fill it yourself")
    quant = buffer.quant
    return {
        "note": comment(f"input '{entry['name']}'"),
        "function": entry["function"],
        "ctype": C_TYPES[buffer.dtype],
        "dtype": buffer.dtype,
        "pushed": pushed,
        "inverse": floating(1.0 / quant.scale if quant else 1.0),
        "zero": floating(quant.zero_point if quant else 0),
        "low": floating(info.min) if info else "",
        "high": floating(info.max) if info else "",
    }


def model_shape(port: Port, buffer: Buffer) -> tuple[int, ...]:
    """The shape in the model's own order of axes (a port's is in the order in which the library keeps it)."""
    perm = _perm(port, buffer)
    return tuple(port.shape[perm.index(axis)] for axis in range(len(perm)))


def layout(port: Port, buffer: Buffer, axes: Sequence[int]) -> Layout:
    """Of these axes of the model's own shape."""
    steps, step = {}, 1
    for axis, size in reversed(list(zip(_perm(port, buffer), port.shape, strict=True))):
        steps[axis] = step
        step *= size
    shape = model_shape(port, buffer)
    return Layout(tuple(shape[a] for a in axes), tuple(steps[a] for a in axes))


def _perm(port: Port, buffer: Buffer) -> tuple[int, ...]:
    return (buffer.origin.perm if buffer.origin is not None else ()) or tuple(range(len(port.shape)))


def _image(port: Port, buffer: Buffer, spec: Image, pushed: bool) -> dict[str, Any]:
    """Axes of height, width and channels: the model's channels are where 1, 3 or 4 stands."""
    shape = model_shape(port, buffer)
    if len(shape) != 4 or shape[0] != 1:
        raise UsageError(f"input {port.name!r} of shape {list(shape)} is no image", "an image is [1, C, H, W] or [1, H, W, C]")
    last = shape[1] not in (1, 3, 4) and shape[3] in (1, 3, 4)
    found = layout(port, buffer, (1, 2, 3) if last else (2, 3, 1))
    height, _, channels = found.sizes
    for key, values in (("mean", spec.mean), ("std", spec.std)):
        if len(values) not in (1, channels):
            raise UsageError(f"[input.{port.name}]: {key} has {len(values)} numbers", f"give one, or {channels}: one a channel")
    if pushed and (buffer.rows != height or found.strides[0] != buffer.row_elements):
        raise UsageError(f"rows of input {port.name!r} are not rows of pixels", "compile with --input tensor, or --io quantized")
    if buffer.dtype == "float32":  # a table of floats would be 1 KB a channel: computed instead
        std, mean = np.asarray(spec.std), np.asarray(spec.mean)
        scale = np.broadcast_to(1.0 / (spec.range * std), (channels,)).astype(np.float32)
        offset = np.broadcast_to(-mean / std, (channels,)).astype(np.float32)
        tables = {"scale": initialiser(scale), "offset": initialiser(offset), "lookup": "", "lookups": 0}
    else:
        lookup = image.table(spec, channels, buffer.dtype, buffer.quant)
        tables = {"lookup": initialiser(lookup), "lookups": len(lookup), "scale": "", "offset": ""}
    return {
        **tables,
        "height": height,
        "width": found.sizes[1],
        "channels": channels,
        "strides": found.strides,
        "reversed": spec.order != "as_model",
        "row": buffer.row_elements,
    }


def _sound(port: Port, buffer: Buffer, spec: Sound, pushed: bool) -> dict[str, Any]:
    """Axes of time and features: the two of the model's shape that are not 1, features where their number stands."""
    shape = model_shape(port, buffer)
    long = [axis for axis, size in enumerate(shape) if size != 1]
    if len(long) < 2 <= len(shape):  # one frame: any other axis is that of time
        feature = long[0] if long else len(shape) - 1
        long = [next(axis for axis in range(len(shape)) if axis != feature), feature]
    wanted = f"[1, frames, {spec.features}] or [1, {spec.features}, frames], ones anywhere"
    if len(long) != 2 or spec.features not in (shape[long[0]], shape[long[1]]):
        raise UsageError(f"input {port.name!r} of shape {list(shape)} takes no frames of {spec.features} features", wanted)
    time, feature = long if shape[long[1]] == spec.features else (long[1], long[0])
    found = layout(port, buffer, (time, feature))
    if pushed and (found.strides[0] != buffer.row_elements or buffer.rows != found.sizes[0]):
        raise UsageError(f"a row of input {port.name!r} is not a frame", "compile with --input tensor, or --io quantized")
    bands = sound.bands(spec)
    first = [int(np.flatnonzero(band)[0]) if band.any() else 0 for band in bands.T]
    count = [int(np.flatnonzero(band)[-1]) + 1 - start if band.any() else 0 for band, start in zip(bands.T, first, strict=True)]
    weights = np.concatenate([band[a : a + n] for band, a, n in zip(bands.T, first, count, strict=True)] or [np.zeros(1)])
    turn = -2 * np.pi * np.arange(spec.length // 2) / spec.length

    def table(values: Any, dtype: str = "float32") -> str:
        return initialiser(np.asarray(values).astype(dtype))

    mean, std = (np.broadcast_to(np.asarray(v, np.float64), (spec.features,)) for v in (spec.mean, spec.std))
    plain = not mean.any() and bool((std == 1).all())
    return {
        "rate": spec.rate,
        "frame": spec.frame,
        "hop": spec.hop,
        "length": spec.length,
        "mels": spec.mels,
        "features": spec.features,
        "coefficients": spec.coefficients,
        "frames": found.sizes[0],
        "strides": found.strides,
        "samples": spec.frame + (found.sizes[0] - 1) * spec.hop,
        "window": "" if spec.window == "none" else table(sound.window(spec)),
        "turns": table(np.stack([np.cos(turn), np.sin(turn)], axis=-1).ravel()),
        "first": table(first, "uint16"),
        "count": table(count, "uint16"),
        "weights": table(weights if len(weights) else [0.0]),
        "dct": table(sound.dct(spec)) if spec.coefficients else "",
        "mean": "" if plain else table(mean),
        "gain": "" if plain else table(1.0 / std),
        "magnitude": spec.spectrum == "magnitude",
        "log": spec.log,
        "floor": floating(spec.floor),
        "lengths": {"weights": max(len(weights), 1)},
    }


def _labels(port: Port, entry: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    if len(labels) != entry["elements"]:
        raise UsageError(
            f"output {port.name!r} has {entry['elements']} elements, {len(labels)} labels are given", "give one label an element"
        )
    return {
        "name": port.name,
        "note": comment(f"output '{port.name}'"),
        "function": entry["function"],
        "ctype": C_TYPES[entry["dtype"]],
        "count": len(labels),
        "texts": [literal(label) for label in labels],
        "scale": floating(entry["scale"] or 1.0),
        "zero": floating(entry["zero_point"] or 0),
        "is_float": entry["dtype"] == "float32",
    }


def literal(text: str) -> str:
    """A C string of the UTF-8 bytes of any text: letters, digits, spaces and a few signs as they are, all else as octal escapes."""
    plain = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.,:;()/+=")
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode("utf-8", "replace")) + '"'


__all__ = ["Array", "frontend", "layout", "literal"]
