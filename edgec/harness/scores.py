"""Top-1 and area under the curve, as the MLPerf Tiny runner computes them from a device's printed results.

Source of the rules: github.com/mlcommons/tiny, benchmark/runner/main.py (written anew, without scikit-learn).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["accuracy", "area_under_curve", "by_file"]

Array = NDArray[Any]


def by_file(results: Array, labels: Array, files: Array) -> tuple[Array, Array]:
    """(scores [files, classes], class of each file): results normalised to sum 1 (a single value is left as it is), then averaged
    over the samples of a file.  results [samples, classes], labels and files [samples]."""
    shares = results if results.shape[1] == 1 else results / results.sum(axis=1, keepdims=True)
    names, first = np.unique(files, return_index=True)
    scores = np.stack([shares[files == name].mean(axis=0) for name in names])
    return scores, labels[first]


def accuracy(scores: Array, classes: Array) -> float:
    """Percent of files whose largest score is their class.  For one score a file (anomaly detection): the best mean of precision
    and recall, in percent, over 100 thresholds between the least and the largest score."""
    if scores.shape[1] > 1:
        return 100.0 * float(np.mean(scores.argmax(axis=1) == classes))
    low, high = float(scores.min()), float(scores.max())
    best = 0.0
    for threshold in low + np.arange(0.0, 1.0, 0.01) * (high - low):
        flagged = scores[:, 0] > threshold
        hits = float(np.sum(flagged & (classes == 1)))
        precision = hits / (float(flagged.sum()) + 1e-8)
        recall = hits / (float(np.sum(classes == 1)) + 1e-8)
        best = max(best, 50.0 * (precision + recall))
    return best


def area_under_curve(scores: Array, classes: Array) -> float | None:
    """Area under the receiver operating curve: of one score, of the second of two, or the mean over classes one against the
    rest.  None where a class has no file, or all of them."""
    if scores.shape[1] <= 2:
        return _area(scores[:, -1], classes == 1)
    areas = [_area(scores[:, index], classes == index) for index in range(scores.shape[1])]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if len(known) == len(areas) else None


def _area(scores: Array, positive: Array) -> float | None:
    """The chance that a positive file scores above a negative one, ties counted half (Mann and Whitney's U)."""
    yes, no = scores[positive], scores[~positive]
    if not len(yes) or not len(no):
        return None
    above = np.sum(yes[:, None] > no[None, :]) + 0.5 * np.sum(yes[:, None] == no[None, :])
    return float(above) / (len(yes) * len(no))
