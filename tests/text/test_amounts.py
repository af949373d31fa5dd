"""Prices and times of day are found where they stand, and rewritten as the target language writes
them."""

import re

import pytest

from nmt.text.amounts import FORMATS, PATTERNS, regrouped, rewritten
from nmt.text.placeholders import Copier


def rewrite(line, source, target, *classes):
    """The line with what is rewritten in angle brackets."""
    copier = Copier(classes or [*PATTERNS], lambda line: set(), languages=(source, target))
    return copier.mask(line).replaced(lambda copy: f"<{copy.restored}>")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("It costs $12.50.", "It costs <12,50\u00a0$>."),
        ("€20, £1,250.50 or $ 5?", "<20\u00a0€>, <1\u00a0250,50\u00a0£> or <5\u00a0$>?"),
        ("US$1,000,000 (C$5)", "<1\u00a0000\u00a0000\u00a0US$> (<5\u00a0C$>)"),
        ("$10–$20, -$5, a $20 bill", "<10\u00a0$>–<20\u00a0$>, -<5\u00a0$>, a <20\u00a0$> bill"),
        ("20 € and 5.99€", "<20\u00a0€> and <5,99\u00a0€>"),
    ],
)
def test_english_prices_become_french(line, expected):
    assert rewrite(line, "en", "fr") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Ça coûte 12,50 €.", "Ça coûte <€12.50>."),
        ("1 250,50 €, 2\u202f500\u00a0€ ou 5€ ?", "<€1,250.50>, <€2,500> ou <€5> ?"),
        ("12.50 €, 1,5 $", "<€12.50>, <$1.5>"),
    ],
)
def test_french_prices_become_english(line, expected):
    assert rewrite(line, "fr", "en") == expected


@pytest.mark.parametrize(
    "line",
    [
        "$4k, $2 thousand, $3 hundred, ₽3 million, $1,000 million",
        "$5-10, 10-20 €, 10–20 €, 3 M€, 12 €50",
        "$HOME, a$5, 5%, €, $x",
        "100 euros",
    ],
)
def test_what_is_no_single_amount_stays(line):
    assert rewrite(line, "en", "fr", "prices") == line
    assert rewrite(line, "fr", "en", "prices") == line


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("$3 million", "3\u00a0millions de dollars"),
        ("US$1.5m", "1,5\u00a0million de dollars américains"),
        ("€20bn", "20\u00a0milliards d'euros"),
        ("£1 billion", "1\u00a0milliard de livres sterling"),
        ("$2.25 trillion", "2,25\u00a0billions de dollars"),
    ],
)
def test_large_amounts_become_french_words(amount, expected):
    assert rewrite(f"It made {amount} last year.", "en", "fr") == f"It made <{expected}> last year."
    assert rewrite(amount, "en", "de") == rewrite(amount, "fr", "en") == amount


def test_a_number_that_the_language_does_not_write_so_is_copied_as_it_stands():
    assert rewrite("$1.2.3 and €1.000,50 and $12,5", "en", "fr") == (
        "<$1.2.3> and <€1.000,50> and <$12,5>"
    )


def test_a_price_is_copied_as_it_stands_where_a_language_is_not_known():
    assert rewrite("It is $12.50.", "en", "eo") == "It is <$12.50>."
    assert rewrite("It is $1,250.50.", "en-GB", "de-AT") == "It is <1.250,50\u00a0$>."


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("amount", ["5", "12.50", "1,250", "1,250.50", "1,234,567.89"])
def test_a_price_there_and_back_is_the_same(source, target, amount):
    there = rewritten("prices", f"${amount}", "en", source)
    across = rewritten("prices", there, source, target)
    assert rewritten("prices", across, target, "en") == f"${amount}"
    assert re.sub("[^0-9]", "", across) == re.sub("[^0-9]", "", amount)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("At 8 p.m. on Saturday", "At <20\u00a0h> on Saturday"),
        ("It closes at 8 p.m.", "It closes at <20\u00a0h>."),
        ("7:45 a.m., 12:30 PM or 12 am?", "<7\u00a0h\u00a045>, <12\u00a0h\u00a030> or <0\u00a0h>?"),
        ("From 9.05am to 5 P. M.", "From <9\u00a0h\u00a005> to <17\u00a0h>."),
        ("3 p.m.-5 p.m.", "<15\u00a0h>-<17\u00a0h>."),
    ],
)
def test_english_times_become_french(line, expected):
    assert rewrite(line, "en", "fr") == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Le train part à 20 h 30.", "Le train part à <8:30 pm>."),
        ("De 9 h à 18h, jusqu'à 20 heures", "De <9:00> à <6 pm>, jusqu'à <8 pm>"),
        ("Entre midi, vers 12\u00a0h\u00a015", "Entre midi, vers <12:15>"),
        ("entre 9 h et 17 h 05", "entre <9:00> et <5:05 pm>"),
    ],
)
def test_french_times_become_english(line, expected):
    assert rewrite(line, "fr", "en") == expected


