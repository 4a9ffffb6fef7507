"""Which cameras look at an object: settings, and the words for them.

A rig is written ``KIND[:HOW MANY][,NAME=VALUE...]``, where a value is a number or a range ``A..B`` to draw from:

    sides                                   the six orthographic sides; sides:front,right some of them
    free:6                                  as a person would hold a camera, a little above the horizon
    sphere:20  hemisphere:20                from any direction; from any above the ground
    shell:20                                so too, from any distance, and not aimed quite at the middle
    orbit:24,elevation=30                   all around at one elevation
    scene                                   the cameras of the scene
    path  path:1..250,step=5                the scene's active camera at some frames (all of them)

with, for sphere, hemisphere, shell and orbit:

    elevation=0..60     degrees above the horizon
    roll=-10..10        degrees about the line of sight
    lens=35..85         focal length in mm on a sensor of 36 mm; or angle=20..60, the field of view in degrees
    distance=2..4       from the middle of the object, in radii (half diagonals of its bounding box)
    fill=0.7..0.9       share of the picture's side that the object's larger side takes
    aim=0.3             look by up to so many radii beside the middle
    orthographic=0.5    share of the cameras that are orthographic

Of lens, distance and fill two give the third: see :class:`Rig`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from ..cameras import SIDES
from ..errors import DatasetError

Range = tuple[float, float]

SHEET = tuple(SIDES)
AROUND = ("sphere", "hemisphere", "shell", "orbit")
OF_SCENE = ("scene", "path")
KINDS = ("sides", "free", *AROUND, *OF_SCENE)
_ELEVATION = {
    "sphere": (-90.0, 90.0),
    "hemisphere": (0.0, 90.0),
    "shell": (-90.0, 90.0),
    "orbit": (20.0, 20.0),
}
_LENS = (50.0, 50.0)
_FILL = (0.75, 0.95)
_DISTANCE = (3.0, 5.0)
_AIM = 0.3
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
_NUMBERS = ("aim", "orthographic", "step")


@dataclass(frozen=True)
class Rig:
    """Cameras of one kind; the module's docstring says what each value is, in which unit, and who takes it.

    Perspective cameras are framed thus. By lens (or angle) and fill, the default: the distance follows, and the
    camera stands so that the object is in the middle of the picture. By distance and fill: the intrinsics follow; the
    focal length and the principal point bring the object to its size and into the middle. By lens and distance, the
    shell's way: the object is as large as it comes. Orthographic cameras take their scale from the fill. The aim is
    turned away last of all.

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
        if self.kind not in KINDS:
            raise DatasetError(
                f"Unknown camera rig {self.kind!r}. Available rigs: {', '.join(KINDS)}"
            )
        unknown = [name for name in self.sides if name not in SIDES]
        if unknown or not self.sides:
            raise DatasetError(
                f"There is no side {', '.join(unknown) or 'given'}. There are: {', '.join(SIDES)}"
            )
        for name, (least, most) in _LIMITS.items():
            value = getattr(self, name)
            low, high = value if isinstance(value, tuple) else (value, value)
            if value is not None and not least <= low <= high <= most:
                raise DatasetError(
                    f"{self.kind}: {name} is a number or a range A..B within {least:g}..{most:g}"
                )
        if self.frames and self.frames[0] > self.frames[1]:
            raise DatasetError(f"{self.kind}: the first frame comes after the last")
        if self.lens and self.angle:
            raise DatasetError(f"{self.kind}: give either lens or angle, not both")
        if self.distance and self.fill and (self.lens or self.angle):
            raise DatasetError(
                f"{self.kind}: give at most two of lens, distance and fill; the third follows"
            )

    def with_defaults(self) -> Rig:
        """This rig with what its kind has by default where nothing was said."""
        lens = self.lens
        distance = self.distance
        fill = self.fill
        if self.kind == "shell" and not (distance or fill):
            distance = _DISTANCE
        if not (lens or self.angle or (distance and fill)):
            lens = _LENS
        if not (fill or distance):
            fill = _FILL
        aim = self.aim if self.aim is not None else _AIM if self.kind == "shell" else 0.0
        elevation = self.elevation or _ELEVATION.get(self.kind)
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given.update(lens=lens, distance=distance, fill=fill, aim=aim, elevation=elevation)
        return Rig(**given)

    def __str__(self) -> str:
        sides = "" if self.sides == SHEET else ",".join(self.sides)
        first = {"sides": sides, "scene": "", "path": _format_value(self.frames)}.get(
            self.kind, str(self.count)
        )
        given = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name in _allowed_options(self.kind)
        }
        usual = {field.name: field.default for field in fields(self)}
        more = "".join(
            f",{name}={_format_value(value)}"
            for name, value in given.items()
            if value != usual[name]
        )
        return (f"{self.kind}:{first}" if first else self.kind) + more


DEFAULT = (Rig("sides"), Rig("free", 6))


def parse_rigs(words: Iterable[str]) -> tuple[Rig, ...]:
    """Rigs from their words.

    Raises:
        DatasetError: there is none, or a word cannot be understood.
    """
    rigs = tuple(_parse_rig(word) for word in words)
    if not rigs:
        raise DatasetError(f"Give at least one camera rig: {', '.join(KINDS)}")
    return rigs


def _parse_rig(word: str) -> Rig:
    kind, *rest = (part for part in word.replace(":", ",", 1).split(","))
    first = [part for part in rest if "=" not in part]
    pairs = [part.split("=", 1) for part in rest if "=" in part]
    Rig(kind)
    for name, _ in pairs:
        if name not in _allowed_options(kind):
            raise DatasetError(
                f"{word}: {kind} has no option {name!r}. Options: "
                f"{', '.join(_allowed_options(kind)) or 'nothing'}"
            )
    try:
        given = {name: _parse_value(name, text) for name, text in pairs}
        return Rig(kind, **_positional_values(kind, first), **given)
    except (ValueError, IndexError) as error:
        raise DatasetError(
            f"{word} is not a valid camera rig. Examples: sides:front,top orbit:24,lens=35..85 "
            "path:1..250"
        ) from error


def _positional_values(kind: str, parts: list[str]) -> dict[str, object]:
    """What stands before the named values."""
    if kind == "sides":
        return {"sides": tuple(parts) or SHEET}
    if not parts and kind in OF_SCENE:
        return {}
    if len(parts) != 1 or kind == "scene":
        raise ValueError
    if kind == "path":
        low, _, high = parts[0].partition("..")
        return {"frames": (int(low), int(high or low))}
    return {"count": int(parts[0])}


def _allowed_options(kind: str) -> tuple[str, ...]:
    if kind in AROUND:
        return ("elevation", "roll", "lens", "angle", "distance", "fill", "aim", "orthographic")
    return ("step",) if kind == "path" else ()


def _parse_value(name: str, text: str) -> float | Range:
    if name in _NUMBERS:
        return int(text) if name == "step" else float(text)
    low, _, high = text.partition("..")
    return float(low), float(high or low)


def _format_value(value: object) -> str:
    if isinstance(value, tuple):
        low, high = value
        return f"{low:.9g}" if low == high else f"{low:.9g}..{high:.9g}"
    return "" if value is None else f"{value:.9g}"
