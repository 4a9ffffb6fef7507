"""Measure how well a mesh fits its references: front, right and back as image empties.

    python tests/benchmarks/references_iou.py SET... [--limit 12] [--weights FILE]

The images of a training set's test split become empties at an odd place and scale in Blender, the
operator reconstructs from them, and the mesh is compared with the truth in place: nothing is
aligned. The baseline is the visual hull of the same three masks with their true cameras. Prints a
line an object and the means.
"""

import argparse
import sys
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
import maquette
from maquette.core.arrays import View
from maquette.core.geometry import winding_number
from maquette.core.model import metrics
from maquette.core.model.evaluation import baselines, evaluate

SIDES = ("front", "right", "back")
PLACE = Matrix.LocRotScale((3, -2, 1), None, (1.7, 1.7, 1.7))
BEHIND = 4.0  # metres that the empties are moved back


def stand(name, view, image, parent):
    """Return an empty that shows ``image`` (H, W, 4) uint8 as the camera of ``view`` sees it."""
    height, width = image.shape[:2]
    empty = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(empty)
    empty.empty_display_type, empty.parent = 'IMAGE', parent
    empty.data = bpy.data.images.new(name, width, height, alpha=True)
    empty.data.pixels.foreach_set((image[::-1] / np.float32(255)).astype(np.float32).ravel())
    (fx, _, cx), (_, _, cy), _ = view.camera.intrinsics
    empty.empty_display_size = max(width, height) / fx
    empty.empty_image_offset = -cx / width, cy / height - 1
    empty.matrix_basis = Matrix(view.camera.to_world) @ Matrix.Translation((0, 0, -BEHIND))
    return empty


def shown(file, side):
    """The picture (H, W, 4) uint8 of ``side``."""
    return file.read_color([view.kind for view in file.record.views].index(side))


def measure(place, weights):
    """IoU of the mesh, and of the hull."""
    file = place.open_object()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    maquette.register()
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.scene.collection.objects.link(parent)
    parent.matrix_basis = PLACE
    views = [next(view for view in file.record.views if view.kind == side) for side in SIDES]
    images = [shown(file, side) for side in SIDES]
    names = [
        {"name": stand(side, view, image, parent).name}
        for side, view, image in zip(SIDES, views, images, strict=True)
    ]
    bpy.ops.maquette.reconstruct_references(objects=names, weights=weights)
    bpy.context.view_layer.update()
    made = bpy.context.object
    made.data.calc_loop_triangles()
    to_object = np.array(PLACE.inverted() @ made.matrix_world)
    vertices = (
        np.array([vertex.co for vertex in made.data.vertices]) @ to_object[:3, :3].T
        + to_object[:3, 3]
    )
    triangles = np.array([triangle.vertices for triangle in made.data.loop_triangles])
    shape = file.read_shape()
    found = winding_number.points_inside(vertices, triangles, shape.uniform)
    posed = [
        View(image.astype(np.float32) / 255, view.camera)
        for image, view in zip(images, views, strict=True)
    ]
    hull = baselines.hull_cover(posed, shape.uniform) > 0.5
    maquette.unregister()
    return tuple(metrics.iou(inside, shape.uniform_inside) for inside in (found, hull))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, default=12, help="objects of each set")
    parser.add_argument("--weights", default="", help="the model's weights (those bundled)")
    arguments = parser.parse_args()
    for folder in arguments.sets:
        rows = []
        for place in evaluate.sample_objects([folder], "test", arguments.limit):
            if any(not (shown(place.open_object(), side)[..., 3] > 127).any() for side in SIDES):
                print(f"{place.name:40} left out: a picture is empty", flush=True)
                continue
            rows.append(measure(place, arguments.weights))
            print(f"{place.name:40} mesh {rows[-1][0]:.3f}  hull {rows[-1][1]:.3f}", flush=True)
        mesh, hull = np.mean(rows, axis=0)
        better = sum(found > baseline for found, baseline in rows)
        print(f"{folder.name}: {len(rows)} objects, mesh {mesh:.3f}", end="")
        print(f", visual hull {hull:.3f}, better in {better}")


if __name__ == "__main__":
    main()
