"""Strings in, strings out: files of lines, tokenizers, what is copied through a translation,
sentences, languages and HTML. Knows no model."""
