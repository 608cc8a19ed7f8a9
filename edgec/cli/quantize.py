"""`edgec quantize MODEL.onnx --calib DATA.npz -o OUT.onnx`: a float model becomes a QDQ model, and what that cost is told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from edgec.cli.output import JsonFlag, advancing, show


def quantize_command(
    model: Annotated[Path, Argument(metavar="MODEL.onnx", help="The trained float model.")],
    calib: Annotated[Path, Option(metavar="DATA.npz", help="Samples like those the model will see.")],
    out: Annotated[Path, Option("--out", "-o", metavar="OUT.onnx", help="The quantized model to write.")],
    keep_float: Annotated[
        list[str] | None, Option(metavar="NODE", help="Leave this node, or all of an operator, in float32; repeatable.")
    ] = None,
    keep_int16: Annotated[
        list[str] | None, Option(metavar="NODE", help="Keep 16 bits of this node's or operator's results; repeatable.")
    ] = None,
    auto_keep: Annotated[
        float | None, Option(metavar="DROP", help="Keep nodes in int16 or float32 until at most DROP percent is lost.")
    ] = None,
    low_rank: Annotated[
        float | None, Option(metavar="R", help="Factor dense layers to at most R of their multiplications.")
    ] = None,
    low_rank_error: Annotated[float, Option(metavar="E", help="Largest relative error of a factored layer.")] = 1.0,
    method: Annotated[str, Option(metavar="M", help="auto, minmax, percentile, mse or entropy.")] = "auto",
    percentile: Annotated[float, Option(metavar="P", help="Percent of values kept by --method percentile.")] = 99.99,
    per_tensor: Annotated[bool, Option("--per-tensor", help="One scale for all channels of a weight.")] = False,
    symmetric: Annotated[bool, Option("--symmetric", help="Activations with zero point 0.")] = False,
    effort: Annotated[int, Option(metavar="N", help="Trial runs spent on choosing ranges.")] = 64,
    sensitivity: Annotated[
        int, Option(metavar="N", help="Units to say what int16 and float32 would bring and cost for.")
    ] = 6,
    target: Annotated[str, Option(metavar="T", help="Whose flash, RAM and instructions the prices are.")] = "cortex-m4",
    state: Annotated[
        list[str] | None, Option(metavar="IN=OUT", help="OUT becomes IN of the next sample; repeatable.")
    ] = None,
    batch: Annotated[int, Option(metavar="N", help="Pins a symbolic first dimension.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Quantize a float model to int8 (QDQ ONNX that onnxruntime runs)."""
    from edgec import api
    from edgec.report import quant

    with advancing(f"quantizing {model.name}", quiet=as_json) as progress:
        document = api.quantize(
            model,
            calib,
            out,
            batch=batch,
            state=state or (),
            progress=progress,
            target=target,
            method=method,
            percentile=percentile,
            per_channel=not per_tensor,
            symmetric=symmetric,
            keep_float=tuple(keep_float or ()),
            keep_int16=tuple(keep_int16 or ()),
            auto_keep=auto_keep,
            low_rank=low_rank,
            low_rank_error=low_rank_error,
            effort=effort,
            sensitivity=sensitivity,
        )
    show(document, quant.quantized, as_json)
