"""Text of this project, as data only. `everyday/train`, `everyday/dev` and `everyday/test` name the
embedded corpus, 24,000 English-French pairs of a generated grammar, wherever a text is expected;
data/everyday writes it. `everyday/sentences` are ordinary sentences, a part of data/sentences."""
