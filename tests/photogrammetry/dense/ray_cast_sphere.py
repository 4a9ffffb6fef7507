"""Photographs of a patterned ball on a patterned floor, ray-cast, with exact depth."""

import numpy as np
from maquette.core.cameras import Camera, look_at
from maquette.core.photogrammetry.dense.records import DenseView

CENTER = np.array((0.0, 0.0, 0.5))
RADIUS = 0.5


def make_cameras(count, side, elevation=25.0, first=0.0):
    """Return cameras in a ring at degrees of elevation."""
    focal = 1.9 * side
    intrinsics = np.array(((focal, 0, side / 2), (0, focal, side / 2), (0, 0, 1.0)))
    rise = np.radians(elevation)
    cameras = []
    for index in range(count):
        turn = np.radians(first) + 2 * np.pi * index / count
        direction = (np.sin(turn) * np.cos(rise), -np.cos(turn) * np.cos(rise), np.sin(rise))
        eye = CENTER + 2.4 * np.array(direction)
        cameras.append(Camera(look_at(eye, CENTER), intrinsics, side, side))
    return cameras


def pattern(places, frequency=17.0):
    """Return smooth colors (P, 3) in 0..1 that vary in all directions of space."""
    x, y, z = (places * frequency).T
    waves = np.stack(
        (
            np.sin(x + 1.7 * np.sin(y)) * np.cos(1.3 * z),
            np.sin(1.9 * y + np.cos(1.4 * z)) * np.cos(0.7 * x),
            np.sin(1.5 * z + 1.1 * x) * np.cos(1.6 * y),
        ),
        axis=1,
    )
    return 0.5 + 0.45 * waves


def cast(camera):
    """Return color (H, W, 3), whether the ball is shown (H, W), and its plane depth (H, W)."""
    rows, columns = np.mgrid[0 : camera.height, 0 : camera.width] + 0.5
    pixels = np.stack((columns.ravel(), rows.ravel()), 1)
    origin = camera.to_world[:3, 3]
    rays = camera.unproject(pixels, np.ones(len(pixels))) - origin
    offset = origin - CENTER
    a = (rays**2).sum(1)
    b = rays @ offset
    root = b**2 - a * (offset @ offset - RADIUS**2)
    shown = root > 0
    depth = np.where(shown, (-b - np.sqrt(np.maximum(root, 0))) / a, 0)

    # Elsewhere the floor is seen, or a gray wall.
    floor_depth = -origin[2] / np.where(rays[:, 2] < -1e-6, rays[:, 2], np.inf)
    on_floor = ~shown & (rays[:, 2] < -1e-6)
    places = origin + rays * np.where(shown, depth, floor_depth)[:, None]
    color = np.full((len(rays), 3), 0.5)
    color[shown] = pattern(places[shown])
    color[on_floor] = pattern(places[on_floor], 8.0)
    shape = (camera.height, camera.width)
    return color.reshape(*shape, 3), shown.reshape(shape), depth.reshape(shape)


def make_views(cameras):
    """Return the views of cameras with exact masks."""
    views = []
    for camera in cameras:
        color, shown, _ = cast(camera)
        views.append(DenseView(color.astype(np.float32), shown.astype(np.float32), camera))
    return views
