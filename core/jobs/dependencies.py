"""Which Python packages are installed, without importing them: importing torch takes seconds."""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata, util

from ..errors import DependencyError

# By import name: the name that people know, and the arguments of pip that install it.
PACKAGES = {
    "torch": ("PyTorch", "torch --index-url https://download.pytorch.org/whl/cpu"),
    "PIL": ("Pillow", "pillow"),
    "numpy": ("NumPy", "numpy"),
    "pycolmap": ("pycolmap", "pycolmap"),
}
MODEL = ("torch", "PIL")  # what core.model imports besides numpy
_DISTRIBUTIONS = {"PIL": "pillow"}  # import names that differ from pip's name


@cache
def is_installed(package: str) -> bool:
    """Return whether ``package`` can be imported.

    The answer is cached: a package that is installed later needs a restart.
    """
    return util.find_spec(package) is not None


@cache
def installed_version(package: str) -> str:
    """Return the version of an installed package, "" if it has no metadata."""
    try:
        return metadata.version(_DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        return ""


def missing_packages(*packages: str) -> list[str]:
    """Return those of ``packages`` that this Python lacks."""
    return [package for package in packages if not is_installed(package)]


def install_command(package: str, executable: str = sys.executable) -> str:
    """Return the command that installs ``package`` into the Python ``executable``."""
    return f'"{executable}" -m pip install {PACKAGES[package][1]}'


def require_packages(*packages: str) -> None:
    """Do nothing if all ``packages`` can be imported.

    Raises:
        DependencyError: A package is missing. The text names the first one and the command that
            installs it.
    """
    missing = missing_packages(*packages)
    if not missing:
        return

    alternative = ""
    if "torch" in packages:
        alternative = ", or choose a Python that has it in Maquette's preferences"

    name = PACKAGES[missing[0]][0]
    command = install_command(missing[0])
    raise DependencyError(
        f"{name} is not installed in this Python. Install it with {command} and "
        f"restart{alternative}"
    )
