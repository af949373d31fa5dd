"""The models that ship: ordinary sentences, what a card says, and no TensorFlow."""

import subprocess
import sys

import pytest
from pretrained.ordinary import read_ordinary

from nmt import Translator
from nmt.runs.package import Package, installed_models

MB = 1e6
# Sentences whose translation is none of those that are accepted: see docs/results/models.md.
MISSES = {
    "en-fr": {
        "How much does it cost?",
        "How long have you been feeling sick?",
        "Whose umbrella is this?",
        "I have no idea what you are talking about.",
        "Sorry, I didn't hear you, could you repeat that?",
    },
    "fr-en": {
        "Combien coûte un billet aller-retour pour Marseille ?",
        "Je m'appelle Thomas et voici ma sœur Julie.",
        "Le petit déjeuner est servi de sept heures à dix heures.",
        "Nous cherchons un hôtel pas trop cher près de la plage.",
        "Avez-vous ce pantalon en noir ?",
        "Mon fils a de la fièvre et il tousse.",
        "J'ai très mal au dos depuis trois jours.",
        "À quelle heure ferme la pharmacie ?",
        "Pourquoi est-ce que tu ris ?",
        "Tu as raison, ce n'est pas la peine de se disputer.",
        "Petit à petit, il apprend à jouer de la guitare.",
        "Mon adresse est le 12, rue de la République.",
        "La température est descendue à moins dix cette nuit.",
        "Madame Dubois habite au troisième étage depuis 1998.",
        "Si j'avais le temps, je lirais davantage.",
        "Excusez-moi de vous déranger, est-ce que cette place est prise ?",
    },
}
every_model = pytest.mark.parametrize("name", MISSES)


@every_model
def test_ordinary_sentences_are_translated_right(name):
    translator = Translator.load(name)
    sentences = read_ordinary(*name.split("-"))
    translations = translator.translate([sentence.source for sentence in sentences])
    wrong = {
        sentence.source: translation.text
        for sentence, translation in zip(sentences, translations, strict=True)
        if not sentence.accepts(translation.text)
    }
    assert wrong.keys() == MISSES[name], wrong


@every_model
def test_a_model_is_small_and_its_card_names_every_training_text(name):
    package = Package.open(installed_models()[name])
    assert package.size <= 12 * MB
    card = package.card
    assert f"{card.source}-{card.target}" == name
    assert len(card.sources) > 20 and all(source.licence for source in card.sources)
    test_sets = {score.test_set for score in card.scores}
    assert test_sets >= {"Tatoeba test, grouped references", "Europarl test"}
    assert all(score.signature for score in card.scores) and card.limits


@every_model
def test_a_model_translates_without_tensorflow(name):
    code = (
        "import sys; from nmt import Translator;"
        f"print(Translator.load({name!r}).translate(['Internet'])[0].text);"
        "assert not {'tensorflow', 'keras', 'onnx'} & sys.modules.keys()"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 0 and "nternet" in process.stdout, process.stderr
