"""What the model still needs and how to get it: the same in the sidebar and the preferences."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import bpy
from bpy.types import UILayout

from ..core.jobs import dependencies
from ..operators import _compute, _task_operator
from ..operators._translation import CONTEXT, translated
from ..operators.install_packages import (
    MAQUETTE_OT_copy_install_command,
    MAQUETTE_OT_copy_problem,
    MAQUETTE_OT_install_packages,
    MAQUETTE_OT_remove_packages,
)
from ..operators.worker import last_problem
from .progress import draw_progress, mark_buttons
from .sidebar import BUTTON_SCALE
from .text import draw_text

_PACKAGE = __package__.rpartition(".")[0]
_MISSING = (
    "Maquette needs {}. Install it here (0.25 GB to download, 1 GB on the disk), or choose a "
    "Python that has it in Maquette's preferences."
)
_OTHER_PYTHON = (
    "Choose another Python in Maquette's preferences, or leave it empty to use Blender's Python "
    "and to install PyTorch here."
)
_OFFLINE = "Online access is off: allow it in Preferences > System > Network."
_PREFERENCES_MARGIN = 10  # pixels of the further frames around an add-on's preferences


def draw_missing(layout: UILayout, panel: str, *packages: str) -> bool:
    """Draw what the model still needs into a panel, if anything; return whether a package is.

    Args:
        layout: where to draw.
        panel: name of the panel's class.
        packages: see ``_compute.missing_packages``.
    """
    missing = _compute.missing_packages(*packages)
    if missing or (last_problem() and _compute.named_python()):
        _draw_box(layout, panel, missing, in_preferences=False)
    return bool(missing)


def draw_setup(layout: UILayout, panel: str) -> None:
    """Draw the same into the preferences, and what was found where nothing is missing."""
    missing = _compute.missing_packages()
    if not missing and not last_problem():
        draw_text(layout, _found_text(), 'CHECKMARK', _PREFERENCES_MARGIN)
    _draw_box(layout, panel, missing, in_preferences=True)


def _draw_box(layout: UILayout, panel: str, missing: Sequence[str], in_preferences: bool) -> None:
    """Draw what is wrong, what to do, and the buttons that do it; their progress is shown here."""
    box = layout.box().column(align=True)
    shown_in = f"{panel} setup"
    mark_buttons(box, shown_in)
    margin = _PREFERENCES_MARGIN if in_preferences else 0
    _draw_problem(box, missing, margin)

    if not _compute.named_python():
        _draw_installation(box, bool(missing), margin)
    draw_progress(box, shown_in)
    if missing:
        box.operator(MAQUETTE_OT_copy_install_command.bl_idname, icon='COPYDOWN')

    # From the sidebar one gets to the preferences, which show the same.
    if not in_preferences:
        show = box.operator(
            "preferences.addon_show",
            text="Open Preferences",
            text_ctxt=CONTEXT,
            icon='PREFERENCES',
        )
        show.module = _PACKAGE


def _draw_problem(layout: UILayout, missing: Sequence[str], margin: int) -> None:
    """Draw what is missing, and why the last test or installation failed, as a whole."""
    problem = last_problem()
    if missing:
        # A list of names, as it is spoken.
        *names, last = (dependencies.PACKAGES[package][0] for package in missing)
        listed = translated("{} and {}").format(", ".join(names), last) if names else last
        draw_text(layout, translated(_MISSING).format(listed), 'INFO', margin)
    elif problem and _compute.named_python():
        draw_text(layout, _OTHER_PYTHON, 'INFO', margin)
    if problem:
        draw_text(layout, problem, 'ERROR', margin)
        layout.operator(MAQUETTE_OT_copy_problem.bl_idname, icon='COPYDOWN')


def _draw_installation(layout: UILayout, is_missing: bool, margin: int) -> None:
    """Draw the buttons that install and remove PyTorch."""
    if not bpy.app.online_access:
        draw_text(layout, _OFFLINE, 'INTERNET_OFFLINE', margin)
    name = MAQUETTE_OT_install_packages.bl_idname
    text = None if is_missing else "Install Again"

    # While something is computed the packages are in use.
    column = layout.column(align=True)
    column.enabled = not _task_operator.running_task()
    row = column.row(align=True)
    row.scale_y = BUTTON_SCALE
    row.enabled = bpy.app.online_access
    button = row.operator(name, text=text, text_ctxt=CONTEXT, icon='IMPORT')
    button.build = 'CPU'

    row = column.row(align=True)

    # There is no CUDA on a Mac.
    if sys.platform != "darwin":
        cuda = row.row(align=True)
        cuda.enabled = bpy.app.online_access
        button = cuda.operator(name, text="Install for CUDA", text_ctxt=CONTEXT)
        button.build = 'CUDA'
    if _compute.packages_root().exists():
        row.operator(
            MAQUETTE_OT_remove_packages.bl_idname, text="Remove", text_ctxt=CONTEXT, icon='TRASH'
        )


def _found_text() -> str:
    """Return what runs the model: the result of the last test, else what is installed."""
    preferences = _compute.addon_preferences()
    if preferences and preferences.told:
        return preferences.told
    if _compute.named_python():
        return "Press Test to check the chosen Python"
    version = dependencies.installed_version("torch") or ""
    return translated("PyTorch {} is there").format(version).replace("  ", " ")
