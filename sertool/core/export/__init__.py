"""A trained ensemble as one ONNX graph, checked, in a folder that runs without this toolkit."""
