"""What this package is called, and how its parts are installed."""

import importlib.util

VERSION = "0.1.0"
DISTRIBUTION = "nmt-attention"  # `nmt` on PyPI is somebody else's package


def is_installed(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def install_command(extra: str) -> str:
    """The command that installs an extra of this package."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
