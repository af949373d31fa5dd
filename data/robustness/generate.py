"""Writes numbers.en: 500 lines with numbers as people type them, to see what a translation keeps.

python data/robustness/generate.py
"""

import random
from pathlib import Path

TEMPLATES = [
    "It costs {price} euros.",
    "The train leaves at {clock}.",
    "My phone number is {phone}.",
    "She was born on {date}.",
    "He is {small} years old.",
    "We need {small} chairs and {tens} plates.",
    "The room is {decimal} metres long.",
    "Our address is {small} Garden Street.",
    "Flight {large} is late.",
    "{percent} of the people said yes.",
    "The meeting is on {iso}.",
    "There are {thousands} people in this town.",
    "Room {hundreds} is on the {tens} floor.",
    "I paid ${price} for {small} tickets.",
    "The temperature is {small} degrees.",
    "Call me before {clock}.",
    "In {year}, he moved to Paris.",
    "The score was {small} to {tens}.",
    "Please read pages {tens} to {hundreds}.",
    "The code is {large}.",
    "He ran {decimal} kilometres in {tens} minutes.",
    "Version {version} is out.",
    "Order number {large} has arrived.",
    "A man wearing the number {tens} runs with the ball.",
    "The house was built in {year} and sold in {year}.",
]


def values(generator: random.Random) -> dict[str, str]:
    number = generator.randint
    return {
        "small": str(number(2, 19)),
        "tens": str(number(20, 99)),
        "hundreds": str(number(100, 999)),
        "large": str(number(10_000, 9_999_999)),
        "thousands": f"{number(1_000, 999_999):,}",
        "decimal": f"{number(1, 99)}.{number(1, 9)}",
        "price": f"{number(1, 99)}.{number(10, 99)}",
        "percent": f"{number(1, 99)}%",
        "clock": f"{number(1, 12)}:{number(10, 59)}",
        "phone": " ".join(f"{number(10, 99)}" for _ in range(5)),
        "date": f"{number(1, 28)} May {number(1900, 2030)}",
        "iso": f"{number(1990, 2030)}-{number(10, 12)}-{number(10, 28)}",
        "year": str(number(1500, 2030)),
        "version": f"{number(1, 9)}.{number(0, 30)}.{number(0, 30)}",
    }


def main() -> None:
    generator = random.Random(1)
    lines = [TEMPLATES[i % len(TEMPLATES)].format(**values(generator)) for i in range(500)]
    Path(__file__).with_name("numbers.en").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
