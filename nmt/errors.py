"""What ends a command before its time: a mistake that the person at the keyboard can mend, or their
wish."""

import signal


class UserError(ValueError):
    """Says what was expected, what came, and what to do. The command line prints it without a
    traceback."""


class Interrupted(Exception):
    """A signal asked to stop; all state is saved, or what was saved before is good to go on from."""

    def __init__(self, signal_number: int, saved: bool = True):
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number, self.saved = signal_number, saved


class LineError(UserError):
    """Is about the line `index`, from 0, of those that were given together."""

    def __init__(self, index: int, message: str):
        super().__init__(f"line {index + 1}: {message}")
        self.index, self.message = index, message
