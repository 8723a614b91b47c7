"""Runs as files that need no studio: weights, a script that samples, ONNX, samples, curves, tables, TensorBoard."""
