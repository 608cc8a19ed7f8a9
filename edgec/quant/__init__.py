"""Post-training quantization: a float model and samples in, a QDQ model and a report of what it cost out."""

from edgec.quant.options import QuantOptions, QuantResult
from edgec.quant.pipeline import quantize

__all__ = ["QuantOptions", "QuantResult", "quantize"]
