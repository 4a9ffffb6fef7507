"""Programs that run Python code in a process: another Python, or a Blender without a window.

Neither of them runs what lies in the working folder: a file ``json.py`` there, perhaps of a
download, is not the module ``json``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from ..errors import StartError
from .child_process import Patience, printable_text

_BOOT_FILE = "worker_boot.py"
# Variables that would change which Python starts, what it runs first, or whether it ever ends.
_DROPPED_VARIABLES = (
    "PYTHONHOME",  # Blender's, if it set one
    "PYTHONPLATLIBDIR",
    "PYTHONEXECUTABLE",
    "__PYVENV_LAUNCHER__",
    "PYTHONSTARTUP",
    "PYTHONINSPECT",
    "PYTHONCASEOK",
)


@dataclass(frozen=True)
class PythonInterpreter:
    """A Python.

    Attributes:
        executable: Path of its program.
        paths: Further folders in which it shall find modules, such as an extension's wheels.
        packages: Folder whose modules it shall prefer to all others; "" for none.
    """

    executable: str
    paths: tuple[str, ...] = ()
    packages: str = ""

    # Until its first sign. Reading Python and NumPy from a cold disk takes some ten seconds, in
    # which it computes a little.
    start_patience: ClassVar[Patience] = Patience(idle=15.0, total=120.0)

    @classmethod
    def current(cls) -> PythonInterpreter:
        """Return the Python that runs this, for use in another process."""
        return cls(sys.executable, tuple(path for path in sys.path if Path(path).is_absolute()))

    @property
    def label(self) -> str:
        """The path of its program, as it can be shown."""
        return printable_text(self.executable)

    def start_code(
        self,
        code: str,
        *arguments: str,
        scratch: str | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
        **pipes: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a process that runs code without a window or console.

        It leads a process group of its own, so that all that it starts can be ended with it.

        Args:
            code: Program text.
            arguments: The process's ``sys.argv[1:]``.
            scratch: Folder for its temporary files instead of the system's.
            variables: Further environment variables.
            pipes: ``stdin``, ``stdout`` and ``stderr`` of ``subprocess.Popen``. Without
                ``stdin`` it has nothing to read.

        Raises:
            StartError: It cannot be started.
        """
        environment = {**clean_environment(os.environ), **variables}
        if scratch:
            environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), scratch)

        pipes.setdefault("stdin", subprocess.DEVNULL)
        if sys.platform == "win32":
            pipes["creationflags"] = subprocess.CREATE_NO_WINDOW
        else:
            pipes["start_new_session"] = True

        command = [program_path(self.executable), *self.command_words(code), *arguments]
        try:
            return subprocess.Popen(command, env=environment, **pipes)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise StartError(
                f"{self.label} could not be started ({reason}). Choose a Python executable "
                "in the preferences"
            ) from error

    def start_package_code(self, code: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start ``code`` as :meth:`start_code` does, with this package as ``maquette_core``."""
        module = Path(__file__)
        boot = module.with_name(_BOOT_FILE).read_text(encoding="utf-8")
        core = str(module.parents[1])
        return self.start_code(f"{boot}\n{code}", core, self.packages, *self.paths, **options)

    def command_words(self, code: str) -> tuple[str, ...]:
        """Return the command line arguments that make the program run ``code``."""
        return ("-B", "-c", code)


class BlenderInterpreter(PythonInterpreter):
    """A Blender without window, preferences and add-ons: a Python that has bpy."""

    start_patience: ClassVar[Patience] = Patience(idle=30.0, total=240.0)

    def command_words(self, code: str) -> tuple[str, ...]:
        """Return the command line arguments that make Blender run ``code`` on its main thread."""
        program = (
            "import sys\n"
            "sys.dont_write_bytecode = True\n"
            "sys.argv[1:] = sys.argv[sys.argv.index('--') + 1:]\n"
            f"{code}"
        )
        return ("-b", "--factory-startup", "--python-expr", program, "--")


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a Python process: the user's, less what misleads a Python.

    What set-ups need stays: search paths of programs and libraries, settings of CUDA and threads,
    the user's site-packages and absolute entries of PYTHONPATH. A relative or empty entry would
    run what lies in the working folder.

    Args:
        variables: Of this process.
    """
    environment = {
        **variables,
        "PYTHONSAFEPATH": "1",  # from Python 3.11 on; worker_boot.py does the same for older ones
        "PYTORCH_ENABLE_MPS_FALLBACK": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    for name in _DROPPED_VARIABLES:
        environment.pop(name, None)

    folders = environment.pop("PYTHONPATH", "").split(os.pathsep)
    absolute = [folder for folder in folders if Path(folder).is_absolute()]
    if absolute:
        environment["PYTHONPATH"] = os.pathsep.join(absolute)
    return environment


def program_path(text: str) -> str:
    """Return the absolute path of a program.

    Args:
        text: A path, which may begin with "~", or the name of a program of the search path.

    Raises:
        StartError: It is a folder, or a pipe or device.
    """
    path = Path(text)
    with suppress(RuntimeError):  # there may be no home
        path = path.expanduser()

    # A name alone is looked for in the search path. On Windows that begins with the working
    # folder, so what is found may be relative, and is not taken.
    found = shutil.which(text) if path.name == text else None
    if found and Path(found).is_absolute():
        return found

    try:
        if path.is_dir():
            raise StartError(
                f"{printable_text(text)} could not be started (it is a folder). Choose the Python "
                "executable in it"
            )
        if path.exists() and not path.is_file():
            raise StartError(
                f"{printable_text(text)} could not be started (it is not a file). Choose a Python "
                "executable in the preferences"
            )
        return str(path.absolute())
    except OSError:
        return text  # the system says what is wrong with the name when it is started
