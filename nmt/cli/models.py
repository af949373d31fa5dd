"""The verb `models`: the models that ship with nmt."""

import argparse
from pathlib import Path
from typing import Any

from nmt.cli.console import verb
from nmt.errors import UserError
from nmt.terminal import printable


def add_verbs(verbs: Any) -> None:
    models = verb(verbs, "models", _models, "list the installed models, or show one's model card")
    actions = models.add_subparsers(title="actions", metavar="ACTION")
    verb(actions, "list", _models, "list the installed models, as `nmt models` does")
    show = verb(actions, "show", _show, "print a model card")
    show.add_argument("name", metavar="NAME", help="an installed model, or a file NAME.nmt")


def _models(options: argparse.Namespace) -> int:
    from nmt.runs.package import Package, installed_models

    models = installed_models()
    if not models:
        print("No models are installed.")
    for name, path in models.items():
        package = Package.open(path)
        card = package.card
        scores = [f"{one.test_set} {one.metric} {one.score:.1f}" for one in card.scores]
        facts = [f"{card.source} -> {card.target}", f"{package.size / 1e6:.1f} MB", *scores]
        facts += [card.licence] * bool(card.licence)
        print(f"{name:16} {printable('; '.join(facts))}")
    return 0


def _show(options: argparse.Namespace) -> int:
    from nmt.runs.package import Package, find_run

    path = find_run(Path(options.name))
    if not path.is_file():
        raise UserError(
            f"{path}: expected a model NAME.nmt. Received: a folder, which has no card."
        )
    package = Package.open(path)
    print(package.card.as_text(package.name), end="")
    return 0
