"""First code of a worker process: loads the core package under the name ``maquette_core``.

``interpreters`` reads this file as text and puts the code that the process shall run behind it.
The package gets another name than it has as an extension, since its parents there need bpy.

The process gets as arguments the folder of the core package, a folder of modules that come before
all others ("" for none), and further folders for modules.
"""

import sys

# The empty entry is the current folder: a file there could hide a module, even of the next lines.
sys.path[:] = [path for path in sys.path if path]
if sys.version_info < (3, 11):  # noqa: UP036 the chosen Python may be any
    version = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"it is Python {version}, but 3.11 or newer is required")

import importlib.util  # noqa: E402
from pathlib import Path  # noqa: E402


def load_core(folder: str, packages: str, paths: list[str]) -> None:
    """Make the package in ``folder`` importable as ``maquette_core``.

    Args:
        folder: The folder ``core`` of the extension or of the installed package.
        packages: Folder to put in front of ``sys.path``; "" for none.
        paths: Folders to append to ``sys.path``.
    """
    sys.path += [path for path in paths if path not in sys.path]
    if packages:
        sys.path.insert(0, packages)

    spec = importlib.util.spec_from_file_location(
        "maquette_core",
        Path(folder) / "__init__.py",
        submodule_search_locations=[folder],
    )
    assert spec is not None and spec.loader is not None, "a path to a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    load_core(sys.argv[1], sys.argv[2], sys.argv[3:])
