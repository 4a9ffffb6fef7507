"""Render things whose sides look alike as sets of photographs with known cameras.

    python tests/benchmarks/look_alike_sets.py OUT [--floor]
    python tests/benchmarks/photographs_solved.py OUT/*

Six things show the same print two to six times around: cameras that are wrong by a part of a turn
fit each pair of photographs perfectly. They stand before nothing, or on a patterned floor.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import bpy  # before bmesh, which comes with it

import bmesh  # isort: skip
import numpy as np
from maquette.core.cameras import Camera, look_at
from photograph_sets import (
    FOCAL,
    add_floor_and_light,
    render,
    spots_image,
    textured_material,
    use_cycles,
)
from PIL import Image

PHOTOGRAPHS = 20
SIZE = (320, 240)
ELEVATION = 25.0  # degrees
DISTANCE = 3.0
# Name: sides around, radius in x and in y, height, and how many sides share a print.
THINGS = {
    "carton": (4, 0.5, 0.5, 0.8, 2),
    "cube": (4, 0.5, 0.5, 0.7, 1),
    "book": (4, 0.5, 0.15, 0.7, 2),
    "can": (32, 0.35, 0.35, 0.9, 16),
    "hexagonal_box": (6, 0.5, 0.5, 0.6, 1),
    "oval_tin": (32, 0.5, 0.3, 0.6, 16),
}


def add_thing(name: str) -> bpy.types.Object:
    """Add a prism whose print repeats around it; its floor is at z = 0."""
    sides, radius_x, radius_y, height, period = THINGS[name]
    mesh = bpy.data.meshes.new(name)
    build = bmesh.new()
    layer = build.loops.layers.uv.new("UVMap")
    angles = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    ring = np.stack((radius_x * np.cos(angles), radius_y * np.sin(angles)), 1)
    lower = [build.verts.new((*place, 0.0)) for place in ring]
    upper = [build.verts.new((*place, height)) for place in ring]

    # The print runs over ``period`` sides, then begins again.
    for side in range(sides):
        other = (side + 1) % sides
        face = build.faces.new((lower[side], lower[other], upper[other], upper[side]))
        start = (side % period) / period
        corners = ((start, 0), (start + 1 / period, 0), (start + 1 / period, 1), (start, 1))
        for loop, corner in zip(face.loops, corners, strict=True):
            loop[layer].uv = (0.9 * corner[0], 0.9 * corner[1])
    top = build.faces.new(upper)
    for loop in top.loops:
        place = np.array(loop.vert.co[:2]) / max(radius_x, radius_y)
        loop[layer].uv = tuple(0.95 + 0.05 * place)
    build.to_mesh(mesh)
    build.free()

    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    pattern = spots_image((6, 20, 60), side=512, seed=5, tones=(0.5, 0.5))
    mesh.materials.append(textured_material(pattern, roughness=0.9))
    return thing


def ring(height: float) -> list[Camera]:
    """Return cameras all around, which look at the middle of the thing."""
    width, rows = SIZE
    focal = FOCAL * width
    intrinsics = np.array(((focal, 0, width / 2), (0, focal, rows / 2), (0, 0, 1.0)))
    target = np.array((0, 0, height / 2))
    rise = np.radians(ELEVATION)
    cameras = []
    for turn in 2 * np.pi * np.arange(PHOTOGRAPHS) / PHOTOGRAPHS:
        level = np.cos(rise) * np.array((np.sin(turn), -np.cos(turn)))
        eye = target + DISTANCE * np.array((*level, np.sin(rise)))
        cameras.append(Camera(look_at(eye, target), intrinsics, width, rows))
    return cameras


def make_set(name: str, folder: Path, with_floor: bool) -> None:
    """Write the set of one thing."""
    folder.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    add_thing(name)
    floor = add_floor_and_light()
    use_cycles(*SIZE)
    entries = {}
    cameras = ring(THINGS[name][3])
    for index, camera in enumerate(cameras):
        path = folder / f"{index:02d}.png"
        cut_out = render(camera, None, path)
        pixels = render(camera, floor, path).copy() if with_floor else cut_out.copy()
        pixels[..., 3] = cut_out[..., 3]
        if not with_floor:
            pixels[cut_out[..., 3] < 128] = (128, 128, 128, 0)
        Image.fromarray(pixels).save(path, compress_level=1)
        entries[path.name] = camera.to_world.tolist()
    text = {"intrinsics": cameras[0].intrinsics.tolist(), "to_world": entries}
    (folder / "cameras.json").write_text(json.dumps(text))


def main() -> None:
    """Read the command line and render."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--floor", action="store_true", help="on a patterned floor")
    arguments = parser.parse_args()
    for name in THINGS:
        make_set(name, arguments.output / name, arguments.floor)
        print(name, flush=True)


if __name__ == "__main__":
    main()
