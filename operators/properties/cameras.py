"""The cameras of a training set as the panel shows them: properties that become the words of ``core.synthesis.camera_rigs``."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    IntVectorProperty,
)

from ...core.synthesis.camera_rigs import AROUND, SHEET, Rig

KINDS = (
    ('NONE', "None", "Only the six sides"),
    ('FREE', "Free", "As a person would hold a camera, a little above the horizon"),
    ('SPHERE', "Sphere", "From any direction"),
    ('HEMISPHERE', "Hemisphere", "From any direction above the ground"),
    ('SHELL', "Shell", "From any direction and distance, and not aimed quite at the middle"),
    ('ORBIT', "Orbit", "Evenly all around, at one elevation"),
    ('SCENE', "Scene Cameras", "The cameras of the scene, where they are"),
    ('PATH', "Camera Path", "The scene's active camera at its frames, or at every so many of them"),
)
FRAMING = (
    (
        'DISTANCE',
        "Lens and Fill",
        "The distance follows from the focal length and the share of the picture",
    ),
    (
        'LENS',
        "Distance and Fill",
        "The focal length follows from the distance and the share of the picture",
    ),
    ('FILL', "Lens and Distance", "The object is as large in the picture as it comes"),
)


def _range_property(
    name: str, description: str, low: float, high: float, **limits: float
) -> FloatVectorProperty:
    return FloatVectorProperty(
        name=name,
        description=f"{description}; drawn between the two",
        size=2,
        default=(low, high),
        precision=2,
        **limits,
    )


class MaquetteCameras(bpy.types.PropertyGroup):
    sides: EnumProperty(
        name="Sides",
        description="Orthographic sides to take. Time grows with them",
        items=[
            (side.upper(), side.capitalize(), f"The {side}, seen straight on") for side in SHEET
        ],
        options={'ENUM_FLAG'},
        default={side.upper() for side in SHEET},
    )
    kind: EnumProperty(
        name="Views", description="Where else to look from", items=KINDS, default='FREE'
    )
    count: IntProperty(
        name="Count",
        description="Views of each object, besides its sides. Time grows with them",
        default=6,
        min=1,
        soft_max=1000,
        max=100000,
    )
    framing: EnumProperty(
        name="Framing", description="What makes the object's size in the picture", items=FRAMING
    )
    lens: _range_property(
        "Focal Length", "Millimetres on a sensor of 36 mm", 50, 50, min=1, max=5000
    )
    distance: _range_property(
        "Distance", "In radii of the object, from its middle", 3, 5, min=0.01, max=10000
    )
    fill: _range_property(
        "Fill",
        "Share of the picture that the object's larger side takes",
        0.75,
        0.95,
        min=0.01,
        max=1,
    )
    roll: _range_property("Roll", "Degrees about the line of sight", 0, 0, min=-360, max=360)
    elevation: FloatProperty(
        name="Elevation",
        description="Of the orbit above the horizon, in degrees",
        default=20,
        min=-90,
        max=90,
    )
    orthographic: FloatProperty(
        name="Orthographic",
        description="Share of the cameras without perspective",
        default=0,
        min=0,
        max=1,
    )
    whole_path: BoolProperty(
        name="All Frames",
        description="The scene's frames. Off: those of the range below",
        default=True,
    )
    frames: IntVectorProperty(name="Frames", description="First and last", size=2, default=(1, 250))
    step: IntProperty(
        name="Step", description="Take every so many frames", default=1, min=1, max=1000000
    )

    def rig_words(self) -> str:
        """What the properties say, in the words that the operators take; "" if it is no camera at all."""
        sides = tuple(side for side in SHEET if side.upper() in self.sides)
        rigs = [Rig("sides", sides=sides)] if sides else []
        return " ".join(map(str, [*rigs, self._view_words()] if self.kind != 'NONE' else rigs))

    def _view_words(self) -> Rig:
        kind = self.kind.lower()
        if kind == "scene":
            return Rig(kind)
        if kind == "path":
            return Rig(
                kind,
                frames=None if self.whole_path else (min(self.frames), max(self.frames)),
                step=self.step,
            )
        if kind not in AROUND:
            return Rig(kind, self.count)
        frame = {name: _ordered_pair(getattr(self, name)) for name in framing_values(self.framing)}
        elevation = (round(self.elevation, 4),) * 2 if kind == "orbit" else None
        flat = round(self.orthographic, 4)
        return Rig(
            kind,
            self.count,
            elevation=elevation,
            roll=_ordered_pair(self.roll),
            orthographic=flat,
            **frame,
        )


def framing_values(framing: str) -> tuple[str, str]:
    """The two values that a way of :data:`FRAMING` goes by."""
    return {
        'DISTANCE': ("lens", "fill"),
        'LENS': ("distance", "fill"),
        'FILL': ("lens", "distance"),
    }[framing]


def _ordered_pair(values: tuple[float, float]) -> tuple[float, float]:
    """A range that may have been typed the wrong way round; single precision has seven digits."""
    low, high = sorted(round(value, 4) for value in values)
    return low, high


register, unregister = bpy.utils.register_classes_factory((MaquetteCameras,))
