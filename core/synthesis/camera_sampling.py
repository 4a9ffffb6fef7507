"""Which cameras see an object."""

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
from .camera_rigs import OF_SCENE, Rig

SIDES_SCALE = 1.1  # an orthographic side shows this many longest sides of the object
_TRIES = 50
# of orthographic cameras, where none is asked for; in radii
_FLAT_DISTANCE = 4.0
_FLAT_FILL = 0.85
_MANY = 8192
_IN_FRONT = 0.02  # radii before a camera where the object may begin

CameraSettings = tuple[Camera, Mapping[str, Any]]
Fault = Callable[[Camera], str | None]


def sample_views(
    rigs: Sequence[Rig],
    vertices: NDArray[np.floating],
    size: int,
    rng: np.random.Generator,
    fault: Fault,
    of_scene: Mapping[str, Sequence[ViewRecord]],
) -> list[ViewRecord]:
    """The views of an object by all ``rigs``, in order; the same for the same state of ``rng``.

    A camera that has a fault is drawn again. Those of the scene are left out instead, and the six sides are not
    asked, since they stand outside of the object and are aimed at it.

    Args:
        vertices: (V, 3) of the object, metres. size: of each square picture, pixels.
        fault: what is wrong with a camera, None if nothing is.
        of_scene: the cameras that there are, by rigs of the kinds ``OF_SCENE`` as text.

    Raises:
        MeshError: a camera without a fault was not found in 50 tries, or none of the scene's is.
    """
    views: list[ViewRecord] = []
    for rig in rigs:
        if rig.kind == "sides":
            cameras = side_cameras(rig.sides, *_vertex_bounds(vertices), size)
            views += [
                ViewRecord(name, camera) for name, camera in zip(rig.sides, cameras, strict=True)
            ]
        elif rig.kind in OF_SCENE:
            views += _without_fault(of_scene[str(rig)], fault)
        else:
            tries = _handheld_candidates if rig.kind == "free" else _rig_candidates
            views += [
                ViewRecord(rig.kind, *_first_valid(rig, one, fault))
                for one in tries(rig, vertices, size, rng)
            ]
    return views


def side_cameras(
    names: Sequence[str], low: NDArray[np.float64], high: NDArray[np.float64], size: int
) -> list[Camera]:
    """Orthographic cameras of ``names`` (of ``cameras.SIDES``), all at one scale, aimed at the box's centre.

    Args:
        low, high: (3,) corners of the object's bounding box, metres. size: of the picture, pixels.
    """
    longest = float((high - low).max())
    move = np.eye(4)
    move[:3, 3] = (low + high) / 2
    return [side_camera(name, SIDES_SCALE, size).scaled(longest).moved(move) for name in names]


def handheld_camera(
    vertices: NDArray[np.floating], size: int, rng: np.random.Generator
) -> CameraSettings:
    """A camera as a person would hold it: a little above the horizon, the object filling most of the picture.

    Elevation N(18, 15) degrees within -10..75, any azimuth, roll N(0, 2); three in ten are orthographic, the
    others see 10 to 65 degrees; the object fills 75 to 95 % of the picture.

    Args:
        vertices: (V, 3) of the object, metres. size: of the square picture, pixels.
    """
    center, radius = _box_center(vertices)
    elevation = np.radians(np.clip(rng.normal(18, 15), -10, 75))
    azimuth = rng.uniform(0, 2 * np.pi)
    roll = np.radians(rng.normal(0, 2))
    back = np.array(
        (
            np.sin(azimuth) * np.cos(elevation),
            -np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        )
    )
    flat = rng.random() < 0.3
    angle = np.radians(rng.uniform(10, 65))
    fill = rng.uniform(0.75, 0.95)
    distance = 4 * radius if flat else 1.05 * radius / np.sin(angle / 2)
    pose = look_at(center + distance * back, center) @ _roll_rotation(roll)
    camera = (
        orthographic_camera(pose, 2 * radius, size)
        if flat
        else perspective_camera(pose, angle, size)
    )
    camera = _fitted_perspective(camera, vertices, fill)
    return camera, _camera_settings(
        camera, vertices, *np.degrees((elevation, azimuth, roll)), fill=fill
    )


