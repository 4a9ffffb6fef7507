"""The notice in panels and preferences that a package of the model is missing."""

from __future__ import annotations

import bpy
from bpy.types import UILayout

from ..core.jobs import dependencies
from ..operators import _compute, _task_operator
from ..operators.install_packages import (
    MAQUETTE_OT_copy_install_command,
    MAQUETTE_OT_install_packages,
)
from .text import draw_text

_INSTRUCTIONS = (
    "Install it here (0.25 GB to download, 1 GB on the disk), or choose a Python that has it in "
    "the preferences."
)
_OFFLINE = "Online access is off: allow it in Preferences, System, Network."


def draw_missing(layout: UILayout, *packages: str) -> bool:
    """Draw which packages are missing and what to do; return whether one is.

    Args:
        layout: where to draw.
        packages: see ``_compute.missing_packages``.
    """
    missing = _compute.missing_packages(*packages)
    if not missing:
        return False
    box = layout.box().column(align=True)
    names = " and ".join(dependencies.PACKAGES[package][0] for package in missing)
    draw_text(box, f"Maquette needs {names}. {_INSTRUCTIONS}", 'ERROR')
    if not bpy.app.online_access:
        draw_text(box, _OFFLINE, 'INTERNET_OFFLINE')
    row = box.row()
    row.enabled = bpy.app.online_access and not _task_operator.running_task()
    row.operator(MAQUETTE_OT_install_packages.bl_idname, icon='IMPORT')
    row = box.row(align=True)
    row.operator(MAQUETTE_OT_copy_install_command.bl_idname, icon='COPYDOWN')
    show = row.operator("preferences.addon_show", text="Preferences", icon='PREFERENCES')
    show.module = __package__.rpartition(".")[0]
    return True
