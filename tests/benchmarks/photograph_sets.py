"""Render objects as sets of photographs with known cameras, to measure what is made of them.

    python tests/benchmarks/photograph_sets.py OUT mesh.glb ...
    python tests/benchmarks/photograph_sets.py OUT --eight MESHES

For each mesh OUT gets a folder: photographs with the object's mask as alpha and a patterned floor
behind, ``cameras.json``, and ``truth.npz`` with the triangles. The object's longest side is 1, it
stands on z = 0. There are two rings of cameras: 16 at 20 degrees, and 8 at 45 degrees elevation.

The second line makes the eight sets that Maquette is measured by (``EIGHT``); MESHES holds the
folders of their .glb files. Sets that are there already are left as they are.

With ``--jpeg 70`` the photographs are JPEG files as of a camera, without alpha and beside no other
file. So the bundled ones were made:

    python tests/benchmarks/photograph_sets.py core/samples --ring 16 28 --width 480 --jpeg 66 MESH
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from maquette.core.cameras import Camera, look_at
from maquette.core.console import silence_stdout
from PIL import Image

EIGHT = {  # name of the set -> end of the file's name
    "armchair": "sh3d_scopia/*__rattanArmchair.glb",  # large, concave, fine pattern
    "bowl": "sh3d_scopia/*__bowlWithFruits.glb",  # white and hollow, round parts inside
    "boxes": "aws_robomaker/*_ClutteringA_01_visual.glb",  # flat sides, sharp edges, gaps
    "cat": "sh3d_blendswap_ccby/*__siameseCat.glb",  # thin legs and tail
    "cup": "sh3d_scopia/*__cup.glb",  # hollow, with a handle and a thin saucer
    "drill": "gazebo_models/*__cordless_drill.glb",  # dark, with plain parts
    "sneakers": "sh3d_scopia/*__sneakers.glb",  # two parts, hollow
    "teddy": "sh3d_blendswap_cc0/*__teddyBear.glb",  # round
}
RINGS = ((16, 20.0), (8, 45.0))  # number of cameras, elevation in degrees
DISTANCE = 2.8  # of cameras from the object's middle, in units of its longest side
FOCAL = 1.6  # in units of the image's width
FLOOR_SIDE = 8.0


def ring_cameras(
    width: int, height: int, target: np.ndarray, rings: tuple[tuple[int, float], ...] = RINGS
) -> list[Camera]:
    """Return the cameras of all rings, which look at ``target`` (3,)."""
    focal = FOCAL * width
    intrinsics = np.array(((focal, 0, width / 2), (0, focal, height / 2), (0, 0, 1.0)))
    cameras = []
    for count, elevation in rings:
        rise = np.radians(elevation)
        for index in range(count):
            turn = 2 * np.pi * index / count
            level = np.cos(rise) * np.array((np.sin(turn), -np.cos(turn)))
            eye = target + DISTANCE * np.array((*level, np.sin(rise)))
            cameras.append(Camera(look_at(eye, target), intrinsics, width, height))
    return cameras


def load_object(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Open an empty scene with the object alone; return its vertices (V, 3), triangles (F, 3)."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(path))
    vertices, triangles = _world_triangles()
    low = vertices.min(0)
    high = vertices.max(0)
    factor = 1 / (high - low).max()
    offset = np.array((*((low + high) / 2)[:2], low[2]))

    # Move the roots, so that the longest side is 1 and the object stands on z = 0.
    parent = bpy.data.objects.new("Normalized", None)
    bpy.context.scene.collection.objects.link(parent)
    for obj in bpy.data.objects:
        if obj.parent is None and obj is not parent:
            obj.parent = parent
    parent.scale = (factor,) * 3
    parent.location = -offset * factor
    bpy.context.view_layer.update()
    return (vertices - offset) * factor, triangles


def _world_triangles() -> tuple[np.ndarray, np.ndarray]:
    graph = bpy.context.evaluated_depsgraph_get()
    vertices = []
    triangles = []
    start = 0
    for obj in bpy.data.objects:
        if obj.type != 'MESH':
            continue
        evaluated = obj.evaluated_get(graph)
        mesh = evaluated.to_mesh()
        mesh.calc_loop_triangles()
        points = np.empty(3 * len(mesh.vertices), np.float32)
        mesh.vertices.foreach_get("co", points)
        corners = np.empty(3 * len(mesh.loop_triangles), np.int32)
        mesh.loop_triangles.foreach_get("vertices", corners)
        matrix = np.array(obj.matrix_world)
        vertices.append(points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
        triangles.append(corners.reshape(-1, 3) + start)
        start += len(vertices[-1])
        evaluated.to_mesh_clear()
    return np.concatenate(vertices), np.concatenate(triangles)


def add_floor_and_light() -> bpy.types.Object:
    """Add a patterned floor, a sun and a bright world; return the floor."""
    bpy.ops.mesh.primitive_plane_add(size=FLOOR_SIDE)
    floor = bpy.context.object
    pattern = spots_image((32, 128, 512), side=2048, seed=0, tones=(0.45, 0.4))
    floor.data.materials.append(textured_material(pattern, roughness=1.0))

    sun = bpy.data.lights.new("Sun", 'SUN')
    sun.energy = 2.0
    sun.angle = 0.3
    light = bpy.data.objects.new("Sun", sun)
    light.rotation_euler = (0.6, 0.3, 0.2)
    bpy.context.scene.collection.objects.link(light)
    world = bpy.data.worlds.new("World")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (0.8, 0.85, 0.9, 1)
    bpy.context.scene.world = world
    return floor


def textured_material(image: bpy.types.Image, roughness: float) -> bpy.types.Material:
    """Return a material that shows ``image``."""
    material = bpy.data.materials.new(image.name)
    material.use_nodes = True
    texture = material.node_tree.nodes.new('ShaderNodeTexImage')
    texture.image = image
    shader = material.node_tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    material.node_tree.links.new(texture.outputs[0], shader.inputs["Base Color"])
    return material


def spots_image(
    sizes: tuple[int, ...], side: int, seed: int, tones: tuple[float, float]
) -> bpy.types.Image:
    """Return a square image of spots.

    sizes: cells along a side, of each layer of spots. tones: middle and contrast.
    """
    generator = np.random.default_rng(seed)
    total = np.zeros((side, side, 3), np.float32)
    for cells in sizes:
        spots = generator.random((cells, cells, 3)).astype(np.float32)
        for channel in range(3):
            layer = Image.fromarray(spots[..., channel])
            total[..., channel] += layer.resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.ones((side, side, 4), np.float32)
    middle, contrast = tones
    pixels[..., :3] = (middle + contrast * (total - len(sizes) / 2)).clip(0, 1)
    image = bpy.data.images.new("Pattern", side, side)
    image.pixels.foreach_set(pixels.ravel())
    return image


def use_cycles(width: int, height: int) -> None:
    """Set the scene up for quick renders on the CPU."""
    scene = bpy.context.scene
    scene.render.engine = 'CYCLES'
    scene.cycles.device = 'CPU'
    scene.cycles.max_bounces = 2
    scene.cycles.use_denoising = False
    scene.render.resolution_x = width
    scene.render.resolution_y = height
    scene.render.threads_mode = 'FIXED'
    scene.render.threads = 1
    scene.render.use_persistent_data = True
    scene.render.image_settings.file_format = 'PNG'
    scene.render.image_settings.color_mode = 'RGBA'
    scene.view_settings.view_transform = 'Standard'
    data = bpy.data.cameras.new("Camera")
    data.sensor_width = 36.0
    data.lens = 36.0 * FOCAL
    scene.camera = bpy.data.objects.new("Camera", data)
    scene.collection.objects.link(scene.camera)


def render(
    camera: Camera, floor: bpy.types.Object | None, path: Path, samples: int = 12
) -> np.ndarray:
    """Render with the floor, or the object alone before nothing; return (H, W, 4) uint8."""
    scene = bpy.context.scene
    scene.camera.matrix_world = camera.to_world.T.tolist()
    scene.render.film_transparent = floor is None
    scene.cycles.samples = samples if floor else 4
    scene.render.filepath = str(path)
    for obj in scene.objects:
        if obj.name.startswith("Plane"):
            obj.hide_render = floor is None
    with silence_stdout():
        bpy.ops.render.render(write_still=True)
    return np.asarray(Image.open(path).convert("RGBA"))


@dataclass(frozen=True)
class SetSettings:
    """How a set is rendered.

    width: of the photographs, pixels. samples: a pixel. only: how many photographs; 0 for all.
    rings: number of cameras and elevation in degrees of each. jpeg: quality; 0 for PNG with alpha.
    """

    width: int = 640
    samples: int = 12
    only: int = 0
    rings: tuple[tuple[int, float], ...] = RINGS
    jpeg: int = 0


def make_set(path: Path, folder: Path, settings: SetSettings) -> None:
    """Write the set of one mesh."""
    width = settings.width
    height = width * 3 // 4
    folder.mkdir(parents=True, exist_ok=True)
    with silence_stdout():
        vertices, triangles = load_object(path)
        floor = add_floor_and_light()
    use_cycles(width, height)
    target = np.array((0, 0, vertices[:, 2].max() / 2))
    cameras = ring_cameras(width, height, target, settings.rings)
    if settings.only:
        cameras = cameras[1 : settings.only + 1]
    if settings.jpeg:
        write_jpegs(cameras, floor, folder, settings.jpeg)
        return

    np.savez_compressed(folder / "truth.npz", vertices=vertices, triangles=triangles)
    entries = {}
    for index, camera in enumerate(cameras):
        name = f"{index:02d}.png"
        alpha = render(camera, None, folder / name)[..., 3]
        pixels = render(camera, floor, folder / name, settings.samples).copy()
        pixels[..., 3] = alpha
        Image.fromarray(pixels).save(folder / name, compress_level=1)
        entries[name] = camera.to_world.tolist()
    text = {"intrinsics": cameras[0].intrinsics.tolist(), "to_world": entries}
    (folder / "cameras.json").write_text(json.dumps(text))


def write_jpegs(cameras: list[Camera], floor: bpy.types.Object, folder: Path, quality: int) -> None:
    """Write photographs as a camera does, numbered from 1."""
    scratch = folder / "scratch.png"
    for index, camera in enumerate(cameras, 1):
        pixels = render(camera, floor, scratch)[..., :3]
        path = folder / f"{index:02d}.jpg"
        Image.fromarray(pixels).save(path, quality=quality, optimize=True)
    scratch.unlink()


def eight_meshes(folder: Path) -> dict[str, Path]:
    """Return the files of ``EIGHT`` in a folder of sets of meshes, by the names of their sets."""
    meshes = {}
    for name, pattern in EIGHT.items():
        paths = list(folder.glob(pattern))
        if len(paths) != 1:
            raise SystemExit(f"{folder} holds {len(paths)} files {pattern}: exactly one is needed")
        meshes[name] = paths[0]
    return meshes


def main() -> None:
    """Read the command line and render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("meshes", type=Path, nargs="*")
    parser.add_argument("--eight", type=Path, help="folder of meshes, for the eight usual sets")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--samples", type=int, default=12, help="rays a pixel")
    parser.add_argument("--only", type=int, default=0, help="render so many photographs only")
    parser.add_argument(
        "--ring", type=float, nargs=2, metavar=("COUNT", "DEGREES"), help="one ring of cameras"
    )
    parser.add_argument("--jpeg", type=int, default=0, help="write JPEG files of this quality")
    arguments = parser.parse_args()
    meshes = {path.stem.split("__")[-1].lower(): path for path in arguments.meshes}
    if arguments.eight:
        meshes.update(eight_meshes(arguments.eight))
    rings = ((int(arguments.ring[0]), arguments.ring[1]),) if arguments.ring else RINGS
    settings = SetSettings(
        width=arguments.width,
        samples=arguments.samples,
        only=arguments.only,
        rings=rings,
        jpeg=arguments.jpeg,
    )
    for name, path in meshes.items():
        folder = arguments.output / name
        if (folder / "cameras.json").exists():
            continue
        make_set(path, folder, settings)
        print(name, flush=True)


if __name__ == "__main__":
    main()
