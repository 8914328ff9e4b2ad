"""Export: a trained ensemble as one ONNX graph in a folder that runs without this toolkit."""
