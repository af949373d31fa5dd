"""Words of a line for comparing lines, and the rules for pairs that need no model."""

import functools
import re
import unicodedata
from collections.abc import Sequence

import regex

MAX_WORDS = 100
LETTERS_PER_WORD = 2  # of scripts without spaces: a word of Chinese or Japanese, roughly
MAX_LENGTH_RATIO = 3.0  # characters of the longer side to those of the shorter one
RATIO_MIN_LENGTH = 40  # characters: "No way!" may well be "Il n'en est pas question !"
MIN_COPIED_WORDS = 4  # fewer may be a name, which is the same in both languages

_WORD = re.compile(r"[^\W_]+")
# Scripts that write no spaces between words. Which letters are a word only a dictionary would know:
# each letter counts as one, as in BLEU's tokenizer for Chinese.
_UNSPACED = (
    r"[[\p{L}\p{N}]&&[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]]"
)
# With the marks that letters of many scripts carry: vowels of Hindi, voicing of Japanese. Python's
# own `re` ends a word at each of them.
_UNSPACED_LETTER = regex.compile(rf"(?V1){_UNSPACED}\p{{M}}*+")
_MARKED_WORD = regex.compile(
    rf"(?V1){_UNSPACED}\p{{M}}*+|[\p{{L}}\p{{N}}--{_UNSPACED}][[\p{{L}}\p{{M}}\p{{N}}]--{_UNSPACED}]*+"
)
_MARKS = re.compile("[\u0300-\u036f\u00ad]")


# Text whose words can be normalised one by one: letters of Latin-1, and signs that end a word.
_LATIN = re.compile("[\x00-\x7fÀ-ÖØ-öø-ÿœŒ’‘“”«»–—…\u00a0\u202f]*")


def words_of(line: str) -> list[str]:
    """Words in small letters, without accents and punctuation: "L'Été, déjà" is l, ete, deja.

    In scripts that write no spaces between words, each letter with its marks is one.
    """
    if line.isascii():
        return _WORD.findall(line.casefold())
    if _LATIN.fullmatch(line):
        words = _WORD.findall(line.casefold())
        return [word if word.isascii() else _without_accents(word) for word in words]
    return list(_MARKED_WORD.findall(_normalized(line)))


def _normalized(text: str) -> str:
    text = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "oe"))
    return _MARKS.sub("", text).casefold()


# Words repeat.
_without_accents = functools.lru_cache(1 << 16)(_normalized)


def is_unspaced(word: str) -> bool:
    """Whether one of the words of a line is a letter of a script without spaces."""
    return not word.isascii() and _UNSPACED_LETTER.match(word) is not None


def has_letters_only(word: str) -> bool:
    """Whether one of the words of a line has no digits."""
    return word.isalpha() or not any(map(str.isnumeric, word))


def num_words(line: str) -> int:
    """Words between spaces; of scripts without spaces, LETTERS_PER_WORD letters are one."""
    if line.isascii() or _LATIN.fullmatch(line):
        return len(line.split())
    rest, num_letters = _UNSPACED_LETTER.subn(" ", line)
    if not num_letters:
        return len(line.split())
    num_others = sum(any(map(str.isalnum, word)) for word in rest.split())
    return num_others + num_letters // LETTERS_PER_WORD


def is_long(source: str, target: str) -> bool:
    if max(len(source), len(target)) <= 2 * MAX_WORDS:
        return False  # a word and a space have two characters
    return max(num_words(source), num_words(target)) > MAX_WORDS


def has_extreme_ratio(source: str, target: str, median_ratio: float = 1.0) -> bool:
    """Whether one side has more than MAX_LENGTH_RATIO times the characters that are expected from
    the other; `median_ratio` is that of target to source characters in the corpus."""
    if max(len(source), len(target)) < RATIO_MIN_LENGTH:
        return False
    shortest, longest = sorted((len(source) * median_ratio, len(target)))
    return longest > MAX_LENGTH_RATIO * shortest


def is_copied(source_words: Sequence[str], target_words: Sequence[str]) -> bool:
    """Whether the target is the source, and more than a name."""
    return source_words == target_words and (
        num_words(" ".join(filter(has_letters_only, source_words))) >= MIN_COPIED_WORDS
    )
