"""Entry points of the search in libraries that may run in a worker; torch is imported there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...imaging import image_files
from ...jobs import dependencies
from ...jobs.task import Progress, Task, subtask
from ...library.records import EmbeddingInfo
from ...library.search import Query
from .meaning import has_part

if TYPE_CHECKING:
    from ..inference.meaning.embedding import Embedder

Pixels = NDArray[np.float32]

# Parts of the weights of meaning that make vectors, best first: tests/benchmarks/library_recall.py.
_PARTS = ("retrieval", "heads")
_BATCH = 48  # views that are embedded in one step, so that a stop does not wait for long
_WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class ImageQuery:
    """An image to search for.

    Attributes:
        image: An image file, or pixels (H, W, 4) sRGB in 0..1 with straight alpha.
        region: Left, top, right and bottom of the part that counts, in shares of width and height.
        is_drawing: Whether it is a drawing: all within its outline is the object, and its colors
            say nothing.
    """

    image: Path | Pixels
    region: tuple[float, float, float, float] = _WHOLE
    is_drawing: bool = False


def describe_embedding() -> Task[EmbeddingInfo]:
    """Return what makes the vectors now.

    Raises:
        WeightsError: The weights are missing or damaged.
        DependencyError: A package is missing.
    """
    embedder = yield from _load_embedder()
    return embedder.info


def embed_views(images: NDArray[np.uint8]) -> Task[NDArray[np.float32]]:
    """Return unit vectors (B, D) of rendered views.

    Args:
        images: (B, S, S, 4) uint8, sRGB with straight alpha.

    Raises:
        WeightsError: The weights are missing or damaged.
        DependencyError: A package is missing.
    """
    embedder = yield from _load_embedder()
    from ..inference.meaning.embedding import embed_renders

    vectors = [np.zeros((0, embedder.info.dimensions), np.float32)]
    for start in range(0, len(images), _BATCH):
        yield Progress(start / len(images), "Embedding")
        vectors.append(embed_renders(embedder, images[start : start + _BATCH]))
    return np.concatenate(vectors)


def embed_mesh(images: NDArray[np.uint8]) -> Task[Query]:
    """Return the query for the twelve views of a mesh; see :func:`embed_views`."""
    vectors = yield from embed_views(images)
    embedder = yield from _load_embedder()
    return Query(vectors, embedder.info.version, is_mesh=True)


def embed_image(query: ImageQuery) -> Task[Query]:
    """Cut the object out of an image, and return the query for it.

    Raises:
        ImageError: The image cannot be read, the region is empty, or no object was found.
        WeightsError: The weights are missing or damaged.
        DependencyError: A package is missing.
    """
    yield Progress(0.0, "Reading")
    image = query.image
    pixels = image_files.read_image(image) if isinstance(image, Path) else image
    pixels = crop_region(pixels, query.region)
    embedder = yield from _load_embedder()
    from ..inference.foreground import segment_foreground
    from ..inference.meaning.embedding import embed_cut_out
    from ..inference.weights import load_weights

    _, network = load_weights()
    cutting = segment_foreground(pixels, network, keep_holes=not query.is_drawing)
    cut_out = yield from subtask(cutting, 0.2, 0.9)
    yield Progress(0.9, "Embedding")

    return embed_cut_out(embedder, cut_out, query.is_drawing)


def fit_projection(datasets: Sequence[Path], target: Path) -> Task[Path]:
    """Fit the projection of the features to training sets, and write it into weights of meaning.

    Args:
        datasets: Training sets, of which the split "train" counts.
        target: File of weights; its other parts are kept.

    Returns:
        ``target``.

    Raises:
        DatasetError: A set is missing or damaged, or has no training objects.
        OutputError: ``target`` cannot be written.
        DependencyError: A package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..training.semantics import retrieval_projection

    return (yield from retrieval_projection.fit_to_sets(datasets, target))


def crop_region(pixels: Pixels, region: tuple[float, float, float, float]) -> Pixels:
    """Return a part of an image (H, W, 4).

    Args:
        pixels: The image.
        region: Left, top, right and bottom, in shares of width and height.

    Raises:
        ImageError: The region is empty, or smaller than an image may be.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = region
    first_column = round(max(left, 0.0) * width)
    first_row = round(max(top, 0.0) * height)
    end_column = round(min(right, 1.0) * width)
    end_row = round(min(bottom, 1.0) * height)
    smallest = min(end_column - first_column, end_row - first_row)

    if smallest < image_files.MIN_SIDE:
        raise ImageError(
            f"The region of the image is smaller than {image_files.MIN_SIDE} pixels. Make it larger"
        )

    return pixels[first_row:end_row, first_column:end_column]


def _load_embedder() -> Task[Embedder]:
    """Check the packages and load the network."""
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference.meaning import embedding

    available = [part for part in _PARTS if has_part(part)]
    embedder = embedding.load_embedder(available[0] if available else "")
    return embedding.with_appearance(embedder)
