"""What the user can do. Each module holds one operator, or the command line, and registers it."""

from . import _work, command_line, copy_install_command, dataset, procedural, reconstruct, settings

_MODULES = (settings, _work, reconstruct, dataset, procedural, copy_install_command, command_line)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
