"""Where the objects of a training set come from: the scene, mesh files, or generators."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from ... import procedural
from ...dataset import splits
from ...dataset.names import distinct_names
from ...errors import DatasetError, SceneError
from ...jobs.task import Task
from ..evaluation.units import meters_per_unit
from ..importing import mesh_import
from ..procedural_objects import add_object
from .class_labels import class_of
from .mesh_files import MeshFile
from .object_parts import FaceParts, face_parts_of

# Mesh files that users may expect to be rendered, too.
_UNSUPPORTED = (".fbx", ".usd", ".usda", ".usdc", ".usdz", ".dae", ".abc", ".3ds", ".3mf", ".off")


def _no_preparation() -> Task[None]:
    """Return a task without a step."""
    yield from ()


@dataclass(frozen=True)
class ObjectSource:
    """One object of a set that is still to be rendered.

    Attributes:
        name: Of the object in the set.
        origin: Where it comes from, for its record.
        family: Its category.
        open: Returns a context with Blender's objects, which exist while it is active.
        more: Returns further fields of its record as JSON; called when it is rendered.
        prepare: Returns the task to run before ``open``, which raises MeshError if the object
            cannot be used.
        notes: Returns what the user should know about it, one sentence each; called when it is
            rendered.
        path: Its mesh file; None if it has none.
        unit: Meters of a unit of length of Blender's objects.
        face_parts: Returns the parts of the faces of its only mesh; None if nothing but the mesh
            itself tells them.
    """

    name: str
    origin: str
    family: str
    open: Callable[[], AbstractContextManager[Sequence[bpy.types.Object]]] = field(repr=False)
    more: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)
    prepare: Callable[[], Task[None]] = field(default=_no_preparation, repr=False)
    notes: Callable[[], Sequence[str]] = field(default=list, repr=False)
    path: Path | None = None
    unit: float = 1.0
    face_parts: Callable[[], FaceParts] | None = field(default=None, repr=False)


def scene_sources(
    objects: Sequence[bpy.types.Object],
    classes_from: str = 'PROPERTY',
    class_property: str = "maquette_family",
) -> list[ObjectSource]:
    """Return each mesh object as one object of the set, with its children.

    Args:
        objects: Those without a mesh are skipped.
        classes_from: The argument ``by`` of ``class_labels.class_of``.
        class_property: The argument ``name`` of it.

    Raises:
        SceneError: There is no mesh object.
    """
    mesh_objects = [obj for obj in objects if obj.type == 'MESH']
    if not mesh_objects:
        raise SceneError("No mesh object to render. Select one, or choose another source")

    names = distinct_names({obj.name_full: obj.name for obj in mesh_objects})
    unit = meters_per_unit(bpy.context.scene)
    sources = []

    for obj in mesh_objects:
        source = ObjectSource(
            name=names[obj.name_full],
            origin=f"scene:{obj.name}",
            family=class_of(obj, None, classes_from, class_property),
            open=partial(_object_with_children, obj),
            unit=unit,
        )
        sources.append(source)

    return sources


def file_sources(folder: Path) -> list[ObjectSource]:
    """Return each mesh file under ``folder`` as one object.

    Its category is the name of the folder that it is in.

    Raises:
        DatasetError: There is no mesh file.
    """
    paths = _files_below(folder, mesh_import.SUFFIXES)
    if not paths:
        raise DatasetError(f"{folder} contains no mesh files ({', '.join(mesh_import.SUFFIXES)})")

    # Named by the path within the folder, without the suffix.
    preferred_names = {}
    for path in paths:
        relative = path.relative_to(folder)
        preferred_names[relative.as_posix()] = relative.with_suffix("").as_posix()
    names = distinct_names(preferred_names)

    sources = []
    for path in paths:
        mesh_file = MeshFile(path, folder)
        source = ObjectSource(
            name=names[path.relative_to(folder).as_posix()],
            origin=_as_text(path.name),
            family=_as_text(path.parent.name),
            open=mesh_file.open,
            more=mesh_file.more,
            prepare=mesh_file.check,
            notes=mesh_file.notes,
            path=path,
        )
        sources.append(source)

    return sources


def left_out_text(folder: Path) -> str:
    """Return how many mesh files under ``folder`` are of kinds that are not supported; "" if none.

    Such as "3 files of other kinds are left out: .fbx (2), .usd (1)".
    """
    counts = Counter(path.suffix.lower() for path in _files_below(folder, _UNSUPPORTED))
    if not counts:
        return ""
    kinds = ", ".join(f"{suffix} ({count})" for suffix, count in sorted(counts.items()))
    return f"{counts.total()} files of other kinds are left out: {kinds}"


def _files_below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return all under ``folder`` that is no folder and has one of ``suffixes``, sorted.

    Folders that cannot be read are passed over.
    """
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if Path(name).suffix.lower() in suffixes
    )


def _as_text(name: str) -> str:
    """Return the name of a file as text that can be stored, also if it is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def procedural_sources(families: Sequence[str], count: int, seed: int) -> list[ObjectSource]:
    """Return ``count`` generated objects, of the families in turn.

    Args:
        families: Names of generators.
        count: Of objects.
        seed: Of the first object of each family; those of the others follow.
    """
    sources = []
    for index in range(count):
        family = families[index % len(families)]

        # A family gets the next seed each time that its turn comes.
        object_seed = seed + index // len(families)
        source = ObjectSource(
            name=f"procedural__{family}_{object_seed:06d}",
            origin=f"procedural:{family}:{object_seed}",
            family=family,
            open=partial(_procedural_object, family, object_seed),
            more=partial(_procedural_draws, family, object_seed),
            face_parts=partial(_procedural_parts, family, object_seed),
        )
        sources.append(source)

    return sources


def subset(sources: Sequence[ObjectSource], count: int | None) -> list[ObjectSource]:
    """Return a random subset that is always the same.

    A larger subset contains a smaller one. The order differs from that of the splits, else a small
    subset would be of one split.

    Args:
        sources: To choose from.
        count: How many; None for all.
    """
    return sorted(sources, key=lambda source: splits.hash_key(f"drawn {source.name}"))[:count]


def _object_with_children(
    obj: bpy.types.Object,
) -> AbstractContextManager[Sequence[bpy.types.Object]]:
    """Return a context with ``obj`` and all below it."""
    return nullcontext([obj, *obj.children_recursive])


@contextmanager
def _procedural_object(family: str, seed: int) -> Iterator[Sequence[bpy.types.Object]]:
    """Yield a generated object in the current scene; it is removed on exit."""
    generated = procedural.make_object(family, seed)
    collection = bpy.context.scene.collection
    with mesh_import.detached_objects(lambda: add_object(collection, generated)) as obj:
        yield [obj]


def _procedural_draws(family: str, seed: int) -> dict[str, Any]:
    """Return [address, value] of all random values of a generated object, for its record."""
    generated = procedural.make_object(family, seed)
    return {"draws": [[draw.address, draw.value] for draw in generated.draws]}


def _procedural_parts(family: str, seed: int) -> FaceParts:
    """Return the parts of the faces of a generated object, by the labels of its solids."""
    solids = procedural.make_object(family, seed).parts
    return face_parts_of(
        [solid.label for solid in solids], [len(solid.mesh.faces) for solid in solids]
    )
