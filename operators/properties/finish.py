"""Settings of finishing a mesh, for the operators and the panel."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ...core.scene.finishing import remesh

_PRESET_ITEMS = (
    (
        'BLOCK_OUT',
        "Block-out",
        "Low-poly quads (1,000) as a base for modeling. Takes a few seconds",
    ),
    (
        'SCULPT',
        "Sculpt Base",
        "Even quads (4,000), ready for a Multiresolution modifier. Takes about ten seconds",
    ),
    (
        'PRINT',
        "Print",
        "Watertight triangles for 3D printing without reduction. Wall thickness is measured",
    ),
    (
        'GAME',
        "Game",
        "Triangles within a budget (3,000) with one texture. Takes a few seconds",
    ),
)
_TEXTURE_SIZES = (512, 1024, 2048, 4096)  # pixels
_TEXTURE_SIZE_ITEMS = tuple(
    (str(size), str(size), f"{size} x {size} pixels") for size in _TEXTURE_SIZES
)
_MAX_ANGLE = 3.14159  # radians: 180 degrees


class TextureProperties:
    """Mix-in of the operators that texture, and of the settings in the panel."""

    texture_size: EnumProperty(
        name="Texture Size",
        description="Width and height of the texture in pixels. Doubling it takes four times the "
        "time and memory",
        items=_TEXTURE_SIZE_ITEMS,
        default="1024",
    )


class TopologyProperties:
    """Mix-in of the operator that finishes, and of the settings in the panel."""

    preset: EnumProperty(name="Preset", description="Intended use of the mesh", items=_PRESET_ITEMS)
    faces: IntProperty(
        name="Faces",
        description="Target number of faces: quads are within 15 %, triangles never exceed it. "
        "0 uses the preset's number. More quads take longer; above 10,000 a regular grid is used",
        default=0,
        min=0,
        max=1000000,
    )
    symmetric: BoolProperty(
        name="Make Symmetric",
        description="Mirror the better half across the mesh's best symmetry plane: the half "
        "visible in its images, otherwise the larger half. Skipped if the halves differ by more "
        "than 2 % of the length. Takes about a second",
    )
    loose: FloatProperty(
        name="Loose Parts",
        description="Remove loose parts smaller than this percentage of the largest part, both by "
        "volume and by the cube of their length",
        default=1.0,
        min=0.0,
        max=100.0,
        subtype='PERCENTAGE',
    )
    smooth_angle: FloatProperty(
        name="Smooth Angle",
        description="Shade edges sharp where the angle between the faces exceeds this value",
        default=0.7,
        min=0.0,
        max=_MAX_ANGLE,
        subtype='ANGLE',
    )
    multires: IntProperty(
        name="Multires Levels",
        description="Subdivision levels of a Multiresolution modifier to add for sculpting. Each "
        "level has four times as many faces. 0 adds no modifier",
        default=0,
        min=0,
        max=5,
    )
    wall: FloatProperty(
        name="Min Wall Thickness",
        description="Report walls thinner than this and select their faces",
        default=0.001,
        min=0.0,
        max=1.0,
        precision=4,
        unit='LENGTH',
    )
    millimeters: BoolProperty(
        name="Scene in Millimeters",
        description="Show lengths of a metric scene in millimeters from now on, as 3D printers "
        "count. Nothing changes its size",
    )

    def finish_settings(
        self, scale: tuple[float, float, float], up: tuple[float, float, float]
    ) -> remesh.FinishSettings:
        """Return the settings for the mesh of an object.

        Args:
            scale: meters along each axis of one unit of the mesh.
            up: unit vector against gravity along the axes of the mesh.
        """
        return remesh.FinishSettings(
            preset=self.preset.lower(),
            faces=self.faces,
            symmetric=self.symmetric,
            loose=self.loose / 100,
            scale=scale,
            up=up,
        )


class MaquetteFinish(TopologyProperties, TextureProperties, bpy.types.PropertyGroup):
    """What the panel Finish shows: ``scene.maquette.finish``."""

    def apply_to(self, button: bpy.types.OperatorProperties) -> None:
        """Set the properties of the operator behind ``button``, which finishes."""
        for properties in (TopologyProperties, TextureProperties):
            for name in properties.__annotations__:
                setattr(button, name, getattr(self, name))


register, unregister = bpy.utils.register_classes_factory((MaquetteFinish,))
