"""Mean IoU of the parts of surfaces that Label Parts finds, on objects of a set.

    python tests/benchmarks/surface_parts.py SET... --heads FILE --limit 60
    python tests/benchmarks/surface_parts.py SET... --meshes FOLDER --split test

The mesh is the generator's own, or with --meshes the artist's, so that the error of a
reconstruction does not count. Of each object the surface points of the set, whose parts are known,
take the part of the nearest face.
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
from maquette.core.model.training.semantics.part_words import group_of_name
from maquette.core.procedural import make_object
from maquette.core.procedural.object_families import family_of
from maquette.core.procedural.part_groups import part_group
from maquette.core.scene.importing.mesh_import import imported_objects, world_triangles

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


def object_mesh(record, folder):
    """The mesh of an object as it was rendered."""
    if record.parts_from == "procedural":
        return joined_mesh(make_object(record.family, int(record.source.rpartition(":")[2])))
    with imported_objects(folder / f"{record.name}.glb") as objects:
        return world_triangles(objects)


def group_names(record):
    """The group of each part of an object; None where it is not known."""
    if record.parts_from == "procedural":
        return [part_group(label, record.family) for label in record.parts]
    return [group_of_name(name, family_of(record)) for name in record.parts]


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
    parser.add_argument("--meshes", type=Path, help="judge meshes of this folder, not procedural")
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
        is_procedural = record.parts_from == "procedural"
        if not record.parts or is_procedural == bool(arguments.meshes):
            continue
        shape = file.read_shape()
        names = group_names(record)
        truth = [names[part - 1] for part in shape.surface_part[:512]]
        is_known = [is_procedural or group is not None for group in truth]
        truth = [group for group in truth if is_procedural or group is not None]
        if not truth:
            continue
        mesh = object_mesh(record, arguments.meshes)
        faces = nearest_faces(shape.surface[:512][is_known], mesh)
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
