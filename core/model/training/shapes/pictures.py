"""One picture of what the shape space does: shapes between others, completions, made shapes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....arrays import MeshArrays
from ....errors import MeshError
from ....geometry.shaded_picture import shaded_picture
from ....geometry.shape_cube.box import ShapeBox
from ....imaging.contact_sheet import Row, write_contact_sheet
from ....jobs.task import Progress, Task, run_to_end
from ...inference.shapes.shape_completion import (
    add_mirror_image,
    complete_surface,
    completed_mesh,
)
from ...inference.shapes.shape_generator import ShapeGenerator
from ...inference.shapes.shape_space import (
    POINT_COUNT,
    ShapeCode,
    ShapeSpace,
    blend_codes,
    mesh_of_code,
    mesh_of_field,
    vary_code,
)
from ...shape_classes import SHAPE_CLASSES, class_index
from ..objects import evenly_spaced
from .completion_scores import front_half
from .generator_scores import ShapeSet, shape_set
from .store import ShapeStore, StoredShape

_PIXELS = 128
_BETWEEN = (0.17, 0.33, 0.5, 0.67, 0.83)
_STRENGTHS = (0.15, 0.3, 0.5)
_MADE = 5  # shapes of a class
_COLUMNS = 7  # of the sheet

Picture = NDArray[np.float32]


def draw_shape_space(
    path: Path,
    space: ShapeSpace,
    store: ShapeStore,
    shapes: Sequence[StoredShape],
) -> Task[None]:
    """Draw rows of shapes between others, variations and completions to an image file.

    Args:
        path: to write.
        space: the shape space.
        store: of the shapes.
        shapes: that were not trained on; some of them are drawn.

    Raises:
        OutputError: the file cannot be written.
    """
    named = [shape for shape in shapes if not shape.name.startswith("random")]
    chosen = evenly_spaced(named, 12)
    rows: list[Row] = []

    # Pairs of shapes and what is between them, then variations, then completions.
    for index in range(0, 8, 2):
        yield Progress(index / 16, "Drawing")
        rows.append(_between(space, store, chosen[index], chosen[index + 1]))
    for shape in chosen[8:10]:
        rows.append(_variations(space, store, shape))
    for index, shape in enumerate(chosen[:6]):
        yield Progress(0.5 + index / 12, "Drawing")
        rows.append(_completion(space, store, shape))
    write_contact_sheet(path, rows, _PIXELS, 2)


def draw_generator(
    path: Path, space: ShapeSpace, generator: ShapeGenerator, store: ShapeStore
) -> Task[None]:
    """Draw made shapes of each class, each above its nearest training shape, to an image file.

    Args:
        path: to write.
        space: the shape space.
        generator: to draw.
        store: of the training shapes.

    Raises:
        OutputError: the file cannot be written.
    """
    rows: list[Row] = []
    training = store.of_split("train")
    for label, (name, _) in enumerate(SHAPE_CLASSES.values()):
        yield Progress(label / len(SHAPE_CLASSES), "Drawing")

        # Nearest shapes are looked for within the class.
        members = [shape for shape in training if class_index(shape.family) == label]
        known = shape_set(
            [store.field(shape) for shape in members],
            [np.array(shape.size) for shape in members],
        )
        codes = generator.codes(label, _MADE, 0)
        rows += _made(space, store, codes, (name, members, known))

    write_contact_sheet(path, rows, _PIXELS, 2)


def picture(mesh: MeshArrays | None) -> Picture:
    """Return a shaded picture (H, W, 4) of a mesh from the front right; empty without a mesh."""
    if mesh is None:
        return np.zeros((_PIXELS, _PIXELS, 4), np.float32)
    return shaded_picture(mesh, _PIXELS)


def _between(space: ShapeSpace, store: ShapeStore, first: StoredShape, second: StoredShape) -> Row:
    """Return a row: a shape, what is between, and another shape."""
    start = _code(space, store, first)
    end = _code(space, store, second)

    meshes: list[MeshArrays | None] = [_true_mesh(store, first)]
    for share in _BETWEEN:
        code = blend_codes(start, end, share)
        meshes.append(_mesh(space, code))
    meshes.append(_true_mesh(store, second))

    images = [picture(mesh) for mesh in meshes]
    return f"{first.name} to {second.name}", images


def _variations(space: ShapeSpace, store: ShapeStore, shape: StoredShape) -> Row:
    """Return a row: a shape, its reconstruction, and stronger and stronger variations."""
    code = _code(space, store, shape)

    # Two seeds at each strength.
    meshes: list[MeshArrays | None] = [_true_mesh(store, shape), _mesh(space, code)]
    for strength in _STRENGTHS:
        for seed in (0, 1):
            varied = vary_code(space, code, strength, seed)
            meshes.append(_mesh(space, varied))

    images = [picture(mesh) for mesh in meshes[:_COLUMNS]]
    return f"{shape.name}: reconstructed, varied", images


def _completion(space: ShapeSpace, store: ShapeStore, shape: StoredShape) -> Row:
    """Return a row: a shape from the front and the back, and its front half completed."""
    surface = add_mirror_image(space, front_half(store, shape))
    code = run_to_end(complete_surface(space, surface))
    true = _true_mesh(store, shape)

    try:
        completed: MeshArrays | None = completed_mesh(space, surface, code)
    except MeshError:
        completed = None

    images = [picture(true), picture(completed), picture(_turned(true))]
    images.append(picture(_turned(completed) if completed is not None else None))
    return f"{shape.name}: true, completed front half, both from behind", images


def _made(
    space: ShapeSpace,
    store: ShapeStore,
    codes: Sequence[ShapeCode],
    known: tuple[str, Sequence[StoredShape], ShapeSet],
) -> list[Row]:
    """Return two rows: made shapes, and the nearest training shape of each.

    Args:
        space: the shape space.
        store: of the training shapes.
        codes: of the made shapes.
        known: name of the class, its training shapes, and the same to compare with.
    """
    name, members, training = known

    # The nearest training shape of each.
    fields = [space.decode(code.latent) for code in codes]
    sizes = [code.box.size for code in codes]
    made = shape_set(fields, sizes)
    nearest = made.chamfer(training).argmin(1)

    made_images = [picture(_mesh(space, code)) for code in codes]
    nearest_images = []
    for index in nearest:
        mesh = _true_mesh(store, members[index])
        nearest_images.append(picture(mesh))
    return [(name, made_images), ("nearest training shapes", nearest_images)]


def _code(space: ShapeSpace, store: ShapeStore, shape: StoredShape) -> ShapeCode:
    """Return the code of a stored shape."""
    points, normals = store.surface(shape)
    latent = space.encode_points(points[:POINT_COUNT], normals[:POINT_COUNT])
    return ShapeCode(latent, _box(shape))


def _mesh(space: ShapeSpace, code: ShapeCode) -> MeshArrays | None:
    """Return the mesh of a code; None if it has no surface."""
    try:
        return mesh_of_code(space, code)
    except MeshError:
        return None


def _true_mesh(store: ShapeStore, shape: StoredShape) -> MeshArrays:
    """Return the mesh of a stored shape's own field."""
    return mesh_of_field(store.field(shape), _box(shape))


def _box(shape: StoredShape) -> ShapeBox:
    return ShapeBox(np.zeros(3), np.array(shape.size, float))


def _turned(mesh: MeshArrays) -> MeshArrays:
    """Return a mesh turned half around the vertical axis."""
    vertices = mesh.vertices * np.array((-1, -1, 1), np.float32)
    return MeshArrays(vertices, mesh.faces)