@pytest.mark.parametrize(
    "line",
    [
        "8 amps, at 8 a man, 13 p.m., 9-5 p.m., 19:45 pm, v1.5 pm",
        "un vol de 14 h, 35 h par semaine, à 35 h, il dure 2 h 30",
        "à 2 h de Paris, à 1 h 30 d'ici, à 8 h du soir, à 20 h 30 min, à 3 h en train",
        "à 8 heures",
    ],
)
def test_what_is_no_time_of_day_stays(line):
    assert rewrite(line, "en", "fr", "times") == line
    assert rewrite(line, "fr", "en", "times") == line


def test_times_are_rewritten_between_english_and_french_only():
    assert rewrite("At 8 p.m. on Saturday", "en", "de") == "At 8 p.m. on Saturday"


def test_a_pair_shares_what_is_written_as_the_target_language_does():
    copier = Copier(["prices", "times"], lambda line: set(), languages=("en", "fr"))
    pairs = copier.pair_up("It was $12.50 at 8 p.m. sharp.", "C'était 12,50\u00a0$ à 20\u00a0h.")
    assert [target.restored for _, target in pairs] == ["12,50\u00a0$", "20\u00a0h"]
    for space in (" ", "\u202f"):
        (pair,) = copier.pair_up("It was $12.50.", f"C'était 12,50{space}$.")
        assert pair[1].end - pair[1].start == len("12,50 $")
    assert copier.pair_up("It was $12.50.", "C'était 12 dollars 50.") == []


@pytest.mark.parametrize(
    ("source", "line", "translation", "expected"),
    [
        ("en", "1,234,567 visitors", "1 234,567 visiteurs", "1\u00a0234\u00a0567 visiteurs"),
        ("en", "1,234.56 or 2,500?", "1 234.56 ou 2,500 ?", "1\u00a0234,56 ou 2\u00a0500 ?"),
        ("en", "9'876'543 or 1.234.567", "9 876,543 ou 1.234,567", "9 876,543 ou 1.234,567"),
        ("en", "12,345 and 1,234", "1234 et 12.345", "1234 et 12\u00a0345"),
        ("fr", "2 165 423 habitants", "2,165 423 inhabitants", "2,165,423 inhabitants"),
        ("fr", "1\u202f250,50 de plus", "1 250,50 more", "1,250.50 more"),
        ("fr", "1,234 m", "1,234 m", "1,234 m"),  # of one metre
    ],
)
def test_large_numbers_are_written_as_the_target_language_does(source, line, translation, expected):
    target = {"en": "fr", "fr": "en"}[source]
    assert regrouped(translation, [], line, source, target) == expected
    assert len(expected) == len(translation)


def test_only_large_numbers_of_the_line_are_regrouped():
    line, translation = (
        "1,234,567 of https://x.org/1,234,567",
        "1 234,567 de https://x.org/1,234,567",
    )
    kept = [(translation.index("https"), len(translation))]
    found = regrouped(translation, kept, line, "en", "fr")
    assert found == "1\u00a0234\u00a0567 de https://x.org/1,234,567"
    for languages in (("en", "xx"), ("xx", "fr"), ("", "")):
        assert regrouped(translation, [], line, *languages) == translation
    assert regrouped("7 654,321", [], "1,234,567", "en", "fr") == "7 654,321"


def test_a_long_row_of_digits_takes_linear_time():
    for line in ("1" * 50_000, "1 " * 25_000, "1,000" * 10_000, "$" * 50_000, "à 9 h " * 10_000):
        rewrite(line, "en", "fr")
        rewrite(line, "fr", "en")
        regrouped(line, [], line, "en", "fr")
