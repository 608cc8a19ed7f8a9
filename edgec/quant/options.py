"""What a caller may decide about a quantization, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgec.errors import UsageError

if TYPE_CHECKING:
    import onnx_ir as ir

METHODS = ("auto", "minmax", "percentile", "mse", "entropy")
Price = Callable[["ir.Model"], dict[str, int]]  # a QDQ model -> its flash bytes, RAM bytes, instructions
Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True)
class QuantOptions:
    """Options of one quantization.  The same model, samples and options give the same bytes.

    method: how ranges are chosen; auto measures every method and then tensor by tensor; percentile: share of values kept
    inside; per_channel: weights with one scale for each output channel; symmetric: activations with zero point 0;
    bias_correction, equalize: switch those off; keep_float: nodes to leave in float32 (an operator's name stands for
    all its nodes); keep_int16: nodes whose results keep 16 bits (model inputs and float32 values that they read too), int16 computed
    with int8 weights; auto_keep: keep units in int16 or float32
    until the loss is at most that (percentage points of changed top-1 for a classifier, else percent of output error);
    low_rank: share of the MACs of a dense layer that its two factors may cost, low_rank_error: relative error of the layer's
    output beyond which it is left whole; effort: how many trial runs may be spent
    on choosing ranges; trial_samples: samples each of those looks at
    (None: as many as the size of the model allows); sensitivity: of how many units the report says what
    keeping them in int16 or float32 would bring; states: (input, output) of the model that get one scale, samples being one sequence: an
    input that is a state is what the output was before, zero at first.
    """

    method: str = "auto"
    percentile: float = 99.99
    per_channel: bool = True
    symmetric: bool = False
    bias_correction: bool = True
    equalize: bool = True
    keep_float: tuple[str, ...] = ()
    keep_int16: tuple[str, ...] = ()
    auto_keep: float | None = None
    low_rank: float | None = None
    low_rank_error: float = 1.0
    effort: int = 64
    trial_samples: int | None = None
    sensitivity: int = 0
    states: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"--method {self.method!r} is not a choice", f"use one of: {', '.join(METHODS)}")
        if not 50.0 < self.percentile <= 100.0:
            raise UsageError(f"a percentile of {self.percentile} is not in (50, 100]", "99.99 is a common choice")
        if self.low_rank is not None and not 0.0 < self.low_rank < 1.0:
            raise UsageError(
                f"--low-rank {self.low_rank} is not between 0 and 1", "it is the share of MACs to keep, 0.6 for example"
            )
        if self.auto_keep is not None and self.auto_keep < 0:
            raise UsageError(f"--auto-keep {self.auto_keep} is negative", "give the loss you accept, 0.5 for example")
        if self.effort < 0 or (self.trial_samples is not None and self.trial_samples < 1):
            raise UsageError("effort must not be negative, trial_samples at least 1", "leave them out for the defaults")


@dataclass(frozen=True)
class QuantResult:
    """model: the QDQ model; report: plain values, what `edgec quantize --json` prints."""

    model: ir.Model
    report: dict[str, Any]


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback of those who want none."""
