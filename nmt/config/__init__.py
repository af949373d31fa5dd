"""What an experiment may say: the schema of a config with its defaults, the loader that reads and
explains it, and the recipes that ship. Loads no TensorFlow, so that a mistake in a config is
reported at once."""
