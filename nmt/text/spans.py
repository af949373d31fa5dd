"""Spans of characters in a line.

`Span` is the plain pair, used for words and pieces. `placeholders.CopySpan` adds the text that is
copied, and `serving.schemas.Span` is the same pair in the JSON of the server.
"""

Span = tuple[int, int]  # start and end in characters: line[start:end]
