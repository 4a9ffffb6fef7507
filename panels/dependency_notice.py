"""The notice in panels and preferences that a package of the model is missing."""

from __future__ import annotations

from bpy.types import UILayout

from ..core.jobs import dependencies
from ..operators import _compute
from ..operators.copy_install_command import MAQUETTE_OT_copy_install_command
from .text import draw_text

_INSTRUCTIONS = (
    "Choose a Python that has it in the preferences, or copy the install command, run it in a "
    "terminal and restart Blender. Rendering training sets needs Pillow in Blender's own Python; "
    "other features need neither."
)


def draw_missing(layout: UILayout) -> bool:
    """Draw which packages of the model are missing and what to do; return whether one is."""
    missing = _compute.missing_packages()
    if not missing:
        return False
    box = layout.box().column(align=True)
    names = " and ".join(dependencies.PACKAGES[package][0] for package in missing)
    draw_text(box, f"{names} not found in Blender's Python. {_INSTRUCTIONS}", 'ERROR')
    box.operator(MAQUETTE_OT_copy_install_command.bl_idname, icon='COPYDOWN')
    return True
