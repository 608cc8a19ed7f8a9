"""onnx_ir.Model -> Program: QDQ groups become integer steps, float operators float32 steps."""

from edgec.lower.model import lower

__all__ = ["lower"]
