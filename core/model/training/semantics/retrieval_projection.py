"""Fits the projection of the trunk's features by which libraries are searched, in closed form.

Images of one object differ by view, light and drawing. Where the features differ by these most,
they tell least of the object, so they are whitened by their covariance within objects (within-class
covariance normalization, Hatch, Kajarekar and Stolcke 2006, as speaker recognition does; here with
shrinkage), and of what is left the directions are kept along which objects differ most. No
gradients are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....dataset.index import ObjectLocation
from ....jobs.task import Progress, Task
from ...evaluation.evaluate import sample_objects
from ...inference.meaning.embedding import RETRIEVAL, Embedder, embed_renders, load_embedder
from ...inference.meaning.semantics import load_trunk
from ...inference.meaning_weights import save_part
from ...stylization import line_art

DIMENSIONS = 192  # of the vectors
_MOST_OBJECTS = 900  # more gain little
_DRAWINGS = 2  # views of each object that are added as drawings
_SHRINKAGE = 0.1  # share of the mean variance that is added to all directions

Floats = NDArray[np.floating[Any]]


def fit_to_sets(datasets: Sequence[Path], target: Path) -> Task[Path]:
    """Fit the projection and write it; see ``jobs.embedding.fit_projection``."""
    embedder = load_embedder("")
    rng = np.random.default_rng(0)
    locations = sample_objects(datasets, "train", _MOST_OBJECTS)
    groups = []
    for position, location in enumerate(locations):
        yield Progress(position / len(locations), location.name)
        groups.append(_object_features(location, embedder, rng))

    # The part names the trunk that it belongs to.
    mean, matrix = fit_projection(groups)
    state = {"mean": torch.from_numpy(mean), "matrix": torch.from_numpy(matrix)}
    config = {"trunk": load_trunk().fingerprint(), "objects": len(groups)}
    save_part(target, RETRIEVAL, config, state)

    return target


def fit_projection(groups: Sequence[Floats]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean (F,) and matrix (F, D) of a projection.

    Args:
        groups: For each object the features (V, F) of its images.
    """
    features = np.concatenate(groups).astype(float)
    mean = features.mean(axis=0)
    within = np.concatenate([group - group.mean(axis=0) for group in groups]).astype(float)

    # Whiten what differs within objects.
    covariance = within.T @ within / len(within)
    floor = _SHRINKAGE * np.trace(covariance) / len(covariance)
    identity = np.eye(len(covariance))
    variances, axes = np.linalg.eigh(covariance + floor * identity)
    whitening = axes / np.sqrt(variances)

    # Keep the directions of the greatest variance, the last ones of ascending order.
    whitened = (features - mean) @ whitening
    _, directions = np.linalg.eigh(whitened.T @ whitened)
    kept = directions[:, ::-1][:, :DIMENSIONS]
    matrix = whitening @ kept
    matrix /= np.abs(matrix).max()  # stored in half precision

    return mean.astype(np.float32), np.ascontiguousarray(matrix, np.float32)


def _object_features(
    location: ObjectLocation, embedder: Embedder, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the features (V, F) of the views of an object, and of drawings of some of them."""
    file = location.open_object()
    count = len(file.record.views)
    images = [file.read_color(view) for view in range(count)]

    # Drawings of some views, so that what a drawing changes counts little.
    for view in rng.choice(count, min(_DRAWINGS, count), replace=False):
        images.append(line_drawing(images[view], rng))

    features = [embed_renders(embedder, image[None]) for image in images]
    return np.concatenate(features)


def line_drawing(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image (S, S, 4) as a line drawing with the same mask."""
    floats = image.astype(np.float32).transpose(2, 0, 1) / 255
    drawing = line_art(floats, rng).transpose(1, 2, 0) * 255
    return np.concatenate((drawing.astype(np.uint8), image[..., 3:]), axis=2)
