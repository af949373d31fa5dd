"""Parallel text: downloading corpora by name, a report on a corpus, and cleaning it. `catalogue`
lists the corpora, `checks` what a report looks for, `cleaning` what is done about it."""
