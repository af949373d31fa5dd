"""Writes a trained run in forms that need no TensorFlow to translate (ONNX, in float32 and int8),
or as a SavedModel, and proves that they translate alike."""
