"""Prints the installed versions of what setup.cfg names and of what that depends on, for pip's
`--constraint`. Run it in an environment in which all tests have passed:

python scripts/constraints.py > constraints.txt
"""

import configparser
import platform
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def requirements(setup: Path) -> list[str]:
    """All that the package or one of its extras requires directly."""
    config = configparser.RawConfigParser()
    config.read(setup, "utf-8")
    extras = [text for _, text in config.items("options.extras_require")]
    lines = "\n".join([config["options"]["install_requires"], *extras]).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("%")]


def installed(wanted: list[str]) -> dict[str, str]:
    """Name -> version of these and of what they depend on, as far as it is installed."""
    versions: dict[str, str] = {}
    done = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        extras = {"", *requirement.extras}
        key = canonicalize_name(requirement.name), *sorted(extras)
        if key in done:
            continue
        done.add(key)
        try:
            distribution = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            continue
        versions[key[0]] = distribution.version
        for text in distribution.requires or ():
            marker = Requirement(text).marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
                wanted.append(text.partition(";")[0])
    return versions


if __name__ == "__main__":
    found = installed(requirements(Path(__file__).parents[1] / "setup.cfg"))
    print(f"# Versions that the checks passed with, on Python {platform.python_version()}.")
    print("# Made by scripts/constraints.py; used as: pip install --constraint constraints.txt ...")
    print("".join(f"{name}=={version}\n" for name, version in sorted(found.items())), end="")
