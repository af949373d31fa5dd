"""Translates, scores and aligns lines: `Translator`, on an engine of Keras or ONNX Runtime. With
ONNX, no TensorFlow is loaded."""
