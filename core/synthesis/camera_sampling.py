r"""Cameras around an object, drawn as their rigs describe.

A camera of a rig is a direction, a roll, and two of lens, distance and fill; the third follows
(:class:`.camera_rigs.Rig`). Framing by lens and fill is the default and needs no search over
renderings: the field of view is narrowed to ``fill`` of it, which leaves a pyramid of rays, and the
camera is moved so close that the pyramid touches the object::

         eye                 The two planes of a pair, left and right here, touch the object
        / | \                where it reaches farthest across them. They meet in a line; so
       /  |  \               do the planes above and below. The farther line gives the
      / ,---. \              distance, and the other pair is then centered from there.
     |  (obj)  |

Each camera is judged by a ``fault``, such as that it is inside of another object, and is drawn
again if it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera, look_at, orthographic_camera, perspective_camera, side_camera
from ..dataset.records import ViewRecord
from ..errors import MeshError
from ..geometry.winding_number import fibonacci_directions
from .camera_rigs import OF_SCENE, Range, Rig

SIDES_SCALE = 1.1  # longest sides of the object that an orthographic side shows: 5 % margin

# Draws of one camera until it has no fault. Where one view in ten is free, one camera in 200 is not
# found (0.9 ** 50); a scene in which fewer are free is better reported than searched.
_TRIES = 50

# Of orthographic cameras whose rig gives no distance, radii, and no fill.
_ORTHOGRAPHIC_DISTANCE = 4.0
_ORTHOGRAPHIC_FILL = 0.85

_DEFAULT_ANGLE = 30.0  # degrees, where distance and fill determine the intrinsics: of no effect
_HALF_SENSOR = 18.0  # mm, half the width of Blender's default sensor

# Framing looks at every vertex; of more than these only at the outermost ones.
_MAX_FRAMED_VERTICES = 8192
_FRAMING_DIRECTIONS = 256  # and their opposites: the outline is right to 0.2 %

_NEAREST = 0.02  # radii before a camera where the object may begin: closer, the projection explodes
_FIT_ROUNDS = 8  # of centering, which hardly depends on its last result

# The camera of a person (see handheld_camera). Angles in degrees.
_HANDHELD_ELEVATION = (18, 15)  # mean and standard deviation: from a little above
_HANDHELD_ELEVATION_LIMITS = (-10, 75)
_HANDHELD_ROLL = 2  # standard deviation
_HANDHELD_ORTHOGRAPHIC = 0.3  # share: renderings and drawings are often without perspective
_HANDHELD_ANGLE = (10, 65)  # from a long lens to a phone's
_HANDHELD_FILL = (0.75, 0.95)
_HANDHELD_MARGIN = 1.05  # of the radius that the field of view holds before it is fitted

Vertices = NDArray[np.floating[Any]]
CameraSettings = tuple[Camera, Mapping[str, Any]]
Fault = Callable[[Camera], str | None]


def sample_views(
    rigs: Sequence[Rig],
    vertices: Vertices,
    size: int,
    rng: np.random.Generator,
    fault: Fault,
    of_scene: Mapping[str, Sequence[ViewRecord]],
) -> list[ViewRecord]:
    """Return the views of an object by all ``rigs``, in order.

    A camera that has a fault is drawn again. Those of the scene are left out instead. The six
    sides are not judged, since they are outside of the object and aimed at it.

    Args:
        rigs: which cameras.
        vertices: (V, 3) of the object, meters.
        size: of each square image, pixels.
        rng: draws the cameras; the same state gives the same ones.
        fault: returns what is wrong with a camera, None if nothing is.
        of_scene: the cameras that the scene has, by rigs of the kinds ``OF_SCENE`` as text.

    Raises:
        MeshError: a camera without a fault was not found in 50 tries, or the scene has none.
    """
    views: list[ViewRecord] = []
    for rig in rigs:
        if rig.kind == "sides":
            cameras = side_cameras(rig.sides, *_vertex_bounds(vertices), size)
            for name, camera in zip(rig.sides, cameras, strict=True):
                views.append(ViewRecord(name, camera))
            continue

        if rig.kind in OF_SCENE:
            views += _views_without_fault(of_scene[str(rig)], fault)
            continue

        make_candidates = _handheld_candidates if rig.kind == "free" else _rig_candidates
        for draw_candidate in make_candidates(rig, vertices, size, rng):
            camera, settings = _first_valid(rig, draw_candidate, fault)
            views.append(ViewRecord(rig.kind, camera, settings))

    return views


def side_cameras(
    names: Sequence[str], low: NDArray[np.float64], high: NDArray[np.float64], size: int
) -> list[Camera]:
    """Return orthographic cameras, all of one scale, aimed at the center of a bounding box.

    Args:
        names: of ``cameras.SIDES``.
        low: (3,) lowest corner of the object's bounding box, meters.
        high: (3,) highest corner.
        size: of the square image, pixels.
    """
    longest = float((high - low).max())
    to_center = np.eye(4)
    to_center[:3, 3] = (low + high) / 2

    cameras = []
    for name in names:
        camera = side_camera(name, SIDES_SCALE, size).scaled(longest)
        cameras.append(camera.moved(to_center))
    return cameras


def handheld_camera(vertices: Vertices, size: int, rng: np.random.Generator) -> CameraSettings:
    """Return a camera as a person would hold it, and the values drawn for it.

    A little above the horizon: elevation N(18, 15) degrees within -10..75, any azimuth, roll
    N(0, 2). Three in ten are orthographic, the others see 10 to 65 degrees. The object fills 75
    to 95 % of the image.

    Args:
        vertices: (V, 3) of the object, meters.
        size: of the square image, pixels.
        rng: draws the camera.
    """
    center, radius = _box_center(vertices)

    # All values, in an order that the stored seeds depend on.
    elevation = np.radians(np.clip(rng.normal(*_HANDHELD_ELEVATION), *_HANDHELD_ELEVATION_LIMITS))
    azimuth = rng.uniform(0, 2 * np.pi)
    roll = np.radians(rng.normal(0, _HANDHELD_ROLL))
    orthographic = rng.random() < _HANDHELD_ORTHOGRAPHIC
    angle = np.radians(rng.uniform(*_HANDHELD_ANGLE))
    fill = rng.uniform(*_HANDHELD_FILL)

    # The bounding sphere just fits into the field of view; the fill is made exact afterwards.
    if orthographic:
        distance = _ORTHOGRAPHIC_DISTANCE * radius
    else:
        distance = _HANDHELD_MARGIN * radius / np.sin(angle / 2)

    eye = center + distance * _spherical_direction(elevation, azimuth)
    pose = look_at(eye, center) @ _roll_rotation(roll)
    if orthographic:
        camera = orthographic_camera(pose, 2 * radius, size)
    else:
        camera = perspective_camera(pose, angle, size)

    camera = _fit_intrinsics(camera, vertices, fill)

    directions = np.degrees((elevation, azimuth, roll))
    return camera, _camera_settings(camera, vertices, directions, fill)


def rig_camera(
    rig: Rig,
    vertices: Vertices,
    elevation: float,
    azimuth: float,
    size: int,
    rng: np.random.Generator,
) -> CameraSettings:
    """Return a camera of ``rig`` in a direction, and the values drawn for it; see :class:`Rig`.

    All values are drawn, needed or not, so that a rig with one value less draws the same others.

    Args:
        rig: with all defaults, see :meth:`Rig.with_defaults`.
        vertices: (V, 3) of the object, meters.
        elevation: of the camera above the horizon, degrees.
        azimuth: degrees; 0 is the front (-Y), 90 the right (+X).
        size: of the square image, pixels.
        rng: draws the other values.
    """
    center, radius = _box_center(vertices)

    # Draw what the rig gives as ranges, then what it gives as chances.
    roll = _sample_range(rig.roll, rng) or 0
    lens = _sample_range(rig.lens, rng)
    angle = _sample_range(rig.angle, rng)
    distance = _sample_range(rig.distance, rng)
    fill = _sample_range(rig.fill, rng)
    orthographic = rng.random() < rig.orthographic
    aim_direction = rng.uniform(0, 2 * np.pi)
    aim_offset = np.sqrt(rng.random()) * (rig.aim or 0)  # even over the disk

    # Frame the object from the direction.
    pose = _turntable_pose(elevation, azimuth, roll)
    back = pose[:3, 2]
    pose[:3, 3] = center + (distance or _ORTHOGRAPHIC_DISTANCE) * radius * back

    if orthographic:
        fill = fill or _ORTHOGRAPHIC_FILL
        camera = _fit_scale(pose, vertices, fill, size)
    else:
        if lens:
            field_of_view = 2 * np.arctan(_HALF_SENSOR / lens)
        else:
            field_of_view = np.radians(angle or _DEFAULT_ANGLE)
        if fill and not distance:
            slope = fill * np.tan(field_of_view / 2)
            pose[:3, 3] = _fit_position(pose[:3, :3], vertices, slope)
        camera = perspective_camera(pose, field_of_view, size)
        if fill and distance:
            camera = _fit_intrinsics(camera, vertices, fill)

    # Aim beside the center: rotate the camera about its eye.
    offset = np.array((np.cos(aim_direction), np.sin(aim_direction))) * aim_offset
    depth = float((camera.to_world[:3, 3] - center) @ back)
    target = np.array((*offset * radius, -depth))
    rotation = look_at(np.zeros(3), target, np.array((0.0, 1.0, 0.0)))
    camera = camera.moved(camera.to_world @ rotation @ np.linalg.inv(camera.to_world))

    settings: dict[str, Any] = {}
    settings |= _camera_settings(camera, vertices, (elevation, azimuth, roll), fill)
    if aim_offset:
        settings["aim"] = offset.tolist()
    return camera, settings


def _handheld_candidates(
    rig: Rig, vertices: Vertices, size: int, rng: np.random.Generator
) -> Iterator[Callable[[], CameraSettings]]:
    """Yield for each camera of a rig of the kind "free" the function that draws it."""
    for _ in range(rig.count):
        yield partial(handheld_camera, vertices, size, rng)


def _rig_candidates(
    rig: Rig, vertices: Vertices, size: int, rng: np.random.Generator
) -> Iterator[Callable[[], CameraSettings]]:
    """Yield for each camera of ``rig`` the function that draws it.

    The cameras of an orbit keep their elevation and azimuths, however often they are drawn.
    """
    rig = rig.with_defaults()
    vertices = _extreme_vertices(vertices)
    assert rig.elevation is not None  # all kinds that come here have a default
    low, high = rig.elevation
    orbit_elevation = rng.uniform(low, high)

    def draw_candidate(index: int) -> CameraSettings:
        if rig.kind == "orbit":
            azimuth = 360 * index / rig.count
            return rig_camera(rig, vertices, orbit_elevation, azimuth, size, rng)

        # Even heights are even on the sphere (Archimedes).
        height = rng.uniform(np.sin(np.radians(low)), np.sin(np.radians(high)))
        elevation = np.degrees(np.arcsin(np.clip(height, -1, 1)))
        return rig_camera(rig, vertices, elevation, rng.uniform(0, 360), size, rng)

    for index in range(rig.count):
        yield partial(draw_candidate, index)


def _first_valid(
    rig: Rig, draw_candidate: Callable[[], CameraSettings], fault: Fault
) -> CameraSettings:
    """Return the first camera drawn that has no fault.

    Raises:
        MeshError: each of 50 has one.
    """
    reason: str | None = None
    for _ in range(_TRIES):
        try:
            camera, settings = draw_candidate()
        except MeshError as error:
            reason = str(error)
            continue

        reason = fault(camera)
        if not reason:
            return camera, settings

    raise MeshError(
        f"{rig} found no valid camera in {_TRIES} tries ({reason}). Increase the distance"
    )


def _views_without_fault(views: Sequence[ViewRecord], fault: Fault) -> list[ViewRecord]:
    """Return those of ``views`` whose cameras have no fault.

    Raises:
        MeshError: there is none.
    """
    faults = [fault(view.camera) or "" for view in views]
    if all(faults):
        reasons = "; ".join(sorted(set(faults)))
        raise MeshError(f"None of the scene's {len(views)} cameras can be used for it: {reasons}")
    return [view for view, reason in zip(views, faults, strict=True) if not reason]


def _camera_settings(
    camera: Camera,
    vertices: Vertices,
    directions: Sequence[float] | NDArray[np.float64],
    fill: float | None,
) -> dict[str, float]:
    """Return what the record of a view stores of its camera.

    Angles are in degrees and the distance in radii; an orthographic camera has no angle.

    Args:
        camera: of the view.
        vertices: (V, 3) of the object, meters.
        directions: elevation, azimuth and roll, degrees.
        fill: share of the image's side that the object covers; None if not given.
    """
    center, radius = _box_center(vertices)
    elevation, azimuth, roll = directions
    settings: dict[str, Any] = {"elevation": elevation, "azimuth": azimuth, "roll": roll}
    settings["distance"] = np.linalg.norm(camera.to_world[:3, 3] - center) / radius
    if not camera.orthographic:
        slope = camera.width / 2 / camera.intrinsics[0, 0]
        settings["angle"] = np.degrees(2 * np.arctan(slope))
    if fill:
        settings["fill"] = fill
    return {name: float(value) for name, value in settings.items()}


def _vertex_bounds(vertices: Vertices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the low and high corner (3,) of the bounding box."""
    return vertices.min(0).astype(float), vertices.max(0).astype(float)


