"""Does the compiled code compute what the model means?  Host libraries, the reference interpreter, onnxruntime as the judge."""
