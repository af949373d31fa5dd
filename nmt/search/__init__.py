"""Greedy, beam and sampling search in NumPy over any engine with `encode` and `step`, and the
controls of search. Knows no network, so a table can be its engine."""