def _box_center(vertices: Vertices) -> tuple[NDArray[np.float64], float]:
    """Return the center (3,) of the bounding box, and half its diagonal."""
    low, high = _vertex_bounds(vertices)
    return (low + high) / 2, float(np.linalg.norm(high - low)) / 2


def _extreme_vertices(vertices: Vertices) -> Vertices:
    """Return the vertices that reach farthest in one of 518 directions, if there are many.

    Framing depends on these, to 0.2 % of the size in the image.
    """
    if len(vertices) <= _MAX_FRAMED_VERTICES:
        return vertices

    # By chunks, so that the table of distances stays small.
    half_sphere = fibonacci_directions(_FRAMING_DIRECTIONS)
    directions = np.concatenate((half_sphere, np.eye(3))).astype(np.float32).T
    kept: set[int] = set()

    for start in range(0, len(vertices), _MAX_FRAMED_VERTICES):
        chunk = vertices[start : start + _MAX_FRAMED_VERTICES].astype(np.float32)
        reach = chunk @ directions
        kept.update(start + reach.argmax(0))
        kept.update(start + reach.argmin(0))

    return vertices[sorted(kept)]


def _sample_range(limits: Range | None, rng: np.random.Generator) -> float | None:
    """Return a number within ``limits``, None without them; one draw in both cases."""
    share = rng.random()
    if not limits:
        return None
    low, high = limits
    return low + share * (high - low)