def rig_camera(
    rig: Rig,
    vertices: NDArray[np.floating],
    elevation: float,
    azimuth: float,
    size: int,
    rng: np.random.Generator,
) -> CameraSettings:
    """A camera of ``rig`` (:meth:`Rig.with_defaults`) that looks from a direction, given in degrees; see :class:`Rig`.

    Azimuth 0 is the front (-Y), 90 the right (+X). Everything is drawn, needed or not, so that a rig with one value
    less draws the same others.
    """
    center, radius = _box_center(vertices)
    roll, lens, angle, distance, fill = (
        _sample_range(each, rng) for each in (rig.roll, rig.lens, rig.angle, rig.distance, rig.fill)
    )
    flat = rng.random() < rig.orthographic
    spin = rng.uniform(0, 2 * np.pi)
    reach = np.sqrt(rng.random()) * (rig.aim or 0)
    pose = _turntable_pose(elevation, azimuth, roll or 0)
    back = pose[:3, 2]
    field = 2 * np.arctan(18 / lens) if lens else np.radians(angle or 30)
    pose[:3, 3] = center + (distance or _FLAT_DISTANCE) * radius * back
    if flat:
        fill = fill or _FLAT_FILL
        camera = _fitted_orthographic(pose, vertices, fill, size)
    elif fill and not distance:
        pose[:3, 3] = _fit_distance(pose[:3, :3], vertices, fill * np.tan(field / 2))
        camera = perspective_camera(pose, field, size)
    elif fill:
        camera = _fitted_perspective(perspective_camera(pose, field, size), vertices, fill)
    else:
        camera = perspective_camera(pose, field, size)
    away = np.array((np.cos(spin), np.sin(spin))) * reach
    eye = camera.to_world[:3, 3]
    depth = float((eye - center) @ back)
    turn = look_at(np.zeros(3), np.array((*away * radius, -depth)), np.array((0.0, 1.0, 0.0)))
    camera = camera.moved(camera.to_world @ turn @ np.linalg.inv(camera.to_world))
    told = _camera_settings(camera, vertices, elevation, azimuth, roll or 0, fill=fill)
    return camera, {**told, "aim": away.tolist()} if reach else told


def _handheld_candidates(
    rig: Rig, vertices: NDArray[np.floating], size: int, rng: np.random.Generator
) -> Iterator[Callable[[], CameraSettings]]:
    for _ in range(rig.count):
        yield partial(handheld_camera, vertices, size, rng)


def _rig_candidates(
    rig: Rig, vertices: NDArray[np.floating], size: int, rng: np.random.Generator
) -> Iterator[Callable[[], CameraSettings]]:
    """For each camera of the rig what draws it. An orbit keeps its elevation and azimuths."""
    rig = rig.with_defaults()
    vertices = _extreme_vertices(vertices)
    low, high = rig.elevation  # type: ignore[misc]
    level = rng.uniform(low, high)

    def one(index: int) -> CameraSettings:
        if rig.kind == "orbit":
            return rig_camera(rig, vertices, level, 360 * index / rig.count, size, rng)
        height = rng.uniform(
            np.sin(np.radians(low)), np.sin(np.radians(high))
        )  # even on the sphere (Archimedes)
        elevation = np.degrees(np.arcsin(np.clip(height, -1, 1)))
        return rig_camera(rig, vertices, elevation, rng.uniform(0, 360), size, rng)

    for index in range(rig.count):
        yield partial(one, index)


def _first_valid(rig: Rig, draw_one: Callable[[], CameraSettings], fault: Fault) -> CameraSettings:
    """The first camera drawn that has no fault."""
    why: str | None = None
    for _ in range(_TRIES):
        try:
            camera, drawn = draw_one()
        except MeshError as error:
            why = str(error)
            continue
        why = fault(camera)
        if not why:
            return camera, drawn
    raise MeshError(f"{rig} found no valid camera in {_TRIES} tries ({why}). Increase the distance")


def _without_fault(views: Sequence[ViewRecord], fault: Fault) -> list[ViewRecord]:
    faults = [fault(view.camera) or "" for view in views]
    if all(faults):
        raise MeshError(
            f"None of the scene's {len(views)} cameras can be used for it: "
            f"{'; '.join(sorted(set(faults)))}"
        )
    return [view for view, why in zip(views, faults, strict=True) if not why]


def _camera_settings(
    camera: Camera,
    vertices: NDArray[np.floating],
    elevation: float,
    azimuth: float,
    roll: float,
    fill: float | None,
) -> dict[str, float]:
    """What a view's record keeps: degrees, the distance in radii, and no angle of an orthographic camera."""
    center, radius = _box_center(vertices)
    told = {"elevation": elevation, "azimuth": azimuth, "roll": roll}
    told["distance"] = np.linalg.norm(camera.to_world[:3, 3] - center) / radius
    if not camera.orthographic:
        told["angle"] = np.degrees(2 * np.arctan(camera.width / 2 / camera.intrinsics[0, 0]))
    if fill:
        told["fill"] = fill
    return {name: float(value) for name, value in told.items()}


