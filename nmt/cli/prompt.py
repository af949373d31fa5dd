"""The prompt of `nmt translate`: sentences typed at a terminal."""

import contextlib
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.cli import shared
from nmt.cli.console import is_terminal, say
from nmt.cli.shared import RunOptions, SearchOptions
from nmt.errors import UserError
from nmt.terminal import printable

if TYPE_CHECKING:
    from nmt.inference.translator import Translator

HELP = """Type a sentence to translate it. Commands:
  :look           show, or stop showing, which source words each word attends to
  :alternatives   show, or stop showing, other translations
  :swap           translate in the other direction
  :help           this text
  :quit           leave (also Ctrl-D)"""
_COMMAND = re.compile(r":[a-z]+( [\w-]+)?")
NUM_ALTERNATIVES = 5  # translations in all, if the beam is as wide


@dataclass
class Direction:
    """A translator, and the options that its sentences are translated with."""

    translator: "Translator"
    search: SearchOptions

    @property
    def pair(self) -> tuple[str, str]:
        data = self.translator.run.config.data
        return data.source, data.target

    def introduction(self) -> str:
        source, target = self.pair
        run = self.translator.run
        lines = [f"{run.name}: {source} -> {target}. :help for help, Ctrl-D to leave."]
        if run.package:
            lines += [printable(limit) for limit in run.package.card.limits]
        return "\n".join(lines)


class Prompt:
    """Translates what is typed, a sentence a line. A line that looks like no command is text, such
    as `:-)` and `:smile:`."""

    def __init__(self, translator: "Translator", search: SearchOptions, n_best: int):
        self.direction = Direction(translator, search)
        self.other: Direction | None = None  # loaded by the first `:swap`
        self.n_best = n_best
        self.shows_attention = False
        self.shows_alternatives = False
        self.last = ""  # the sentence typed last
        self.commands = {
            ":look": self._toggle_attention,
            ":alternatives": self._toggle_alternatives,
            ":swap": self._swap,
            ":help": lambda: say(HELP),
        }

    def run(self) -> int:
        """Answers until the end of the input. Returns the exit code."""
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  gives `input` line editing and a history

        say(self.direction.introduction())
        while True:
            try:
                line = input("> " if is_terminal(sys.stdout) else "").strip()
            except (EOFError, KeyboardInterrupt):
                say("")
                return 0
            except UnicodeDecodeError as error:
                say(f"expected UTF-8. Received: {error.object!r}.")
                continue
            if line in (":quit", ":q"):
                return 0
            try:
                if line in self.commands:
                    self.commands[line]()
                elif _COMMAND.fullmatch(line):
                    say(f"no such command: {line}. :help lists the commands.")
                elif line:
                    self.last = line
                    self._answer(line)
            except UserError as error:  # about this line only
                say(str(error))

    def _answer(self, line: str) -> None:
        translator, search = self.direction.translator, self.direction.search
        num_shown = self.n_best
        if self.shows_alternatives:
            beam_size = search.decoding.get("beam_size") or translator.run.config.decoding.beam_size
            num_shown = max(num_shown, min(NUM_ALTERNATIVES, beam_size))
        (translation,) = translator.translate([line], n_best=num_shown, **search.keywords())
        if self.n_best > 1:
            for candidate in translation.candidates:
                print(f"{candidate.score:8.4f}  {candidate.text}")
        else:
            print(translation.text)
            texts = dict.fromkeys(candidate.text for candidate in translation.candidates)
            for text in list(texts)[1:]:
                print(f"  or  {text}")
        if self.shows_attention and translation.text.strip():
            from nmt.evaluation.plots import text_heatmap

            alignment = translator.align(line, translation.text)
            print(
                text_heatmap(alignment.weights_TS, alignment.source_words, alignment.target_words)
            )

    def _toggle_attention(self) -> None:
        self.shows_attention = not self.shows_attention
        self._say_and_show("attention is", self.shows_attention)

    def _toggle_alternatives(self) -> None:
        self.shows_alternatives = not self.shows_alternatives
        self._say_and_show("alternatives are", self.shows_alternatives)

    def _say_and_show(self, subject: str, shown: bool) -> None:
        say(f"{subject} {'shown' if shown else 'hidden'}")
        if shown and self.last:
            self._answer(self.last)

    def _swap(self) -> None:
        self.other = self.other or self._load_other()
        self.direction, self.other = self.other, self.direction
        self.last = ""
        say(self.direction.introduction())

    def _load_other(self) -> Direction:
        """The installed model of the other direction. Phrases that were given for this direction do
        not apply to it."""
        source, target = self.direction.pair
        path = _installed_model(target, source)
        if path is None:
            raise UserError(f"no installed model translates {target} -> {source}.")
        search = self.direction.search
        if search.glossary or search.required or search.banned:
            say("Glossary, required and banned phrases do not apply in this direction.")
            search = replace(search, glossary=None, required=(), banned=())
        return Direction(shared.load(RunOptions((path,))), search)


def _installed_model(source: str, target: str) -> Path | None:
    from nmt.runs.package import Package, installed_models

    for path in installed_models().values():
        card = Package.open(path).card
        if (card.source, card.target) == (source, target):
            return path
    return None
