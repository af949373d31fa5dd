"""Paragraphs into sentences, for plain text: rules and lists of abbreviations, no markup.

By sentencex (Wikimedia, MIT). It knows some 300 languages and, in doubt, leaves
two sentences together.
"""

import logging
import re

from sentencex import segment

logger = logging.getLogger(__name__)

# "M. Dupont", "J.-C. Juncker": a letter alone is an initial more often than the end of a sentence.
# The library's English rules know that, its French ones do not. Of the ends it finds in five lines
# of Europarl put together, 91 % end a line in French without this and 95 % with it, and 96 % in
# English; it misses less than 1 %.
# A number at the start of a line is that of a list.
_NO_END = re.compile(r"(?:^|\W)[^\W\d_]\.\s*$|^\s*\d+\.\s*$")
# Between sentences is a space, except in scripts without spaces: no address is split.
_SPACED_END = re.compile(r"[\s。．！？｡…]$")
# What every end of a sentence inside a line has: a mark and, somewhere after it, a word. Most lines
# are one sentence and have none. Matched from the start of the line, in linear time.
_MARKS = r".!?…:;。．！？｡।॥؟۔።။៖\n\u2028"
_END_INSIDE = re.compile(rf"[^{_MARKS}]*+[{_MARKS}].*\w", re.DOTALL)


def sentences(text: str, language: str) -> list[str]:
    """The sentences of a text, each with the white space that follows it: joined, they are the text
    again.

    `language` is an ISO code such as "fr"; for an unknown one the English rules are used. A text
    that the library cannot process is one sentence.
    """
    if not _END_INSIDE.match(text):
        return [text]
    try:
        parts = list(segment(language, text))
    except BaseException as error:
        # A panic in Rust is no Exception; nor is what is meant to end the program.
        if not (isinstance(error, Exception) or type(error).__name__ == "PanicException"):
            raise
        logger.warning("a line is not split into sentences: %s", error)
        return [text]
    found: list[str] = []
    for part in parts:
        if found and (
            _NO_END.search(found[-1])
            or not _SPACED_END.search(found[-1])
            or not part.strip()
            or not found[-1].strip()
        ):
            found[-1] += part
        else:
            found.append(part)
    return found
