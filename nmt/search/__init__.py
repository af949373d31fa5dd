"""Beam search, sampling and decoding controls in NumPy, over any engine with `encode` and `step`.

Nothing here depends on the network, so tests use a table of probabilities as the engine. Start with
`beam.search`; `controls.controlled_search` adds the options of the config.
"""