def _vertex_bounds(
    vertices: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return vertices.min(0).astype(float), vertices.max(0).astype(float)


def _box_center(vertices: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Centre (3,) of the bounding box, and half its diagonal."""
    low, high = _vertex_bounds(vertices)
    return (low + high) / 2, float(np.linalg.norm(high - low)) / 2


def _extreme_vertices(vertices: NDArray[np.floating]) -> NDArray[np.floating]:
    """The vertices that reach farthest in one of 512 directions: of many, those that framing depends on, to 0.2 %."""
    if len(vertices) <= _MANY:
        return vertices
    ways = np.concatenate((fibonacci_directions(256), np.eye(3))).astype(np.float32).T
    kept: set[int] = set()
    for first in range(0, len(vertices), _MANY):
        reach = vertices[first : first + _MANY].astype(np.float32) @ ways
        kept.update(first + index for index in (*reach.argmax(0), *reach.argmin(0)))
    return vertices[sorted(kept)]


def _sample_range(between: tuple[float, float] | None, rng: np.random.Generator) -> float | None:
    share = rng.random()
    return between[0] + share * (between[1] - between[0]) if between else None


def _turntable_pose(elevation: float, azimuth: float, roll: float) -> NDArray[np.float64]:
    """A pose at the origin that looks back at where it comes from; degrees; also from straight above."""
    up, about = np.radians((elevation, azimuth))
    back = np.array((np.sin(about) * np.cos(up), -np.cos(about) * np.cos(up), np.sin(up)))
    right = np.array((np.cos(about), np.sin(about), 0.0))
    pose = np.eye(4)
    pose[:3, :3] = np.stack((right, np.cross(back, right), back), axis=1)
    return pose @ _roll_rotation(np.radians(roll))


def _fit_distance(
    turn: NDArray[np.float64], vertices: NDArray[np.floating], slope: float
) -> NDArray[np.float64]:
    """Where a camera of axes ``turn`` (3, 3) stands so that the object touches the pyramid of rays of ``slope``.

    For each axis the two planes of that slope that bear on the object meet in a line; the farther of the two lines
    is where the camera stands. From there the slope of the other pair of planes is found by turns, which is quick
    since it hardly depends on itself.
    """
    local = vertices @ turn

    def bearing(slopes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return ((side * local[:, :2] + slopes * local[:, 2:]).max(0) for side in (1, -1))  # type: ignore[return-value]

    high, low = bearing(np.full(2, slope))
    far = float((high + low).max()) / (2 * slope)
    for _ in range(8):
        high, low = bearing((high + low) / (2 * far))
    return turn @ np.array((*(high - low) / 2, far))


def _fitted_orthographic(
    pose: NDArray[np.float64], vertices: NDArray[np.floating], fill: float, size: int
) -> Camera:
    """An orthographic camera like ``pose``, moved sideways so that the object fills and centres its picture."""
    local = vertices @ pose[:3, :3]
    low = local.min(0)
    high = local.max(0)
    pose = pose.copy()
    depth = pose[:3, 3] @ pose[:3, 2]
    pose[:3, 3] = pose[:3, :3] @ np.array((*(low + high)[:2] / 2, depth))
    return orthographic_camera(pose, float((high - low)[:2].max()) / fill, size)


def _fitted_perspective(camera: Camera, vertices: NDArray[np.floating], fill: float) -> Camera:
    """``camera`` with its focal length changed and its picture shifted so that the object fills and centres it.

    Raises:
        MeshError: the camera has a part of the object beside or behind it.
    """
    pixels, depth = camera.project(vertices)
    if depth.min() < _IN_FRONT * _box_center(vertices)[1]:
        raise MeshError("part of the object is next to or behind the camera")
    low = pixels.min(0)
    high = pixels.max(0)
    zoom = fill * camera.width / float((high - low).max())
    window = camera.width / zoom
    center = (low + high) / 2
    return camera.cropped(*(center - window / 2), camera.width, camera.height).zoomed(zoom)  # type: ignore[misc]


def _roll_rotation(angle: float) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:2, :2] = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
    return matrix
