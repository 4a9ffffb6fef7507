"""The cameras of a training set in the panel: properties that become camera rigs."""

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

_RIG_ITEMS = (
    ('NONE', "None", "No other views than the sides above"),
    ('FREE', "Handheld", "Random views as from a handheld camera, slightly above the horizon"),
    ('SPHERE', "Sphere", "Random directions all around"),
    ('HEMISPHERE', "Hemisphere", "Random directions above the ground"),
    ('SHELL', "Shell", "Random directions and distances, aimed near the object's center"),
    ('ORBIT', "Orbit", "Evenly spaced around the object at one elevation"),
    ('SCENE', "Scene Cameras", "The cameras of the scene"),
    ('PATH', "Camera Path", "The scene's active camera along its animation"),
)
_FRAMING_ITEMS = (
    ('DISTANCE', "Lens and Fill", "Focal length and fill are set; the distance follows"),
    ('LENS', "Distance and Fill", "Distance and fill are set; the focal length follows"),
    ('FILL', "Lens and Distance", "Focal length and distance are set; the fill follows"),
)
_FRAMING_VALUES = {
    'DISTANCE': ("lens", "fill"),
    'LENS': ("distance", "fill"),
    'FILL': ("lens", "distance"),
}
_DIGITS = 4  # after the point: single precision has seven in all


def _range_property(
    name: str, description: str, default: tuple[float, float], **limits: float
) -> FloatVectorProperty:
    """Return a property of two bounds; ``limits`` are Blender's ``min`` and ``max``."""
    return FloatVectorProperty(
        name=name,
        description=f"{description}; a random value between the two",
        size=2,
        default=default,
        precision=2,
        **limits,
    )


class MaquetteCameras(bpy.types.PropertyGroup):
    """What the panel Cameras shows: ``scene.maquette.cameras``."""

    sides: EnumProperty(
        name="Sides",
        description="Orthographic side views to render",
        items=[(side.upper(), side.capitalize(), f"Orthographic {side} view") for side in SHEET],
        options={'ENUM_FLAG'},
        default={side.upper() for side in SHEET},
    )
    kind: EnumProperty(
        name="Views", description="Additional camera views", items=_RIG_ITEMS, default='FREE'
    )
    count: IntProperty(
        name="Count",
        description="Number of additional views per object",
        default=6,
        min=1,
        soft_max=1000,
        max=100000,
    )
    framing: EnumProperty(
        name="Framing",
        description="Which two of focal length, distance and fill are set",
        items=_FRAMING_ITEMS,
    )
    lens: _range_property(
        "Focal Length",
        "Focal length in millimeters for a 36 mm sensor",
        (50, 50),
        min=1,
        max=5000,
    )
    distance: _range_property(
        "Distance",
        "Distance from the object's center in multiples of its radius",
        (3, 5),
        min=0.01,
        max=10000,
    )
    fill: _range_property(
        "Fill",
        "Fraction of the image covered by the object's longer side",
        (0.75, 0.95),
        min=0.01,
        max=1,
    )
    roll: _range_property(
        "Roll", "Rotation about the viewing direction in degrees", (0, 0), min=-360, max=360
    )
    elevation: FloatProperty(
        name="Elevation",
        description="Angle of the orbit above the horizon in degrees",
        default=20,
        min=-90,
        max=90,
    )
    orthographic: FloatProperty(
        name="Orthographic",
        description="Fraction of the cameras that are orthographic",
        default=0,
        min=0,
        max=1,
    )
    whole_path: BoolProperty(
        name="All Frames",
        description="Use the scene's frame range. Otherwise the range below",
        default=True,
    )
    frames: IntVectorProperty(
        name="Frame Range", description="First and last frame", size=2, default=(1, 250)
    )
    step: IntProperty(
        name="Step", description="Render every n-th frame", default=1, min=1, max=1000000
    )

    def rig_words(self) -> str:
        """Return the rigs as the operators take them, separated by spaces; empty for no camera."""
        rigs = []
        sides = tuple(side for side in SHEET if side.upper() in self.sides)
        if sides:
            rigs.append(Rig("sides", sides=sides))
        if self.kind != 'NONE':
            rigs.append(self._view_rig())
        return " ".join(map(str, rigs))

    def _view_rig(self) -> Rig:
        """Return the rig of the additional views."""
        kind = self.kind.lower()
        if kind == "scene":
            return Rig(kind)
        if kind == "path":
            frames = None if self.whole_path else (min(self.frames), max(self.frames))
            return Rig(kind, frames=frames, step=self.step)
        if kind not in AROUND:
            return Rig(kind, self.count)

        # The two values that are set; the third follows from them.
        framing = {
            name: _ordered_pair(getattr(self, name)) for name in framing_values(self.framing)
        }
        elevation = (round(self.elevation, _DIGITS),) * 2 if kind == "orbit" else None

        return Rig(
            kind,
            self.count,
            elevation=elevation,
            roll=_ordered_pair(self.roll),
            orthographic=round(self.orthographic, _DIGITS),
            **framing,
        )


def framing_values(framing: str) -> tuple[str, str]:
    """Return the names of the two properties that a choice of ``MaquetteCameras.framing`` uses."""
    return _FRAMING_VALUES[framing]


def _ordered_pair(values: tuple[float, float]) -> tuple[float, float]:
    """Return bounds in ascending order, which a user may have typed the other way round."""
    low, high = sorted(round(value, _DIGITS) for value in values)
    return low, high


register, unregister = bpy.utils.register_classes_factory((MaquetteCameras,))
