"""The add-on's preferences: the weights, and where the model runs."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy.types import Context, UILayout

from ..core.scene.compat import PATH_OPTIONS
from ..operators._translation import CONTEXT, translated
from ..operators.properties.paths import file_property
from ..operators.worker import MAQUETTE_OT_release_memory, MAQUETTE_OT_test_python
from .dependency_notice import draw_setup
from .progress import draw_progress, mark_buttons
from .text import draw_text, line_length

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
_NAME_SHARE = 0.12  # of the width, for the name of a path
_FIELD_SHARE = 0.85  # of the rest, for a field with a button behind it
_SHOWN_SHARE = 0.6  # of the characters of a line: those that a field certainly shows
_PATH_MARGIN = 10  # pixels of the further frames around an add-on's preferences
_NAME = "MaquettePreferences"


def _forget_test(self: MaquettePreferences, context: Context) -> None:
    """Clear the result of the last test, which was of another Python."""
    self.told = ""
    self.failed = False
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
    failed: BoolProperty(description="Whether the last test failed", options={'HIDDEN'})
    found_devices: StringProperty(description="Devices found by the last test", options={'HIDDEN'})

    def draw(self, context: Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        mark_buttons(layout, _NAME)
        _draw_path(layout, self, "weights")

        # Where the model runs, and whether that works.
        row = _draw_path(layout, self, "python", translated("Blender's Python"), True)
        row.operator(MAQUETTE_OT_test_python.bl_idname)
        draw_progress(layout, _NAME)
        draw_setup(layout, _NAME)
        self._draw_devices(layout)
        row = layout.row(align=True)
        row.prop(self, "idle", text="Unload After (Seconds)", text_ctxt=CONTEXT)
        row.operator(MAQUETTE_OT_release_memory.bl_idname)
        layout.prop(self, "show_training")

    def _draw_devices(self, layout: UILayout) -> None:
        """Draw a button for each device that is known to be there."""
        split = layout.split(factor=_LABEL_SHARE)
        row = split.row()
        row.alignment = 'RIGHT'
        row.label(text="Device", text_ctxt=CONTEXT)
        row = split.row(align=True)
        row.use_property_split = False  # otherwise each button has its name beside it, too

        # The chosen device is shown even if it is no longer there.
        available = {'AUTO', 'CPU', self.device, *self.found_devices.upper().split()}
        for device, *_ in _DEVICES:
            if device in available:
                row.prop_enum(self, "device", device)


def _draw_path(
    layout: UILayout,
    settings: bpy.types.AddonPreferences,
    name: str,
    placeholder: str = "",
    has_button: bool = False,
) -> UILayout:
    """Draw a path over the full width, and once more below if the field cuts it.

    Returns:
        Where to draw the button behind the field.
    """
    column = layout.column(align=True)
    split = column.split(factor=_NAME_SHARE)
    split.label(text=settings.bl_rna.properties[name].name, text_ctxt=CONTEXT)
    split.use_property_split = False
    row = split.split(factor=_FIELD_SHARE if has_button else 1.0, align=True)
    row.prop(settings, name, text="", placeholder=placeholder)

    # A long path is cut in its field, which hides the name of the file.
    path = getattr(settings, name)
    if len(path) > _SHOWN_SHARE * line_length():
        draw_text(column, path, 'BLANK1', margin=_PATH_MARGIN)
    return row


register, unregister = bpy.utils.register_classes_factory((MaquettePreferences,))
