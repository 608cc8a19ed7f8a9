"""Above the line: ONNX in, one normalised and fully shaped `onnx_ir.Model` out (`load.front`)."""
