"""Languages: English names, codes as clients write them, and detection.

Detection is by py3langid (BSD), a part of the extras `serve` and `data`: character n-grams of 140
languages. A word or two is too little for it.
"""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

# ISO 639-1. A run may name its languages by any suffix.
NAMES = {
    "af": "Afrikaans",
    "ar": "Arabic",
    "az": "Azerbaijani",
    "be": "Belarusian",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "eo": "Esperanto",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "gu": "Gujarati",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ka": "Georgian",
    "kk": "Kazakh",
    "km": "Khmer",
    "kn": "Kannada",
    "ko": "Korean",
    "la": "Latin",
    "lb": "Luxembourgish",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "ml": "Malayalam",
    "mn": "Mongolian",
    "mr": "Marathi",
    "ms": "Malay",
    "mt": "Maltese",
    "ne": "Nepali",
    "nl": "Dutch",
    "no": "Norwegian",
    "pa": "Punjabi",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tl": "Tagalog",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "uz": "Uzbek",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def language_name(code: str) -> str:
    return NAMES.get(code, code)


def match_language(code: str, known: Iterable[str]) -> str | None:
    """The known language that a client means: `EN`, `en-US` and `fr_CA` are `en`, `en` and `fr`.

    None if there is no such language. The same code wins over the same primary subtag.
    """
    known = list(known)
    if code in known:
        return code

    def same(shorten: Callable[[str], str]) -> str | None:
        return next((other for other in known if shorten(other) == shorten(code)), None)

    return same(_normal_tag) or same(lambda tag: _normal_tag(tag).partition("-")[0])


def _normal_tag(code: str) -> str:
    return code.strip().lower().replace("_", "-")


class Detected(NamedTuple):
    """A language that a text may be in, with a confidence from 0 to 100."""

    language: str
    confidence: float


def detect(text: str, languages: Iterable[str]) -> list[Detected]:
    """The given languages, most probable first.

    Confidence is the probability among all languages of the detector, not only the given ones: all
    are low for a text in another language.
    """
    probabilities: dict[str, float] = dict(_identifier().rank(text)) if text.strip() else {}
    found = [Detected(code, round(100 * probabilities.get(code, 0.0), 1)) for code in languages]
    return sorted(found, key=lambda one: -one.confidence)


def most_probable(text: str) -> Detected:
    """The most probable of all languages of the detector."""
    code, probability = _identifier().rank(text)[0]
    return Detected(code, round(100 * probability, 1))


@functools.cache
def detectable() -> frozenset[str]:
    """Codes of the languages that the detector knows."""
    return frozenset(code for code, _ in _identifier().rank(""))


@functools.cache
def _identifier() -> Any:
    # Imported on use, as the model has 50 MB.
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
