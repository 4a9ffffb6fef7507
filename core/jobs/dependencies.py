"""Which Python packages this Python has, asked without importing them (importing torch takes seconds)."""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata, util

from ..errors import DependencyError

# By the name that is imported: what people call it, and what pip installs.
PACKAGES = {
    "torch": ("PyTorch", "torch --index-url https://download.pytorch.org/whl/cpu"),
    "PIL": ("Pillow", "pillow"),
    "numpy": ("NumPy", "numpy"),
    "pycolmap": ("pycolmap", "pycolmap"),
}
MODEL = ("torch", "PIL")  # what core.model imports besides numpy


@cache
def is_installed(package: str) -> bool:
    """Whether ``package`` can be imported. Remembered: a package that is installed later needs a restart."""
    return util.find_spec(package) is not None


@cache
def installed_version(package: str) -> str:
    """The version of an installed package, "" if it does not say."""
    try:
        return metadata.version({"PIL": "pillow"}.get(package, package))
    except metadata.PackageNotFoundError:
        return ""


def missing_packages(*packages: str) -> list[str]:
    """Those of ``packages`` that this Python lacks."""
    return [package for package in packages if not is_installed(package)]


def install_command(package: str, executable: str = sys.executable) -> str:
    """The command that installs ``package`` into this very Python, or another."""
    return f'"{executable}" -m pip install {PACKAGES[package][1]}'


def require_packages(*packages: str) -> None:
    """Do nothing if all ``packages`` can be imported.

    Raises:
        DependencyError: names the first that is missing, and the command that installs it.
    """
    elsewhere = (
        "; or in Blender name a Python that has it in Maquette's preferences"
        if "torch" in packages
        else ""
    )
    for package in missing_packages(*packages):
        raise DependencyError(
            f"{PACKAGES[package][0]} is not installed in this Python. Install it with {install_command(package)}, then restart"
            f"{elsewhere}"
        )
