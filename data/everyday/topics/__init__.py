"""The sentence patterns by topic. To import a module is to register its patterns; the draw knows them in that order."""

from . import asking, days, family, food, health, home, linked, people, plain, shops, travel, weather

__all__ = [
    "asking",
    "days",
    "family",
    "food",
    "health",
    "home",
    "linked",
    "people",
    "plain",
    "shops",
    "travel",
    "weather",
]
