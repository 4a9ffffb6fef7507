"""Which cameras see an object: their settings, and the words for them.

A rig is written ``KIND[:COUNT][,NAME=VALUE...]``, where a value is a number or a range ``A..B`` to
draw from:

    sides                       the six orthographic sides; sides:front,right some of them
    free:6                      as a person would hold a camera, a little above the horizon
    sphere:20  hemisphere:20    from any direction; from any above the ground
    shell:20                    likewise, from any distance, and not aimed exactly at the center
    orbit:24,elevation=30       all around at one elevation
    scene                       the cameras of the scene
    path  path:1..250,step=5    the scene's active camera at some frames (all of them)

with, for sphere, hemisphere, shell and orbit:

    elevation=0..60     degrees above the horizon
    roll=-10..10        degrees about the line of sight
    lens=35..85         focal length in mm on a sensor of 36 mm
    angle=20..60        in place of lens: field of view in degrees
    distance=2..4       from the center of the object, in radii (half diagonals of its bounding box)
    fill=0.7..0.9       share of the image's side that the object's longer side covers
    aim=0.3             aim up to that many radii beside the center
    orthographic=0.5    share of the cameras that are orthographic

Of lens, distance and fill two give the third: see :class:`Rig`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from ..cameras import SIDES
from ..errors import DatasetError

Range = tuple[float, float]

SHEET = tuple(SIDES)
AROUND = ("sphere", "hemisphere", "shell", "orbit")
OF_SCENE = ("scene", "path")
KINDS = ("sides", "free", *AROUND, *OF_SCENE)

# Defaults, where a rig gives no value.
_ELEVATION = {
    "sphere": (-90.0, 90.0),
    "hemisphere": (0.0, 90.0),
    "shell": (-90.0, 90.0),
    "orbit": (20.0, 20.0),
}
_LENS = (50.0, 50.0)  # mm, the lens of a camera that Blender adds
_FILL = (0.75, 0.95)  # as the cameras of "free"
_DISTANCE = (3.0, 5.0)  # radii, of a shell
_AIM = 0.3  # radii, of a shell

# The least and the greatest value of each setting.
_LIMITS = {
    "elevation": (-90, 90),
    "roll": (-360, 360),
    "lens": (1, 5000),
    "angle": (0.1, 170),
    "distance": (0.01, 1e4),
    "fill": (0.01, 1),
    "aim": (0, 10),
    "orthographic": (0, 1),
    "count": (1, 1e6),
    "step": (1, 1e6),
}
_NUMBERS = ("aim", "orthographic", "step")  # settings that are no ranges


@dataclass(frozen=True)
class Rig:
    """Cameras of one kind.

    The module's docstring has the unit of each value, and the kinds that take it.

    Perspective cameras are framed in one of three ways:

    - By lens (or angle) and fill, the default: the distance follows, and the camera is placed
      so that the object is in the center of the image.
    - By distance and fill: the intrinsics follow. Focal length and principal point bring the
      object to its size and into the center.
    - By lens and distance, as a shell does: the size of the object in the image follows.

    Orthographic cameras take their scale from the fill. The aim is turned away last.

    Raises:
        DatasetError: a value that the kind does not know, or that is out of its limits.
    """

    kind: str
    count: int = 1
    sides: tuple[str, ...] = SHEET
    elevation: Range | None = None
    roll: Range = (0.0, 0.0)
    lens: Range | None = None
    angle: Range | None = None
    distance: Range | None = None
    fill: Range | None = None
    aim: float | None = None
    orthographic: float = 0.0
    frames: tuple[int, int] | None = None
    step: int = 1

    def __post_init__(self) -> None:
        self._check_names()
        self._check_limits()
        self._check_combination()

    def _check_names(self) -> None:
        """Raise DatasetError if the kind or a side is unknown."""
        if self.kind not in KINDS:
            raise DatasetError(
                f"Unknown camera rig {self.kind!r}. Available rigs: {', '.join(KINDS)}"
            )

        unknown = [name for name in self.sides if name not in SIDES]
        if unknown or not self.sides:
            names = ", ".join(unknown) or "given"
            raise DatasetError(f"There is no side {names}. There are: {', '.join(SIDES)}")

    def _check_limits(self) -> None:
        """Raise DatasetError if a value is out of its limits; not a number is as well."""
        for name, (least, greatest) in _LIMITS.items():
            value = getattr(self, name)
            if value is None:
                continue

            low, high = value if isinstance(value, tuple) else (value, value)
            if not least <= low <= high <= greatest:
                limits = f"{least:g}..{greatest:g}"
                raise DatasetError(
                    f"{self.kind}: {name} is a number or a range A..B within {limits}"
                )

    def _check_combination(self) -> None:
        """Raise DatasetError if values exclude each other."""
        if self.frames and self.frames[0] > self.frames[1]:
            raise DatasetError(f"{self.kind}: the first frame comes after the last")
        if self.lens and self.angle:
            raise DatasetError(f"{self.kind}: give either lens or angle, not both")
        if self.distance and self.fill and (self.lens or self.angle):
            raise DatasetError(
                f"{self.kind}: give at most two of lens, distance and fill; the third follows"
            )

    def with_defaults(self) -> Rig:
        """Return this rig with the defaults of its kind in place of values that are None."""
        lens = self.lens
        distance = self.distance
        fill = self.fill

        # Two of lens, distance and fill; the third follows from them.
        if self.kind == "shell" and not (distance or fill):
            distance = _DISTANCE
        if not (lens or self.angle or (distance and fill)):
            lens = _LENS
        if not (fill or distance):
            fill = _FILL

        aim = self.aim
        if aim is None:
            aim = _AIM if self.kind == "shell" else 0.0
        elevation = self.elevation or _ELEVATION.get(self.kind)
        return replace(self, lens=lens, distance=distance, fill=fill, aim=aim, elevation=elevation)

    def __str__(self) -> str:
        options = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _allowed_options(self.kind) and value != field.default:
                options.append(f",{field.name}={_format_value(value)}")

        first = self._positional_text()
        return (f"{self.kind}:{first}" if first else self.kind) + "".join(options)

    def _positional_text(self) -> str:
        """Return what is written after the colon; empty for the default."""
        if self.kind == "sides":
            return "" if self.sides == SHEET else ",".join(self.sides)
        if self.kind == "scene":
            return ""
        if self.kind == "path":
            return _format_value(self.frames)
        return str(self.count)


DEFAULT = (Rig("sides"), Rig("free", 6))


def parse_rigs(words: Iterable[str]) -> tuple[Rig, ...]:
    """Return the rigs that ``words`` describe, as the module's docstring explains.

    Raises:
        DatasetError: there is no word, or one cannot be understood.
    """
    rigs = tuple(_parse_rig(word) for word in words)
    if not rigs:
        raise DatasetError(f"Give at least one camera rig: {', '.join(KINDS)}")
    return rigs


def _parse_rig(word: str) -> Rig:
    """Return the rig of one word, such as ``orbit:24,elevation=30``."""
    kind, *rest = word.replace(":", ",", 1).split(",")
    positional = [part for part in rest if "=" not in part]
    pairs = [part.split("=", 1) for part in rest if "=" in part]

    # Unknown names are reported before values that cannot be read.
    Rig(kind)
    allowed = _allowed_options(kind)
    for name, _ in pairs:
        if name not in allowed:
            names = ", ".join(allowed) or "nothing"
            raise DatasetError(f"{word}: {kind} has no option {name!r}. Options: {names}")

    try:
        values: dict[str, Any] = {name: _parse_value(name, text) for name, text in pairs}
        values |= _positional_values(kind, positional)
        return Rig(kind, **values)
    except (ValueError, IndexError) as error:
        raise DatasetError(
            f"{word} is not a valid camera rig. Examples: sides:front,top orbit:24,lens=35..85 "
            "path:1..250"
        ) from error


def _positional_values(kind: str, parts: list[str]) -> dict[str, Any]:
    """Return the settings that are written before the named values.

    Raises:
        ValueError: they do not fit the kind.
    """
    if kind == "sides":
        return {"sides": tuple(parts) or SHEET}
    if not parts and kind in OF_SCENE:
        return {}
    if len(parts) != 1 or kind == "scene":
        raise ValueError

    if kind == "path":
        first, _, last = parts[0].partition("..")
        return {"frames": (int(first), int(last or first))}
    return {"count": int(parts[0])}


def _allowed_options(kind: str) -> tuple[str, ...]:
    """Return the names of the values that a rig of ``kind`` can have."""
    if kind in AROUND:
        return ("elevation", "roll", "lens", "angle", "distance", "fill", "aim", "orthographic")
    return ("step",) if kind == "path" else ()


def _parse_value(name: str, text: str) -> float | Range:
    """Return the number, or the range (low, high), that ``text`` is."""
    if name == "step":
        return int(text)
    if name in _NUMBERS:
        return float(text)
    low, _, high = text.partition("..")
    return float(low), float(high or low)


def _format_value(value: Any) -> str:
    """Return the text that :func:`_parse_value` reads as ``value``; empty for None."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        low, high = value
        return f"{low:.9g}" if low == high else f"{low:.9g}..{high:.9g}"
    return f"{value:.9g}"
