"""The add-on's preferences: whose weights, and where the model computes."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty
from bpy.types import Context, UILayout

from ..core.jobs import dependencies
from ..core.scene.compat import PATH_OPTIONS
from ..operators import _compute
from ..operators.copy_install_command import MAQUETTE_OT_copy_install_command
from .text import draw_text

_DEVICES = (
    ('AUTO', "Automatic", "The fastest that is there: CUDA, else Metal, else the processor"),
    ('CPU', "CPU", "The processor: about a second a picture"),
    (
        'CUDA',
        "CUDA",
        "A graphics card of NVIDIA. Takes some of its memory until the model is let go",
    ),
    (
        'MPS',
        "Metal",
        "The graphics of an Apple computer. Takes some of its memory until the model is let go",
    ),
)


_INSTEAD = (
    "Name a Python that has it in the preferences. Or run in a terminal what the button copies, then restart Blender. "
    "Training sets need Pillow in Blender's own Python; the rest needs neither."
)


def draw_missing(layout: UILayout) -> bool:
    """Say which package of the model is missing and what to do, if one is. Whether one is."""
    missing = _compute.missing_packages()
    if missing:
        box = layout.box().column(align=True)
        names = " and ".join(dependencies.PACKAGES[package][0] for package in missing)
        draw_text(box, f"{names} not found in Blender's Python. {_INSTEAD}", 'ERROR')
        box.operator(MAQUETTE_OT_copy_install_command.bl_idname, icon='COPYDOWN')
    return bool(missing)


def _forget_test(self: MaquettePreferences, context: Context) -> None:
    self.told = self.found_devices = ""


class MaquettePreferences(bpy.types.AddonPreferences):
    bl_idname = __package__.rpartition(".")[0]

    weights: StringProperty(
        name="Weights",
        description="File with weights of your own training (.safetensors). Empty: those that came with the add-on",
        subtype='FILE_PATH',
        options=set(PATH_OPTIONS),
    )
    python: StringProperty(
        name="Python",
        description="Program of a Python 3.11 or newer that has PyTorch, Pillow and NumPy, such as "
        "/home/me/venv/bin/python. It runs the model beside Blender. Empty: Blender's own Python",
        subtype='FILE_PATH',
        options=set(PATH_OPTIONS),
        update=_forget_test,
    )
    device: EnumProperty(
        name="Device",
        description="What the model computes on. Test shows what is there",
        items=_DEVICES,
    )
    idle: IntProperty(
        name="Let Go After",
        description="Seconds without work after which the process that holds the model ends and gives its memory back "
        "(about 0.4 GB). The next reconstruction then loads it again, which takes some seconds",
        default=300,
        min=1,
        max=86400,
        soft_max=3600,
    )
    told: StringProperty(description="What the last test said", options={'HIDDEN'})
    found_devices: StringProperty(
        description="The devices that the last test found", options={'HIDDEN'}
    )

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "weights")
        row = layout.row(align=True)
        row.prop(self, "python", placeholder="Blender's own")
        row.operator(_compute.MAQUETTE_OT_test_python.bl_idname)
        if self.told:
            layout.label(
                text=self.told, icon='CHECKMARK' if self.told.startswith("Python ") else 'ERROR'
            )
        elif not draw_missing(layout) and not self.python:
            layout.label(
                text=f"PyTorch {dependencies.installed_version('torch')} found", icon='CHECKMARK'
            )
        split = layout.split(factor=0.4)
        row = split.row()
        row.alignment = 'RIGHT'
        row.label(text="Device")
        row = split.row(align=True)
        row.use_property_split = False  # else each button's name stands beside it, too
        for device, *_ in _DEVICES:
            if device in {'AUTO', 'CPU', self.device, *self.found_devices.upper().split()}:
                row.prop_enum(self, "device", device)
        row = layout.row(align=True)
        row.prop(self, "idle", text="Let Go After (Seconds)")
        row.operator(_compute.MAQUETTE_OT_release_memory.bl_idname)


register, unregister = bpy.utils.register_classes_factory((MaquettePreferences,))
