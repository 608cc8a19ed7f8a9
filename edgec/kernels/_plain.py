"""Weights of the matrix kernels for CPUs without DSP instructions: three pixels share two 32-bit multiplies.

Two words hold an input of three pixels, X = a + 2^21*b and Y = c + 2^10*b; sums of X*w and of Y*w modulo 2^32 give all three sums of products
back while those of a and c fit 21 bits and that of b 22.  So inputs are summed in chunks for which the weights prove that.

Armv7-M loads signed bytes with an offset, Armv6-M only unsigned ones: there ("small") each channel's weights are stored less their least,
those of -w where that makes them smaller, and the inputs' sum times that offset is taken off again.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from edgec.ir.program import Array, Site
from edgec.kernels._packing import doubled_shift, extremes, pad_to

FIELD = 2**20  # sums lie in -FIELD .. FIELD - 1
LANES = 4


def fits(site: Site, axes: tuple[int, ...]) -> bool:
    """Whether a layer's numbers suit: int8, a shift of one or more, accumulators below 2^30, inputs whose plain sum fits a field."""
    weight = site.const("weight")
    numbers = doubled_shift(site, axes) if weight.dtype == np.int8 else None
    if numbers is None or int(np.prod([weight.shape[a] for a in axes])) >= FIELD // 128:
        return False
    return int(extremes(site, axes).max(initial=0)) << numbers[1] < 2**30


def reaches(weight: Array) -> Array:
    """The largest magnitude of each channel's sum for inputs -128..127.  weight: [O, K] -> int64 [O]."""
    wide = weight.astype(np.int64)
    up, down = np.maximum(wide, 0).sum(axis=1), -np.minimum(wide, 0).sum(axis=1)
    return np.asarray(np.maximum(128 * up + 127 * down, 127 * up + 128 * down))


def chunk_of(weight: Array, even: bool) -> int:
    """Inputs that may be summed before the sums are taken apart: the inputs in as few equal chunks as the weights allow.

    weight: [O, K]; even: K and chunks are multiples of two.
    """
    depth = int(weight.shape[1])
    for count in range(1, depth + 1):
        chunk = -(-depth // count)
        chunk += chunk % 2 if even else 0
        if all(reaches(weight[:, k : k + chunk]).max(initial=0) < FIELD for k in range(0, depth, chunk)):
            return chunk
    raise AssertionError("one product always fits")


@lru_cache(maxsize=4)
def _packed(data: bytes, shape: tuple[int, int, int], small: bool) -> tuple[Array, int, Array]:
    groups, each, depth = shape
    weight = np.frombuffer(data, np.int8).reshape(groups * each, depth).astype(np.int64)
    offset = np.zeros(0, np.int64)
    if small:
        turned = -weight.min(axis=1) > weight.max(axis=1)
        sign = np.where(turned, -1, 1)
        least = np.minimum((weight * sign[:, None]).min(axis=1), -1)  # never zero: its sign says which way round
        weight, offset = pad_to(weight * sign[:, None] - least[:, None], 1, 2), -least * sign
    chunk = chunk_of(weight, even=small)
    lanes = pad_to(weight.reshape(groups, each, -1), 1, LANES).reshape(-1, LANES, weight.shape[1])
    if not small:
        return np.ascontiguousarray(lanes.transpose(0, 2, 1)).astype(np.int8).reshape(-1), chunk, offset
    parts = [lanes[:, :, k : k + chunk].reshape(len(lanes), -1) for k in range(0, weight.shape[1], chunk)]
    return np.concatenate(parts, axis=1).astype(np.uint8).reshape(-1), chunk, offset


def triple_weights(weight: Array, small: bool) -> tuple[Array, int, Array]:
    """(weights as edgec_triple reads them, chunk, offset of each channel or nothing).  weight: int8 [groups, O, K].

    Armv7-M: int8 [groups][O/4][K][4].  small: uint8 [groups][O/4][chunks][4][chunk], K padded to even; offset = sign * -least.
    """
    groups, each, depth = (int(n) for n in weight.shape)
    return _packed(np.ascontiguousarray(weight).tobytes(), (groups, each, depth), small)


def triple_numbers(bias: Array, mult: Array, offset: Array) -> Array:
    """Per channel bias, m and, where there are any, offset.  int32."""
    return np.stack([bias, mult, *([offset] if offset.size else [])], axis=1).astype(np.int32).reshape(-1)


def triple_bytes(depth: int, small: bool) -> int:
    """Scratch of a packed window of `depth` inputs."""
    return 8 * (depth + (depth % 2 if small else 0))


def single_weights(weight: Array, small: bool) -> Array:
    """[O, K] int8 -> [O/8][K][8], for small as unsigned bytes 128 larger."""
    lanes = np.ascontiguousarray(pad_to(weight, 0, 8).reshape(-1, 8, weight.shape[1]).transpose(0, 2, 1)).reshape(-1)
    return (lanes.view(np.uint8) ^ 0x80).astype(np.uint8) if small else lanes


def single_numbers(bias: Array, mult: Array) -> Array:
    """[O/8][2][8]: bias and m of eight channels."""
    both = np.stack([pad_to(bias, 0, 8).reshape(-1, 8), pad_to(mult, 0, 8).reshape(-1, 8)], axis=1)
    return np.ascontiguousarray(both).astype(np.int32).reshape(-1)
