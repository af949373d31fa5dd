"""The embedded corpus, as data only: 24,000 English-French pairs of a generated grammar, dev and
test sets. `everyday/train` names it wherever a text is expected; data/everyday writes it."""
