"""Paragraphs into sentences, for plain text: rules and lists of abbreviations, no markup.

By sentencex (Wikimedia, MIT), the extra `split`. It knows some 300 languages and, where in doubt,
leaves two sentences together.
"""

import re

from nmt.about import install_command
from nmt.errors import UserError

# "M. Dupont", "J.-C. Juncker": a letter alone is an initial more often than the end of a sentence.
# The library's English rules know that, its French ones do not. Of the ends it finds in five lines
# of Europarl put together, 91 % end a line in French without this and 95 % with it, and 96 % in
# English; it misses less than 1 %.
_INITIAL = re.compile(r"(?:^|\W)\w\.\s*$")


def sentences(text: str, language: str) -> list[str]:
    """The sentences of a text, each with the white space that follows it: joined, they are the text
    again.

    `language` is an ISO code such as "fr"; English rules serve one that is not known. Raises
    UserError if the library is not installed.
    """
    try:
        from sentencex import segment
    except ImportError as error:
        raise UserError(
            f"splitting sentences needs sentencex. Install it with: {install_command('split')}"
        ) from error
    found: list[str] = []
    for part in segment(language, text):
        if found and (_INITIAL.search(found[-1]) or not part.strip() or not found[-1].strip()):
            found[-1] += part
        else:
            found.append(part)
    return found
