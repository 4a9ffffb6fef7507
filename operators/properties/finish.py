"""How a mesh is finished: as the operators take it, and as the panel keeps it."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ...core.scene.finishing import remesh

PRESETS = (
    ('BLOCK_OUT', "Block-out", "Few quads (1,000), to model on from. Takes seconds"),
    (
        'SCULPT',
        "Sculpt Base",
        "Even quads (4,000), ready for a Multiresolution modifier. Takes some ten seconds",
    ),
    (
        'PRINT',
        "Print",
        "Closed triangles, as many as there are; walls are measured, in millimetres",
    ),
    ('GAME', "Game", "Triangles at a budget (3,000) with one texture. Takes seconds"),
)
SIZES = tuple((str(size), str(size), f"{size} x {size} texels") for size in (512, 1024, 2048, 4096))


class TextureProperties:
    """Mix-in of the operators that texture, and of what the panel keeps."""

    texture_size: EnumProperty(
        name="Texture Size",
        description="Texels along each side of the texture. Twice as many take four times the time and memory",
        items=SIZES,
        default="1024",
    )


class TopologyProperties:
    """Mix-in of the operator that finishes, and of what the panel keeps."""

    preset: EnumProperty(name="For", description="What the mesh is for", items=PRESETS)
    faces: IntProperty(
        name="Faces",
        description="How many faces to make: quads within 15 %, triangles at most so many. 0: as the preset says. "
        "Time grows with the number of quads; beyond 10,000 they come of a grid",
        default=0,
        min=0,
        max=1000000,
    )
    symmetric: BoolProperty(
        name="Make Symmetric",
        description="Mirror the better half at the plane about which the mesh is most symmetric: the half that its "
        "pictures show, else the one of more volume. Not if they differ by more than 2 % "
        "of its length. Takes about a second",
    )
    loose: FloatProperty(
        name="Loose Pieces",
        description="Remove pieces smaller than this, in percent of the largest piece's volume. Costs nothing",
        default=1.0,
        min=0.0,
        max=100.0,
        subtype='PERCENTAGE',
    )
    smooth_angle: FloatProperty(
        name="Smooth Angle",
        description="Edges between faces that meet at more than this look sharp. Costs nothing",
        default=0.7,
        min=0.0,
        max=3.14159,
        subtype='ANGLE',
    )
    multires: IntProperty(
        name="Multiresolution",
        description="Levels of a Multiresolution modifier to add, for sculpting; each has four times the faces "
        "of the one before. 0: none",
        default=0,
        min=0,
        max=5,
    )
    wall: FloatProperty(
        name="Least Wall",
        description="Warn of walls thinner than this, in metres, and select their faces. Costs nothing",
        default=0.001,
        min=0.0,
        max=1.0,
        precision=4,
        unit='LENGTH',
    )

    def finish_settings(self, scale: tuple[float, float, float]) -> remesh.FinishSettings:
        """All this, for a mesh of which one unit is ``scale`` metres along each axis."""
        return remesh.FinishSettings(
            self.preset.lower(), self.faces, self.symmetric, self.loose / 100, scale
        )


class MaquetteFinish(TopologyProperties, TextureProperties, bpy.types.PropertyGroup):
    def apply_to(self, button: bpy.types.OperatorProperties) -> None:
        """Let the operator behind ``button``, which finishes, use all this."""
        for part in (TopologyProperties, TextureProperties):
            for name in part.__annotations__:
                setattr(button, name, getattr(self, name))


register, unregister = bpy.utils.register_classes_factory((MaquetteFinish,))
