"""A parallel English-French corpus of everyday sentences, written by a bilingual grammar."""
