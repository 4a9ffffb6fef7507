"""The operators, one a file, and the registration of all that this package holds.

``properties`` holds what the panels show and the file stores, ``cli`` the command line.
"""

from . import (
    _compute,
    _task_operator,
    finish,
    install_packages,
    lay_out_turnaround,
    open_guide,
    preview_cameras,
    reconstruct,
    reconstruct_folder,
    reconstruct_references,
    render_dataset,
    stop_work,
    train,
    worker,
)
from ._translation import set_contexts
from .cli import main
from .images import cut_out, from_image, run_again
from .photographs import export_cameras, set_real_size, show_photograph, write_masks
from .photographs import solve as solve_photographs
from .procedural import add_procedural, edit_procedural
from .properties import cameras as camera_properties
from .properties import dataset as dataset_properties
from .properties import finish as finish_properties
from .properties import history as history_properties
from .properties import photographs as photograph_properties
from .properties import procedural as procedural_properties
from .properties import scene as scene_properties
from .properties import training as training_properties
from .results import mark_as_asset, mirror_half, show_confidence
from .semantics import label_parts
from .shapes import blend_shapes, complete_shape, generate_shape, vary_shape

# Property groups come before those that contain them. What ends tasks and processes comes before
# the operators, so that it is unregistered when no operator can begin another.
_MODULES = (
    camera_properties,
    dataset_properties,
    training_properties,
    finish_properties,
    history_properties,
    photograph_properties,
    procedural_properties,
    scene_properties,
    _task_operator,
    _compute,
    stop_work,
    worker,
    reconstruct,
    cut_out,
    from_image,
    run_again,
    show_confidence,
    mark_as_asset,
    mirror_half,
    label_parts,
    reconstruct_references,
    lay_out_turnaround,
    reconstruct_folder,
    finish,
    render_dataset,
    preview_cameras,
    add_procedural,
    edit_procedural,
    blend_shapes,
    complete_shape,
    vary_shape,
    generate_shape,
    solve_photographs,
    set_real_size,
    export_cameras,
    show_photograph,
    write_masks,
    train,
    install_packages,
    open_guide,
    main,
)


def register() -> None:
    """Register the property groups, the operators and the command ``maquette``."""
    for module in _MODULES:
        set_contexts(module)
        module.register()


def unregister() -> None:
    """Unregister all in the reverse order."""
    for module in reversed(_MODULES):
        module.unregister()
