"""Sounds with the structure of spoken words, for models of speech when no recordings are at hand.

A sound is a glottal pulse train (its pitch gliding, 80..300 Hz) through three moving resonances, with bursts of noise between syllables,
under a smooth envelope of random onset and length, over background noise.  Loudness varies by 30 dB.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
RATE = 16000


def sounds(count: int, seed: int, length: int = RATE) -> Array:
    """[count, 1, length] float32 in -1..1."""
    rng = np.random.default_rng(seed)
    return np.stack([_word(rng, length) for _ in range(count)])[:, None].astype(np.float32)


def _glide(rng: np.random.Generator, lo: float, hi: float, length: int) -> Array:
    """A smooth curve through three random points."""
    points = rng.uniform(lo, hi, 3)
    return np.interp(np.linspace(0, 2, length), np.arange(3), points)


def _word(rng: np.random.Generator, length: int) -> Array:
    time = np.arange(length) / RATE
    phase = np.cumsum(_glide(rng, 80, 300, length)) / RATE
    voiced = np.zeros(length)
    formants = [_glide(rng, *band, length) for band in ((250, 900), (800, 2400), (2200, 3500))]
    pitch = np.gradient(phase) * RATE
    for harmonic in range(1, 41):
        frequency = harmonic * pitch
        gain = sum(1.0 / (1.0 + ((frequency - f) / w) ** 2) for f, w in zip(formants, (80, 120, 180), strict=True))
        voiced += gain * np.sin(2 * np.pi * harmonic * phase) / harmonic**0.5 * (frequency < RATE / 2)
    start, end = sorted(rng.uniform(0.05, 0.95, 2) * length / RATE)
    edge = rng.uniform(0.01, 0.08)
    envelope = 1.0 / (1.0 + np.exp(-(time - start) / edge * 4)) / (1.0 + np.exp((time - end) / edge * 4))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(2, 6) * time + rng.uniform(0, 6))
    hiss = np.diff(rng.normal(size=length + 1)) * (1 - syllables) * rng.uniform(0, 0.6)
    word = envelope * (syllables * voiced / max(np.abs(voiced).max(), 1e-9) + 0.3 * hiss)
    word = word * 10 ** rng.uniform(-1.5, 0) + rng.normal(size=length) * 10 ** rng.uniform(-4, -2)
    return np.clip(word, -1, 1)
