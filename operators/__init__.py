"""What the user can do. Each module holds one operator, or the command line, and registers it."""

from . import (
    _work,
    batch,
    camera_settings,
    command_line,
    compute,
    confidence,
    copy_install_command,
    dataset,
    dataset_settings,
    finish,
    finish_settings,
    preview,
    procedural,
    reconstruct,
    references,
    settings,
    train,
    training_settings,
    turnaround,
)

_MODULES = (
    camera_settings,
    dataset_settings,
    training_settings,
    finish_settings,
    settings,
    _work,
    compute,
    reconstruct,
    confidence,
    references,
    turnaround,
    batch,
    finish,
    dataset,
    preview,
    procedural,
    train,
    copy_install_command,
    command_line,
)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
