"""Measures of a translation and of attention, with what others can check: sacreBLEU's scores,
significance tests, word alignments, and plots."""
