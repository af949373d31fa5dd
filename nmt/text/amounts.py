"""Prices, times of day and large numbers: where they stand in a line, and how another language
writes them.

A small model often drops the sign of a currency, or takes 8 p.m. for eight in the morning. As
copies (`copying.classes`) they keep their meaning, and are restored as the target language
writes them: "$1,250.50" is "1 250,50 $" in French, and "8 p.m." is "20 h". The order of
sign and number follows the currency patterns of CLDR. Other numbers are the model's, which spells
them digit by digit and may separate the groups of one by different characters.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from nmt.text.spans import Span


class NumberFormat(NamedTuple):
    """How a language writes prices and large numbers: separators of one character each."""

    decimal: str
    group: str
    sign_first: bool


FORMATS = {  # language -> format
    "de": NumberFormat(",", ".", False),
    "en": NumberFormat(".", ",", True),
    "es": NumberFormat(",", ".", False),
    "fr": NumberFormat(",", "\u00a0", False),
    "it": NumberFormat(",", ".", False),
}
# Of "$3 million", for French: by the letters that begin the English word and its short forms.
_SCALES = {"m": "million", "b": "milliard", "t": "billion"}
_CURRENCIES = {
    "$": "de dollars",
    "US$": "de dollars américains",
    "CA$": "de dollars canadiens",
    "C$": "de dollars canadiens",
    "€": "d'euros",
    "£": "de livres sterling",
    "¥": "de yens",
}

_SPACE = "[ \u00a0\u202f]"
_SIGN = r"(?:(?:US|CA|AU|NZ|HK|C|A)?\$|[£¥₠-⃀])"
_NUMBER = rf"(?:[0-9]{{1,3}}(?:{_SPACE}[0-9]{{3}})+(?:[.,][0-9]{{1,2}})?|[0-9]+(?:[.,][0-9]+)*)"
_SCALE = r"(?:[mM]n?|[bB]n?|tn|millions?|billions?|trillions?)"
_BEFORE_HOUR = "".join(
    rf"(?<=\b{word}{_SPACE})|"
    for word in ("à", "À", "dès", "vers", "Vers", "avant", "après", "entre", "h et")
)
_MINUTES = rf"(?:{_SPACE}?[0-5][0-9])?"
GROUP_SEPARATOR = "[ ,.'’\u00a0\u202f]"  # of some language, between groups of three digits
_GROUPED = re.compile(
    rf"(?<![\w.,])[1-9][0-9]{{0,2}}(?:{GROUP_SEPARATOR}[0-9]{{3}})+(?:[.,][0-9]+)?(?!\w|[.,][0-9])"
)

PATTERNS = {  # class -> regular expression without capturing groups
    # $12.50, €20, US$1,000, $3 million; 12,50 €, 2 500 $; not a range such as 10-20 €
    "prices": (
        rf"(?<![\w.,$£¥₠-⃀])(?<![0-9]{_SPACE}){_SIGN}{_SPACE}?{_NUMBER}"
        rf"(?:{_SPACE}?{_SCALE}(?!\w)|(?!\w|[.,/:–-]?[0-9]|{_SPACE}?(?:[kK]\b|hundred|thousand)))"
        rf"|(?<![\w.,/+$£¥₠-⃀-])(?<![0-9]–){_NUMBER}{_SPACE}?{_SIGN}(?!\w)"
    ),
    # 8 p.m., 7:45 am; à 20 h 30, entre 9 h et 18 h, de 14 h à 15 h; not the length of time in
    # "un vol de 2 h 30" and "à 2 h de Paris", nor "à 8 h du soir". A point that ends the line is no
    # part of it.
    "times": (
        rf"(?<![\w,:/+])(?<![0-9][.–-])(?:1[0-2]|0?[1-9])(?:[:.][0-5][0-9])?{_SPACE}?[AaPp]"
        rf"(?:\.{_SPACE}?[Mm]\.(?=\s*\S)|\.?{_SPACE}?[Mm](?!\w))"
        rf"|(?:{_BEFORE_HOUR}(?<=\b[Dd]e{_SPACE})(?=[0-9]{{1,2}}{_SPACE}?h{_MINUTES}{_SPACE}à{_SPACE}))"
        rf"(?:(?:1[3-9]|2[0-3]){_SPACE}?(?:heures|h)|(?:0?[0-9]|1[0-2]){_SPACE}?h){_MINUTES}"
        rf"(?!\w|{_SPACE}?[0-5][0-9]|{_SPACE}(?:min|en\b|de\b|d['’]|du\b))"
    ),
}


def rewritten(kind: str, text: str, source: str, target: str) -> str | None:
    """What stands for a `text` of class `kind` in a translation: a price or a time as the language
    `target` writes it, any other text as it is. None: it is better left to the model."""
    source, target = (language.split("-")[0].lower() for language in (source, target))
    if kind == "times":
        return _time(text, target) if {source, target} == {"en", "fr"} else None
    if kind == "prices":
        scale = re.search(f"(?<=[0-9 \u00a0\u202f]){_SCALE}$", text)
        if scale:
            return _large(text, scale[0]) if (source, target) == ("en", "fr") else None
        return _price(text, FORMATS.get(source), FORMATS.get(target))
    return text


def regrouped(translation: str, kept: Sequence[Span], line: str, source: str, target: str) -> str:
    """A translation in which the numbers of `line` that have several groups of digits are written
    as the language `target` does: 1,234,567 and 1 234,567 become 1\u00a0234\u00a0567 in French. It
    is as long as before, and what stands in the spans `kept` stays."""
    source_format, target_format = (
        FORMATS.get(language.split("-")[0].lower()) for language in (source, target)
    )
    if not source_format or not target_format:
        return translation
    parts = (_parts(number, source_format) for number in _GROUPED.findall(line))
    written = {
        (*whole, *([decimals] if decimals else [])): _written(whole, decimals, target_format)
        for whole, decimals in parts
        if len(whole) > 1
    }

    def rewrite(match: re.Match[str]) -> str:
        is_kept = any(match.start() < end and start < match.end() for start, end in kept)
        return match[0] if is_kept else written.get(tuple(re.split("[^0-9]", match[0])), match[0])

    return _GROUPED.sub(rewrite, translation) if written else translation


def _price(text: str, source: NumberFormat | None, target: NumberFormat | None) -> str:
    """Of a language that is not known, or not written as the language does: as it is."""
    sign, number = _sign_and_number(text)
    whole, decimals = _parts(number, source) if source else ([], "")
    if not whole or not target:
        return text
    rewritten = _written(whole, decimals, target)
    return f"{sign}{rewritten}" if target.sign_first else f"{rewritten}\u00a0{sign}"


def _large(text: str, scale: str) -> str | None:
    """3 millions de dollars, of $3 million."""
    sign, number = _sign_and_number(text)
    whole, decimals = _parts(number, FORMATS["en"])
    if sign not in _CURRENCIES or len(whole) != 1:
        return None
    plural = "s" if int(whole[0]) > 1 else ""
    rewritten = _written(whole, decimals, FORMATS["fr"])
    return f"{rewritten}\u00a0{_SCALES[scale[0].lower()]}{plural} {_CURRENCIES[sign]}"


def _sign_and_number(text: str) -> tuple[str, str]:
    return re.findall(_SIGN, text)[0], re.findall(_NUMBER, text)[0]


def _parts(number: str, language: NumberFormat) -> tuple[list[str], str]:
    """The groups of digits before the decimal separator, and the digits behind it; no groups if the
    number is not written as the language does. Two digits behind either separator are decimals."""
    separators = re.findall(r"[^0-9]", number)
    groups = re.split(r"[^0-9]", number)
    decimals = ""
    if (
        separators
        and separators[-1] in ".,"
        and (separators[-1] == language.decimal or len(groups[-1]) == 2)
    ):
        decimals = groups.pop()
        separators.pop()
    is_grouped = all(len(group) == 3 for group in groups[1:]) and len(groups[0]) <= 3
    if separators and not (is_grouped and set(separators) <= {language.group, *_SPACE[1:-1]}):
        return [], ""
    return groups, decimals


def _written(groups: list[str], decimals: str, language: NumberFormat) -> str:
    return language.group.join(groups) + (language.decimal + decimals if decimals else "")


def _time(text: str, target: str) -> str:
    hour, minutes = [*map(int, re.findall("[0-9]+", text)), 0][:2]
    if target == "fr":
        hour = hour % 12 + (12 if "p" in text.lower() else 0)
        return f"{hour}\u00a0h" + (f"\u00a0{minutes:02}" if minutes else "")
    if hour > 12:
        return f"{hour - 12}" + (f":{minutes:02}" if minutes else "") + " pm"
    return f"{hour}:{minutes:02}"
