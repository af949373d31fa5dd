"""Exceptions that the command line reports without a traceback."""

import signal
from typing import Any


class UserError(ValueError):
    """A mistake that the user can correct: says what was expected, what came, and what to do."""


class Interrupted(BaseException):
    """A signal asked to stop. All state is saved, or an earlier state can be resumed from. Like
    KeyboardInterrupt it is no Exception: code that handles failures must not handle it."""

    def __init__(self, signal_number: int, saved: bool = True):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number, self.saved = signal_number, saved

    def __reduce__(self) -> tuple[Any, ...]:  # to be raised by another process
        return type(self), (self.signal_number, self.saved)


class LineError(UserError):
    """One of the given lines failed: that of `index`, from 0."""

    def __init__(self, index: int, message: str):
        super().__init__(f"line {index + 1}: {message}")
        self.index, self.message = index, message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.index, self.message)
