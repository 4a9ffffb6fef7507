"""A patterned object on a patterned floor, ray-cast from known cameras."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from maquette.core.cameras import Camera, look_at
from PIL import Image

SIZE = (320, 240)
FOCAL = 330.0
# Low and high corners of boxes: the object is the union of both. The floor is z = 0.
BOXES = (((-0.5, -0.35, 0.0), (0.5, 0.35, 0.55)), ((-0.2, -0.3, 0.55), (0.3, 0.1, 0.95)))
FLOOR = 4.0  # half of its side
BACKDROP = 0.8
TINTS = np.array(((1.0, 0.7, 0.6), (0.6, 1.0, 0.6), (1.0, 1.0, 0.7)))  # by axis


def make_camera(angle, elevation=32.0, distance=2.9):
    """A camera at degrees around the object that looks at its middle."""
    turn, rise = np.radians((angle, elevation))
    eye = distance * np.array(
        (np.sin(turn) * np.cos(rise), -np.cos(turn) * np.cos(rise), np.sin(rise))
    )
    intrinsics = np.array(((FOCAL, 0, SIZE[0] / 2), (0, FOCAL, SIZE[1] / 2), (0, 0, 1.0)))
    target = np.array((0.0, 0.0, 0.3))
    return Camera(look_at(eye + target, target), intrinsics, *SIZE)


@lru_cache(32)
def make_pattern(seed, side=512):
    """A square of spots of all sizes, (S, S, 3) in 0..1."""
    generator = np.random.default_rng(seed)
    pattern = np.zeros((side, side, 3), np.float32)
    for cells in (8, 24, 64):
        spots = generator.random((cells, cells, 3)).astype(np.float32)
        image = [Image.fromarray(spots[..., channel]) for channel in range(3)]
        resized = [
            np.asarray(each.resize((side, side), Image.Resampling.BICUBIC)) for each in image
        ]
        pattern += np.stack(resized, 2) - 0.5
    return (0.5 + 0.45 * pattern).clip(0, 1)


def render(camera, seed=0, samples=2, alike=False):
    """The photograph (H, W, 4): its alpha is the mask of the object, its colors show all.

    alike: no floor, and opposite sides show the same: half a turn changes only the outline.
    """
    width, height = camera.width * samples, camera.height * samples
    fine = camera.resized(width, height)
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    pixels = np.stack((columns.ravel(), rows.ravel()), 1)
    origin = camera.to_world[:3, 3]
    rays = fine.unproject(pixels, np.ones(len(pixels))) - origin

    color = np.full((len(rays), 3), BACKDROP, np.float32)
    nearest = np.full(len(rays), np.inf)
    on_object = np.zeros(len(rays), bool)
    if not alike:
        _paint_floor(origin, rays, color, nearest, seed)
    for index, (low, high) in enumerate(BOXES):
        layers = (color, nearest, on_object)
        _paint_box(origin, rays, np.array((low, high)), layers, (seed + 10 * index, alike))
    layers = np.concatenate((color, on_object[:, None]), 1)
    blocks = layers.reshape(camera.height, samples, camera.width, samples, 4)
    return blocks.mean((1, 3))


def _paint_floor(origin, rays, color, nearest, seed):
    depth = -origin[2] / np.where(rays[:, 2] < -1e-9, rays[:, 2], -1e-9)
    places = origin + rays * depth[:, None]
    hit = (rays[:, 2] < -1e-9) & (np.abs(places[:, :2]) < FLOOR).all(1)
    color[hit] = _sample(make_pattern(seed + 1), places[hit, :2] / 2.0)
    nearest[hit] = depth[hit]


def _paint_box(origin, rays, box, layers, look):
    seed, alike = look
    color, nearest, on_object = layers
    safe = np.where(np.abs(rays) < 1e-12, 1e-12, rays)
    ends = (box[:, None] - origin) / safe
    enter = ends.min(0)
    depth = enter.max(1)
    axis = enter.argmax(1)
    hit = (depth < ends.max(0).min(1)) & (depth > 0) & (depth < nearest)
    for side in range(3):
        here = hit & (axis == side)
        places = origin + rays[here] * depth[here, None]
        away = (rays[here, side] < 0).astype(int)
        across = np.delete(places, side, 1)
        for face in (0, 1):
            facing = away == face
            pattern = make_pattern(seed + 2 + 2 * side + (0 if alike else face))
            shown = across[facing] / 2.0
            if alike and face:
                shown[:, 0] *= -1
            pixels = _sample(pattern, shown)
            color[np.flatnonzero(here)[facing]] = pixels * TINTS[side]
    nearest[hit] = depth[hit]
    on_object |= hit


def _sample(pattern, places):
    """The colors of a pattern, repeated, at ``places`` (P, 2) in units of its side, bilinear."""
    side = len(pattern)
    at = (places % 1) * side
    low = np.floor(at).astype(int)
    share = (at - low)[:, None]
    rows, columns = low.T % side
    below, right = (rows + 1) % side, (columns + 1) % side
    u, v = share[..., 1], share[..., 0]
    top = pattern[rows, columns] * (1 - u) + pattern[rows, right] * u
    bottom = pattern[below, columns] * (1 - u) + pattern[below, right] * u
    return top * (1 - v) + bottom * v


def write_photographs(folder: Path, angles, seed=0, alike=False):
    """Write one photograph for each angle; returns their cameras by path, in order."""
    cameras = {}
    for index, angle in enumerate(angles):
        camera = make_camera(angle)
        path = folder / f"photo_{index + 1}.png"
        pixels = (render(camera, seed, alike=alike) * 255 + 0.5).astype(np.uint8)
        Image.fromarray(pixels).save(path, compress_level=1)
        cameras[path] = camera
    return cameras


def align(solved, truth):
    """The similarity (factor, rotation, offset) from centers (N, 3) to true ones (Umeyama 1991)."""
    a = solved - solved.mean(0)
    b = truth - truth.mean(0)
    left, stretch, right = np.linalg.svd(b.T @ a)
    sign = np.diag((1, 1, np.sign(np.linalg.det(left @ right))))
    rotation = left @ sign @ right
    factor = (stretch * np.diag(sign)).sum() / (a**2).sum()
    return factor, rotation, truth.mean(0) - factor * rotation @ solved.mean(0)


def camera_errors(photographs, cameras):
    """Degrees (N,) and share of the distance (N,) by which aligned cameras are off."""
    own = [photograph.camera.to_world for photograph in photographs]
    true = [cameras[photograph.path].to_world for photograph in photographs]
    places = np.array([pose[:3, 3] for pose in true])
    factor, rotation, offset = align(np.array([pose[:3, 3] for pose in own]), places)
    moved = np.array([factor * rotation @ pose[:3, 3] + offset for pose in own])
    degrees = [
        np.degrees(
            np.arccos(np.clip((np.trace(b[:3, :3].T @ rotation @ a[:3, :3]) - 1) / 2, -1, 1))
        )
        for a, b in zip(own, true, strict=True)
    ]
    distance = np.linalg.norm(places - (0, 0, 0.3), axis=1)
    return np.array(degrees), np.linalg.norm(moved - places, axis=1) / distance
