"""What this package is called, and how its parts are installed."""

VERSION = "0.1.0"
DISTRIBUTION = "nmt-attention"  # `nmt` on PyPI is somebody else's package


def install_command(extra: str) -> str:
    """The command that installs an extra of this package."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