def _spherical_direction(elevation: float, azimuth: float) -> NDArray[np.float64]:
    """Return the unit vector (3,) at angles in radians; azimuth 0 is -Y, a quarter turn +X."""
    return np.array(
        (
            np.sin(azimuth) * np.cos(elevation),
            -np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        )
    )


def _turntable_pose(elevation: float, azimuth: float, roll: float) -> NDArray[np.float64]:
    """Return a pose (4, 4) at the origin with its back in a direction, angles in degrees.

    Unlike ``look_at`` it is defined from straight above and below as well.
    """
    elevation_angle, azimuth_angle = np.radians((elevation, azimuth))
    back = _spherical_direction(elevation_angle, azimuth_angle)
    right = np.array((np.cos(azimuth_angle), np.sin(azimuth_angle), 0.0))

    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, np.cross(back, right), back), axis=1)
    return pose @ _roll_rotation(np.radians(roll))


def _fit_position(
    axes: NDArray[np.float64], vertices: Vertices, slope: float
) -> NDArray[np.float64]:
    """Return the position (3,) from which the object touches the pyramid of rays of ``slope``.

    For each image axis the two planes of that slope that touch the object meet in a line. The
    camera is on the farther of the two lines. The planes of the other pair are less steep from
    there; their slope is found by iteration, which is quick since it hardly depends on itself.

    Args:
        axes: (3, 3) of the camera, right, up and back in columns.
        vertices: (V, 3), meters.
        slope: tangent of half the field of view that the object is to fill.
    """
    # About the center of the object: far from the origin the iteration would not converge.
    center, _ = _box_center(vertices)
    local = (vertices - center) @ axes

    def touching_planes(slopes: NDArray[np.float64], sign: int) -> NDArray[np.float64]:
        """Return where planes of ``slopes`` (2,) cut the axes when they touch the object."""
        offsets = sign * local[:, :2] + slopes * local[:, 2:]
        touching: NDArray[np.float64] = offsets.max(0)
        return touching

    # The distance: the farther of the two lines.
    slopes = np.full(2, slope)
    high = touching_planes(slopes, 1)
    low = touching_planes(slopes, -1)
    distance = float((high + low).max()) / (2 * slope)

    # Center the other axis.
    for _ in range(_FIT_ROUNDS):
        slopes = (high + low) / (2 * distance)
        high = touching_planes(slopes, 1)
        low = touching_planes(slopes, -1)

    position: NDArray[np.float64] = center + axes @ np.array((*(high - low) / 2, distance))
    return position


