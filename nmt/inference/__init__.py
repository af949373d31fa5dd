"""From lines to translations, scores and alignments: `Translator`, over an engine of Keras or of
ONNX Runtime. With ONNX, no TensorFlow is loaded."""
