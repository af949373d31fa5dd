"""The one exception for mistakes that the person at the keyboard can mend."""


class UserError(ValueError):
    """Says what was expected, what came, and what to do. The command line prints it without a traceback."""