def _fit_scale(pose: NDArray[np.float64], vertices: Vertices, fill: float, size: int) -> Camera:
    """Return an orthographic camera that the object fills, its pose moved sideways to center it.

    Args:
        pose: (4, 4) camera-to-world.
        vertices: (V, 3) of the object, meters.
        fill: share of the image's side that the object's longer side covers.
        size: of the square image, pixels.
    """
    local = vertices @ pose[:3, :3]
    low = local.min(0)
    high = local.max(0)

    centered = pose.copy()
    depth = pose[:3, 3] @ pose[:3, 2]
    middle = (low + high)[:2] / 2
    centered[:3, 3] = pose[:3, :3] @ np.array((*middle, depth))
    scale = float((high - low)[:2].max()) / fill

    return orthographic_camera(centered, scale, size)


def _fit_intrinsics(camera: Camera, vertices: Vertices, fill: float) -> Camera:
    """Return ``camera`` with focal length and principal point such that the object fills its image.

    Raises:
        MeshError: a part of the object is beside or behind the camera.
    """
    pixels, depth = camera.project(vertices)
    _, radius = _box_center(vertices)
    if depth.min() < _NEAREST * radius:
        raise MeshError("part of the object is next to or behind the camera")

    # Crop the window that the object fills, then enlarge it to the image's size.
    low = pixels.min(0)
    high = pixels.max(0)
    zoom = fill * camera.width / float((high - low).max())
    window = camera.width / zoom
    left, top = (low + high) / 2 - window / 2

    return camera.cropped(left, top, camera.width, camera.height).zoomed(zoom)


def _roll_rotation(angle: float) -> NDArray[np.float64]:
    """Return the rotation (4, 4) by ``angle``, radians, about the line of sight."""
    matrix = np.eye(4)
    matrix[:2, :2] = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
    return matrix
