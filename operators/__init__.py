"""What the user can do. Each module holds one operator, or the command line, and registers it."""

from . import (
    _compute,
    _task_operator,
    add_procedural,
    copy_install_command,
    finish,
    lay_out_turnaround,
    preview_cameras,
    reconstruct,
    reconstruct_folder,
    reconstruct_references,
    render_dataset,
    show_confidence,
    solve_photographs,
    train,
)
from .cli import main
from .properties import cameras as camera_properties
from .properties import dataset as dataset_properties
from .properties import finish as finish_properties
from .properties import photographs as photograph_properties
from .properties import scene as scene_properties
from .properties import training as training_properties

_MODULES = (
    camera_properties,
    dataset_properties,
    training_properties,
    finish_properties,
    photograph_properties,
    scene_properties,
    _task_operator,
    _compute,
    reconstruct,
    show_confidence,
    reconstruct_references,
    lay_out_turnaround,
    reconstruct_folder,
    finish,
    render_dataset,
    preview_cameras,
    add_procedural,
    solve_photographs,
    train,
    copy_install_command,
    main,
)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
