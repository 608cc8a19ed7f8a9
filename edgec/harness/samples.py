"""Sample arrays for a model's inputs: DATA.npz, or arrays from Python, checked against the inputs of edgec.json.

What comes out fits the library as it is: for every input an array [samples, *shape] of the input's stored dtype.

    input in edgec.json          in DATA.npz                          out
    image [1,1,8,8] float32      image [50,1,8,8] float32             [50, 1,1,8,8] float32
    x     [1,49,10,1] int8       x [6,49,10,1] float32 (real values)  [6, 1,49,10,1] int8, round(x / scale) + zero_point
    state [4,16] float32         state [6,4,16] float32               [6, 4,16] float32

Arrays for names that are no input (labels, say) are left alone.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgec.errors import InputError

Array = NDArray[Any]
UNNAMED = "arr_0"  # numpy.savez's name for an array that was given none


def load_samples(path: Path, inputs: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """The samples of an .npz (or, for one input, .npy) file.  `inputs`: as in edgec.json.  Raises InputError."""
    if not path.is_file():
        raise InputError(f"{path} does not exist", "name an .npz file with one array per model input")
    try:
        with path.open("rb") as stream:  # ours to close, whatever numpy makes of the content
            loaded = np.load(stream, allow_pickle=False)
            single = isinstance(loaded, np.ndarray)
            arrays = {UNNAMED: loaded} if single else {name: loaded[name] for name in loaded.files}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as .npz: {error}", "write it with numpy.savez(path, input_name=array)"
        ) from error
    return check_samples(arrays, inputs)


def check_samples(arrays: Mapping[str, Array], inputs: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """The same for arrays by input name.  Raises InputError: which input, what it is given and what it should be."""
    found: dict[str, Array] = {}
    for entry in inputs:
        name = entry["name"]
        array = arrays.get(name)
        if array is None and len(inputs) == 1:
            array = arrays.get(UNNAMED)
        if array is None:
            raise InputError(
                f"no array for model input {name!r}; there is {', '.join(map(repr, sorted(arrays))) or 'nothing'}",
                f"name the arrays like the model's inputs: {', '.join(repr(i['name']) for i in inputs)}",
            )
        found[name] = _stored(_shaped(np.asarray(array), entry), entry)
    counts = {name: len(array) for name, array in found.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"inputs have different numbers of samples: {counts}", "give every input as many samples")
    return found


def load_truth(given: Any) -> dict[str, Array]:
    """What is known of the samples beside the inputs, from DATA.npz or arrays by name: `labels` (or `y`), the class of each
    sample, and `files`, where several samples are parts of one file.  What is not there is left out."""
    if isinstance(given, (str, Path)) and Path(given).suffix == ".npz" and Path(given).is_file():
        with np.load(given, allow_pickle=False) as loaded:
            given = {name: loaded[name] for name in loaded.files if name in ("labels", "y", "files")}
    if not isinstance(given, Mapping):
        return {}
    found = {name: np.asarray(given[name]) for name in ("labels", "files") if name in given}
    if "labels" not in found and "y" in given:
        found["labels"] = np.asarray(given["y"])
    return found


def _shaped(array: Array, entry: Mapping[str, Any]) -> Array:
    """`array` as [samples, *shape]."""
    shape = tuple(int(n) for n in entry["shape"])
    wanted = shape[1:] if shape[:1] == (1,) else shape
    if array.ndim and array.shape[1:] in (wanted, shape):
        if not len(array):
            raise InputError(f"the array for input {entry['name']!r} holds no samples", "give at least one")
        samples: Array = array.reshape(len(array), *shape)
        return samples
    perm = tuple(
        int(a) for a in entry.get("perm") or ()
    )  # pushed by rows: the library takes the model's axes in this order
    if perm:
        model = tuple(shape[perm.index(a)] for a in range(len(perm)))
        if array.ndim and array.shape[1:] in (model[1:] if model[:1] == (1,) else model, model) and len(array):
            return np.ascontiguousarray(
                np.moveaxis(array.reshape(len(array), *model), [a + 1 for a in perm], range(1, len(perm) + 1))
            )
    expected = ", ".join(["samples", *map(str, wanted)])
    hint = "put the samples along the first axis"
    if array.shape in (wanted, shape):
        hint = "one sample needs an axis too: array[None]"
    elif sorted(array.shape[1:]) == sorted(wanted):
        hint = "the axes are in another order: use numpy.transpose"
    raise InputError(f"input {entry['name']!r} takes [{expected}], the array is {list(array.shape)}", hint)


def _stored(array: Array, entry: Mapping[str, Any]) -> Array:
    """`array` in the dtype the library takes: same kind as it is, real values quantized where the input has a scale."""
    dtype = np.dtype(entry["dtype"])
    who = f"input {entry['name']!r}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"the array for {who} holds NaN or infinity", "check how the samples were made")
    if array.dtype == dtype:
        return array
    if array.dtype.kind == "f" and dtype.kind == "f":
        return array.astype(dtype)
    if array.dtype.kind == "f" and entry.get("scale"):
        limits = np.iinfo(dtype)
        real = array.astype(np.float32) / np.float32(entry["scale"])
        quantized: Array = np.clip(np.rint(real) + int(entry["zero_point"] or 0), limits.min, limits.max)
        return quantized.astype(dtype)
    if array.dtype.kind in "iu" and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if array.min() >= limits.min and array.max() <= limits.max:
            return array.astype(dtype)
        raise InputError(
            f"the array for {who} has values {array.min()}..{array.max()}, {dtype} holds {limits.min}..{limits.max}",
            "quantize the samples as the model says, or give them as float32 real values",
        )
    wanted = "bool_" if dtype.kind == "b" else dtype.name
    hint = f"scale it to what the model was trained on, then array.astype(numpy.{wanted})"
    raise InputError(f"{who} takes {dtype}, the array is {array.dtype}", hint)
