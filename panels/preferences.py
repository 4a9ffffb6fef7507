"""The add-on's preferences: the weights, and where the model runs."""

from __future__ import annotations

import sys

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import Context, UILayout

from ..core.jobs import dependencies
from ..core.scene.compat import PATH_OPTIONS
from ..operators import _compute
from ..operators.install_packages import (
    MAQUETTE_OT_install_packages,
    MAQUETTE_OT_remove_packages,
)
from ..operators.properties.paths import file_property
from ..operators.worker import MAQUETTE_OT_release_memory, MAQUETTE_OT_test_python
from .progress import draw_progress

_DEVICES = (
    (
        'AUTO',
        "Automatic",
        "Use the fastest available device: CUDA, then Metal, then the CPU",
    ),
    ('CPU', "CPU", "Use the CPU. A reconstruction takes about a second"),
    (
        'CUDA',
        "CUDA",
        "Use an NVIDIA GPU. The model occupies GPU memory until it is unloaded",
    ),
    (
        'MPS',
        "Metal",
        "Use an Apple GPU. The model occupies GPU memory until it is unloaded",
    ),
)
_LABEL_SHARE = 0.4  # of the width, as Blender's own property split


def _forget_test(self: MaquettePreferences, context: Context) -> None:
    """Clear the result of the last test, which was of another Python."""
    self.told = ""
    self.found_devices = ""


class MaquettePreferences(bpy.types.AddonPreferences):
    bl_idname = __package__.rpartition(".")[0]

    weights: file_property(
        "Weights",
        "Model weights to use (.safetensors), for example from your own training. Leave empty for "
        "the bundled weights",
    )
    python: StringProperty(
        name="Python",
        description="Executable of a Python 3.11 or newer with PyTorch, Pillow and NumPy, for "
        "example /home/me/venv/bin/python. The model runs there in a separate process. Leave "
        "empty to use Blender's Python",
        subtype='FILE_PATH',
        options=set(PATH_OPTIONS),
        update=_forget_test,
    )
    device: EnumProperty(
        name="Device",
        description="Device the model runs on. Test lists the available devices",
        items=_DEVICES,
    )
    idle: IntProperty(
        name="Unload After",
        description="Seconds of inactivity after which the model is unloaded and its memory "
        "(about 0.4 GB) is freed. The next reconstruction loads it again, which takes a few "
        "seconds",
        default=300,
        min=1,
        max=86400,
        soft_max=3600,
    )
    show_training: BoolProperty(
        name="Training Panels",
        description="Show the panels Training Data and Training in the sidebar: render training "
        "sets from scenes, and teach the model your own kind of object",
    )
    told: StringProperty(description="Result of the last test", options={'HIDDEN'})
    found_devices: StringProperty(description="Devices found by the last test", options={'HIDDEN'})

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "weights")
        row = layout.row(align=True)
        row.prop(self, "python", placeholder="Blender's Python")
        row.operator(MAQUETTE_OT_test_python.bl_idname)
        self._draw_status(layout)
        if not self.python:
            _draw_installation(layout)
        self._draw_devices(layout)
        row = layout.row(align=True)
        row.prop(self, "idle", text="Unload After (Seconds)")
        row.operator(MAQUETTE_OT_release_memory.bl_idname)
        layout.prop(self, "show_training")

    def _draw_status(self, layout: UILayout) -> None:
        """Draw the result of the last test, or whether Blender's Python has the packages."""
        if self.told:
            icon = 'CHECKMARK' if self.told.startswith("Python ") else 'ERROR'
            layout.label(text=self.told, icon=icon)
        missing = _compute.missing_packages()
        if missing:
            names = " and ".join(dependencies.PACKAGES[package][0] for package in missing)
            text = f"{names} not found in Blender's Python. Install it, or choose a Python above"
            layout.label(text=text, icon='INFO')
        elif not self.told and not self.python:
            version = dependencies.installed_version("torch")
            layout.label(text=f"PyTorch {version} found".replace("  ", " "), icon='CHECKMARK')

    def _draw_devices(self, layout: UILayout) -> None:
        """Draw a button for each device that is known to be there."""
        split = layout.split(factor=_LABEL_SHARE)
        row = split.row()
        row.alignment = 'RIGHT'
        row.label(text="Device")
        row = split.row(align=True)
        row.use_property_split = False  # otherwise each button has its name beside it, too
        available = {'AUTO', 'CPU', self.device, *self.found_devices.upper().split()}
        for device, *_ in _DEVICES:
            if device in available:
                row.prop_enum(self, "device", device)


def _draw_installation(layout: UILayout) -> None:
    """Draw the buttons that install and remove PyTorch, and how far an installation is."""
    is_installed = _compute.packages_root().exists()
    row = layout.row(align=True)
    text = "Install Again" if is_installed else None
    cpu = row.operator(MAQUETTE_OT_install_packages.bl_idname, text=text, icon='IMPORT')
    cpu.build = 'CPU'
    if sys.platform != "darwin":
        cuda = row.operator(MAQUETTE_OT_install_packages.bl_idname, text="Install for CUDA")
        cuda.build = 'CUDA'
    if is_installed:
        row.operator(MAQUETTE_OT_remove_packages.bl_idname, icon='TRASH')
    draw_progress(layout)


register, unregister = bpy.utils.register_classes_factory((MaquettePreferences,))
