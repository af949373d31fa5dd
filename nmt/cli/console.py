"""Messages on standard error, and the making of a verb."""

import argparse
import sys
from typing import Any


def say(text: str) -> None:
    print(text, file=sys.stderr)


def verb(verbs: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(verb=function)
    return parser
