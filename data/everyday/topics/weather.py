"""The weather, and what one does because of it."""

from .. import lexicon as words
from ..core import NOTHING, Draw, Pair, pairs
from ..grammar import clause, finish
from ..registry import (
    country_in,
    future_time,
    past_time,
    pattern,
)
from ..subjects import someone
from ..verbs import VERB

WEATHER = pairs(
    """
    it is cold = il fait froid; it is hot = il fait chaud; it is raining = il pleut; it is snowing = il neige
    it is very windy = il y a beaucoup de vent; it is sunny = il y a du soleil
    it is foggy = il y a du brouillard; the weather is nice = il fait beau; the weather is bad = il fait mauvais
    it is cool = il fait frais; the sky is gray = °le ciel est gris
    """
)


SEASONS = (
    (
        ("in winter", "en hiver"),
        pairs("it is cold = il fait froid; it often snows = il neige souvent; it often rains = il pleut souvent"),
    ),
    (
        ("in summer", "en été"),
        pairs("it is hot = il fait chaud; the weather is nice = il fait beau; it rarely rains = il pleut rarement"),
    ),
    (
        ("in spring", "au printemps"),
        pairs("the weather is nice = il fait beau; it is cool = il fait frais; it sometimes rains = il pleut parfois"),
    ),
    (
        ("in autumn", "en automne"),
        pairs(
            """
            it is often foggy = il y a souvent du brouillard; it is cool = il fait frais
            it often rains = il pleut souvent
            """
        ),
    ),
)


WAS = pairs(
    """
    it was cold = il faisait froid; it was hot = il faisait chaud; it was raining = il pleuvait
    it was snowing = il neigeait; it was very windy = il y avait beaucoup de vent
    it was sunny = il y avait du soleil; the weather was nice = il faisait beau
    the weather was bad = il faisait mauvais; it was foggy = il y avait du brouillard
    """
)


WILL = pairs(
    """
    it is going to rain = il va pleuvoir; it is going to snow = il va neiger; it will be cold = il fera froid
    it will be hot = il fera chaud; the weather will be nice = il fera beau
    it is not going to rain = il ne va pas pleuvoir; it will rain = il pleuvra; it will snow = il neigera
    it will not rain = il ne pleuvra pas
    """
)


@pattern(1.5)
def weather(d: Draw) -> Pair:
    """It is cold in Geneva today. Tomorrow, it is going to snow in the mountains."""
    if d.chance(0.5):
        city = d.of(words.CITIES)
        where = f"in {city[0]}", f"à {city[1]}"
    else:
        country = d.of(words.COUNTRIES)
        where = f"in {country[0]}", country_in(country)
    kind = d.rng.random()
    if kind < 0.25:
        if d.chance(0.5):
            now, time = (
                d.of(WEATHER),
                d.of(pairs("today = aujourd'hui; this morning = ce matin; at the moment = en ce moment")),
            )
        else:
            time, often = d.of(SEASONS)
            now = d.of(often)
        return finish(d, (f"{now[0]} {where[0]}", f"{now[1]} {where[1]}"), time=time)
    if kind < 0.5:
        was = d.of(WAS)
        return finish(d, (f"{was[0]} {where[0]}", f"{was[1]} {where[1]}"), time=past_time(d, False))
    if kind < 0.75:
        will = d.of(WILL)
        return finish(d, (f"{will[0]} {where[0]}", f"{will[1]} {where[1]}"), time=future_time(d, False))
    n = d.between(2, 38)
    return finish(
        d,
        (f"it is {n} degrees {where[0]}", f"il fait {n} degrés {where[1]}"),
        time=d.of((NOTHING, ("today", "aujourd'hui"), ("this morning", "ce matin"))),
    )


@pattern(1)
def because_of_weather(d: Draw) -> Pair:
    """Marie stayed at home because it was raining. If it rains tomorrow, we will stay at home."""
    kind = d.rng.random()
    if kind < 0.5:
        s = someone(d, gendered=True, second=False)
        was = d.of(WAS)
        bad = was[0] not in ("it was sunny", "the weather was nice", "it was hot")
        if bad:
            what = d.of(
                (
                    ("stay", "at home", "à la maison"),
                    ("come home", "early", "tôt"),
                    ("stay", "at the hotel", "à l'hôtel"),
                    ("go", "to the movie theater", "à °le cinéma"),
                    ("go", "to the museum", "à °le musée"),
                )
            )
        else:
            what = d.of(
                (
                    ("go", "to the beach", "à la plage"),
                    ("go", "to the swimming pool", "à la piscine"),
                    ("go out", "without a coat", "sans manteau"),
                    ("go", "to the park", "à °le parc"),
                )
            )
        en, fr = clause(d, s, VERB[what[0]], "past", (what[1], what[2]))
        if d.chance(0.4):
            time = past_time(d, False)
            en, fr = f"{time[0]}, {en}", f"{time[1]}, {fr}"
        return finish(d, (f"{en} because {was[0]}", f"{fr} parce que {was[1]}"))
    s = someone(d, second=False)
    cond = d.of(
        pairs(
            """
            it rains = il pleut; it snows = il neige; the weather is bad = il fait mauvais
            it is cold = il fait froid; the weather is nice = il fait beau; it is hot = il fait chaud
            """
        )
    )
    good = cond[0] in ("the weather is nice", "it is hot")
    if good:
        what = d.of(
            (
                ("go", "to the beach", "à la plage"),
                ("take a walk", "in the forest", "dans la forêt"),
                ("swim", "in the lake", "dans °le lac"),
                ("eat", "in the garden", "dans °le jardin"),
            )
        )
    else:
        what = d.of(
            (
                ("stay", "at home", "à la maison"),
                ("go", "to the museum", "à °le musée"),
                ("take", "the bus", "°le bus"),
                ("watch", "a movie", "un film"),
                ("read", "a book", "un livre"),
            )
        )
    time = d.of(
        pairs(
            """
            tomorrow = demain; this weekend = ce week-end; tonight = ce soir; on Sunday = dimanche
            on Saturday = samedi; this afternoon = cet après-midi
            """
        )
    )
    en, fr = clause(d, s, VERB[what[0]], "future", (what[1], what[2]))
    return finish(d, (f"if {cond[0]} {time[0]}, {en}", f"si {cond[1]} {time[1]}, {fr}"))
