"""What this package is called, and how its parts are installed."""

import importlib.util

VERSION = "0.1.0"
DISTRIBUTION = "nmt-attention"  # `nmt` on PyPI is somebody else's package


def is_installed(package: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def install_command(extra: str) -> str:
    """The command that installs an extra of this package. Where TensorFlow was left out, pip would
    add it: then the extra's own packages."""
    if is_installed("tensorflow"):
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    import importlib.metadata  # slow, and this module is imported by every command
    import re
    import shlex

    required = importlib.metadata.requires(DISTRIBUTION) or ()
    mark = re.compile(rf";.*extra == ['\"]{extra}['\"]")
    packages = [one.partition(";")[0].strip() for one in required if mark.search(one)]
    return shlex.join(["pip", "install", *packages])
