"""Mean IoU of the parts of surfaces that Label Parts finds, on procedural objects of a set.

    python tests/benchmarks/surface_parts.py SET... --heads FILE --limit 60

The mesh is the generator's own, so that the error of a reconstruction does not count. Of each
object the surface points of the set, whose parts are known, take the part of the nearest face.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
from maquette.core.arrays import MeshArrays, View
from maquette.core.dataset.index import split_locations
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.meaning.part_labels import label_surface
from maquette.core.procedural import make_object
from maquette.core.procedural.part_groups import part_group

VIEWS = {"one free view": 1, "three free views": 3}


def joined_mesh(obj):
    """All solids of an object as one mesh of triangles."""
    vertices = []
    triangles = []
    count = 0
    for part in obj.parts:
        vertices.append(part.mesh.vertices)
        triangles.append(part.mesh.to_triangles() + count)
        count += len(part.mesh.vertices)
    return MeshArrays(np.concatenate(vertices), np.concatenate(triangles))


def nearest_faces(points, mesh):
    """The face whose center is nearest to each point, large faces by their corners as well."""
    corners = mesh.vertices[mesh.faces]
    places = np.concatenate((corners.mean(1), (corners + corners.mean(1)[:, None]).mean(1)))
    faces = np.tile(np.arange(len(corners)), 2)
    nearest = []
    for chunk in np.array_split(points, 1 + len(points) // 64):
        distance = ((chunk[:, None] - places) ** 2).sum(2)
        nearest.append(faces[distance.argmin(1)])
    return np.concatenate(nearest)


def free_views(file, count):
    """Free views of an object with their masks."""
    kinds = [view.kind for view in file.record.views]
    chosen = [index for index, kind in enumerate(kinds) if kind == "free"][:count]
    views = []
    for index in chosen:
        image = file.read_color(index).astype(np.float32) / 255
        views.append(View(image, file.record.views[index].camera))
    return views


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--heads", type=Path)
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--split", default="validation")
    arguments = parser.parse_args()

    confusions = {name: {} for name in VIEWS}
    places = split_locations(arguments.sets, arguments.split)
    step = max(1, len(places) // arguments.limit)
    used = 0
    for place in places[::step]:
        file = place.open_object()
        record = file.record
        if record.parts_from != "procedural":
            continue
        shape = file.read_shape()
        obj = make_object(record.family, int(record.source.rpartition(":")[2]))
        mesh = joined_mesh(obj)
        points = shape.surface[:512]
        faces = nearest_faces(points, mesh)
        truth = [part_group(record.parts[i - 1], record.family) for i in shape.surface_part[:512]]
        used += 1
        for name, count in VIEWS.items():
            parts = run_to_end(label_surface(mesh, free_views(file, count), arguments.heads))
            for true, face in zip(truth, faces, strict=True):
                group = parts.groups[face]
                said = parts.names[group] if group >= 0 else ""
                key = (true, said)
                confusions[name][key] = confusions[name].get(key, 0) + 1

    print(f"{used} objects")
    for name, confusion in confusions.items():
        total = sum(confusion.values())
        right = sum(count for (true, said), count in confusion.items() if true == said)
        ious = []
        for group in {true for true, _ in confusion}:
            overlap = confusion.get((group, group), 0)
            union = sum(count for key, count in confusion.items() if group in key)
            ious.append(overlap / union)
        print(f"{name}: accuracy {right / total:.3f}, mean IoU {np.mean(ious):.3f}")


if __name__ == "__main__":
    main()
