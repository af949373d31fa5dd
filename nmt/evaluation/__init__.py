"""Evaluation of translations and of attention: sacreBLEU scores (`metrics`), significance tests
(`significance`), word alignments and their error rate (`word_alignment`), and `plots`."""
