"""Sound to a model's input: log-mel energies and mel-frequency cepstral coefficients, the reference in numpy and the tables of the C.

Mel scales: HTK, 2595 log10(1 + f / 700); Slaney's Auditory Toolbox, linear to 1 kHz, logarithmic above, bands of unit area.
DCT: type II, orthonormal, or as TensorFlow scales it (every coefficient by sqrt(2 / mels)).
"""

from __future__ import annotations

import numpy as np

from edgec.frontend.spec import Sound
from edgec.ir.program import Array

FULL = 32768.0  # a sample of 16 bits is its number over this
_LINEAR, _KNEE, _STEP = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0


def window(spec: Sound) -> Array:
    """[frame] float64."""
    n = np.arange(spec.frame)
    if spec.window == "none":
        return np.ones(spec.frame)
    period = spec.frame - 1 if spec.window == "hann_symmetric" else spec.frame
    high, low = (0.54, 0.46) if spec.window == "hamming" else (0.5, 0.5)
    return np.asarray(high - low * np.cos(2 * np.pi * n / max(period, 1)))


def to_mel(hertz: Array, scale: str) -> Array:
    """Frequencies in mel."""
    if scale != "slaney":
        return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))
    above = _KNEE / _LINEAR + np.log(np.maximum(hertz, _KNEE) / _KNEE) / _STEP
    return np.where(hertz < _KNEE, hertz / _LINEAR, above)


def to_hertz(mel: Array, scale: str) -> Array:
    """The inverse of `to_mel`."""
    if scale != "slaney":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    knee = _KNEE / _LINEAR
    return np.where(mel < knee, mel * _LINEAR, _KNEE * np.exp(_STEP * (np.maximum(mel, knee) - knee)))


def bands(spec: Sound) -> Array:
    """[fft / 2 + 1, mels] float64: triangles that rise from the middle of one band to that of the next, evenly spaced in mel.

    "htk": straight in mel and of height one, as TensorFlow has them; "htk_hertz": straight in Hz, as torchaudio; "slaney": on the other
    scale, straight in Hz, of area one, as librosa.
    """
    high = spec.high or spec.rate / 2
    hertz = np.arange(spec.length // 2 + 1) * (spec.rate / spec.length)
    lowest, highest = to_mel(np.array([spec.low, high]), spec.mel)
    edges = np.linspace(lowest, highest, spec.mels + 2)
    at = to_mel(hertz, spec.mel) if spec.mel == "htk" else hertz
    if spec.mel != "htk":
        edges = to_hertz(edges, spec.mel)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rise = (at[:, None] - left) / (middle - left)
    fall = (right - at[:, None]) / (right - middle)
    made = np.maximum(0.0, np.minimum(rise, fall))
    made[0] = 0.0  # the mean is no sound
    return np.asarray(made * (2.0 / (right - left)) if spec.mel == "slaney" else made)


def dct(spec: Sound) -> Array:
    """[coefficients, mels] float64."""
    k, n = np.arange(spec.coefficients)[:, None], np.arange(spec.mels)[None, :]
    made = np.cos(np.pi * k * (2 * n + 1) / (2 * spec.mels)) * np.sqrt(2.0 / spec.mels)
    if spec.dct == "ortho":
        made[0] /= np.sqrt(2.0)
    return np.asarray(made)


def logarithm(energies: Array, spec: Sound) -> Array:
    """Band energies as the model takes them."""
    if spec.log == "ln_plus":
        return np.asarray(np.log(energies + spec.floor))
    if spec.log == "none":
        return energies
    floored = np.maximum(energies, spec.floor)
    if spec.log == "ln":
        return np.asarray(np.log(floored))
    return np.asarray(np.log10(floored) * (10.0 if spec.log == "db" else 1.0))


def frames(spec: Sound, samples: int) -> int:
    """Whole frames in so many samples."""
    return 0 if samples < spec.frame else 1 + (samples - spec.frame) // spec.hop


def reference(spec: Sound, samples: Array) -> Array:
    """[frames, features] float64 of int16 samples [n]."""
    x = samples.astype(np.float64) / FULL
    starts = spec.hop * np.arange(frames(spec, len(x)))
    cut = x[starts[:, None] + np.arange(spec.frame)] * window(spec)
    spectrum = np.abs(np.fft.rfft(cut, spec.length))
    if spec.spectrum == "power":
        spectrum = spectrum**2
    made = logarithm(spectrum @ bands(spec), spec)
    if spec.coefficients:
        made = made @ dct(spec).T
    return np.asarray((made - np.asarray(spec.mean)) / np.asarray(spec.std))
