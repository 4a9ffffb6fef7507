"""How well hidden halves are completed, beside the mirrored half and the nearest training shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....geometry.shape_cube.box import ShapeBox
from ....geometry.shape_cube.distances import surface_points
from ....geometry.shape_cube.splatting import cell_centers
from ....jobs.task import Progress, Task, run_to_end
from ...inference.shapes.shape_completion import (
    KnownSurface,
    add_mirror_image,
    complete_surface,
    with_known,
)
from ...inference.shapes.shape_space import ShapeSpace
from ...metrics import nearest_distance
from .rivals import Rivals
from .store import ShapeStore, StoredShape
from .validation import hidden_half, mirrored_half

_POINTS = 4096
_THRESHOLD = 0.02  # of the F-score, in longest sides


def score_completion(
    space: ShapeSpace, rivals: Rivals, store: ShapeStore, shapes: Sequence[StoredShape]
) -> Task[dict[str, float]]:
    """Return the mean F-score at 2 % of the hidden back half, of the shape space and its rivals.

    Args:
        space: to complete in.
        rivals: see ``rivals.fit_rivals``.
        store: of the shapes.
        shapes: to complete.
    """
    hidden = hidden_half()
    scores: dict[str, list[float]] = {"completed": [], "encoded": [], "mirror": [], "nearest": []}
    for index, shape in enumerate(shapes):
        yield Progress(index / len(shapes), "Completing halves")
        field = store.field(shape)
        surface = front_half(store, shape)

        # The guess alone, and the code that is fitted to all that is known.
        first = space.encode_points(surface.points, surface.normals, surface.known)
        completable = add_mirror_image(space, surface)
        code = run_to_end(complete_surface(space, completable))
        answers = {
            "completed": with_known(space.decode(code.latent), completable),
            "encoded": space.decode(first),
            "mirror": mirrored_half(field),
            "nearest": store.field(rivals.nearest(field, ~hidden)),
        }

        # All are judged by the half that none of them was shown.
        for name, answer in answers.items():
            scores[name].append(_hidden_f_score(answer, field, np.array(shape.size)))

    return {f"{name}_hidden_f2": float(np.mean(values)) for name, values in scores.items()}


def front_half(store: ShapeStore, shape: StoredShape) -> KnownSurface:
    """Return what is known of a shape whose back half is hidden."""
    points, normals = store.surface(shape)

    # The front is where y is negative.
    kept = points[:, 1] < 0
    known = cell_centers()[..., 1] < 0
    box = ShapeBox(np.zeros(3), np.array(shape.size, float))
    return KnownSurface(points[kept], normals[kept], known, box)


def _hidden_f_score(
    answer: NDArray[np.float32], field: NDArray[np.float32], size: NDArray[np.float64]
) -> float:
    """Return the F-score of the surface behind the middle.

    Args:
        answer: (64, 64, 64).
        field: (64, 64, 64), the true one.
        size: (3,) sides of the box in longest sides.
    """
    rng = np.random.default_rng(0)
    points = _behind(answer, size, rng)
    true_points = _behind(field, size, rng)

    # Where one of the two has no surface there, they agree only if neither has.
    if not len(points) or not len(true_points):
        return float(len(points) == len(true_points))

    to_truth, _ = nearest_distance(points, true_points)
    from_truth, _ = nearest_distance(true_points, points)
    precision = (to_truth < _THRESHOLD).mean()
    recall = (from_truth < _THRESHOLD).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _behind(
    field: NDArray[np.float32], size: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return surface points (P, 3) behind the middle, in longest sides."""
    # About half of all points are behind the middle.
    points, _ = surface_points(field, 2 * _POINTS, rng)
    return (points[points[:, 1] > 0] * size).astype(np.float32)
