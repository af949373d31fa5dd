"""Configuration of experiments: the `schema` with its defaults, the `loader` that reads files and
explains errors, and the recipes that ship. Loads no TensorFlow, so it reports mistakes at once."""
