"""Vectors by which libraries are searched: alike for images of one object.

They are pooled features of the trunk, which were trained for reconstruction, projected so that
what differs among images of one object counts little (see ``training.semantics``); or
those of a head that was trained for it; or, where the weights of meaning have neither, the features
as they are, which find less. The bundled weights count, not those in the preferences, so that an
index outlives a change of these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import WeightsError
from ....library.records import EmbeddingInfo
from ....library.search import Query
from ....resources import MEANING_WEIGHTS
from ...networks.image_trunk import SIDE
from ..meaning_weights import HEADS, load_part
from . import appearance
from .semantics import embed_images, load_trunk, trunk_features, window_image

Pixels = NDArray[np.float32]

_CLEAR = 128  # alpha, of 255, that an image must have somewhere to show an object
RETRIEVAL = "retrieval"  # part of the weights of meaning
_SHORTEST = 1e-9  # vector that has a direction
_DIGEST_LENGTH = 12  # hexadecimal digits
# Names and versions of the features without a head, and of what is added to all vectors.
_TRUNK_FEATURES = "features 1"
_APPEARANCE = "appearance 1"


@dataclass(frozen=True)
class Embedder:
    """Makes the vectors.

    Attributes:
        info: Name, version and length of the vectors.
        embed: Returns unit vectors (B, D) of windows (B, 4, 128, 128), sRGB and mask in 0..1.
        has_appearance: Whether they end with the appearance, see :func:`with_appearance`.
    """

    info: EmbeddingInfo
    embed: Callable[[Pixels], NDArray[np.float32]]
    has_appearance: bool = False


def load_embedder(part: str) -> Embedder:
    """Return what makes the vectors now.

    Args:
        part: Of the weights of meaning: ``RETRIEVAL`` or ``HEADS``; empty for the features alone.

    Raises:
        WeightsError: The weights are missing or damaged, or of another trunk.
    """
    stamp = (0, 0)
    if part:
        status = MEANING_WEIGHTS.stat()
        stamp = (status.st_mtime_ns, status.st_size)
    return _load_cached(part, stamp)


@lru_cache(maxsize=1)
def _load_cached(part: str, stamp: tuple[int, int]) -> Embedder:
    """Load the embedder; ``stamp`` is time and size of the weights of meaning."""
    embed: Callable[[Pixels], NDArray[np.float32]] = trunk_features
    version = f"{_TRUNK_FEATURES} {load_trunk().fingerprint()}"
    if part == RETRIEVAL:
        embed = _projected_features()
        version = f"projection {_digest(part)}"
    elif part == HEADS:
        embed = embed_images
        version = f"head {_digest(part)}"

    # How long vectors are is found by making one.
    blank = np.zeros((1, 4, SIDE, SIDE), np.float32)
    dimensions = embed(blank).shape[1]
    return Embedder(EmbeddingInfo(version, dimensions), embed)


def with_appearance(embedder: Embedder) -> Embedder:
    """Return an embedder whose vectors also hold the appearance of the object."""

    def embed(windows: Pixels) -> NDArray[np.float32]:
        return appearance.add_appearance(embedder.embed(windows), windows)

    version = f"{embedder.info.version}, {_APPEARANCE}"
    info = EmbeddingInfo(version, embedder.info.dimensions + appearance.COUNT)
    return Embedder(info, embed, has_appearance=True)


def _projected_features() -> Callable[[Pixels], NDArray[np.float32]]:
    """Return the function that embeds by projected features.

    Raises:
        WeightsError: The projection was fitted to another trunk, or is damaged.
    """
    config, state = load_part(RETRIEVAL)
    if config.get("trunk") != load_trunk().fingerprint() or not {"mean", "matrix"} <= state.keys():
        raise WeightsError(
            "The projection for the search in libraries does not belong to these weights. "
            "Reinstall Maquette, or fit it anew with maquette train --task projection"
        )

    mean = state["mean"].numpy()
    matrix = state["matrix"].numpy()

    def embed(windows: Pixels) -> NDArray[np.float32]:
        return project_features(trunk_features(windows), mean, matrix)

    return embed


def project_features(
    features: NDArray[np.float32], mean: NDArray[np.float32], matrix: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return unit vectors (B, D) of features (B, F).

    Args:
        features: Of the trunk.
        mean: (F,) of the features of many images.
        matrix: (F, D).
    """
    projected = (features - mean) @ matrix
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    unit: NDArray[np.float32] = projected / np.maximum(lengths, _SHORTEST)
    return unit


def _digest(part: str) -> str:
    """Return a checksum of a part of the weights of meaning."""
    config, state = load_part(part)
    total = hashlib.sha256(json.dumps(config, sort_keys=True).encode())

    # The numbers as they are stored, in half precision.
    for value in state.values():
        total.update(value.half().numpy().tobytes())
    return total.hexdigest()[:_DIGEST_LENGTH]


def embed_renders(embedder: Embedder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return unit vectors (B, D) of rendered views; zeros where a view shows nothing.

    Args:
        embedder: What makes the vectors.
        images: (B, S, S, 4) uint8, sRGB with straight alpha.
    """
    vectors = np.zeros((len(images), embedder.info.dimensions), np.float32)

    # A view from which nothing is seen, as of a sheet from its edge, has no window.
    shown = np.flatnonzero((images[..., 3] >= _CLEAR).any(axis=(1, 2)))
    if not len(shown):
        return vectors

    windows = []
    for row in shown:
        image = _as_floats(images[row])
        windows.append(window_image(image))
    vectors[shown] = embedder.embed(_channels_first(windows))
    return vectors


def embed_cut_out(embedder: Embedder, image: Pixels, is_drawing: bool = False) -> Query:
    """Return the query for an image whose alpha (H, W, 4) is the object's mask.

    Args:
        embedder: What makes the vectors.
        image: The image.
        is_drawing: Whether its colors say nothing.

    Raises:
        ImageError: The mask is empty.
    """
    window = window_image(image)
    vectors = embedder.embed(_channels_first([window]))
    if is_drawing and embedder.has_appearance:
        vectors = appearance.without_appearance(vectors)
    return Query(vectors, embedder.info.version)


def _as_floats(image: NDArray[np.uint8]) -> Pixels:
    floats: Pixels = image.astype(np.float32) / 255
    return floats


def _channels_first(windows: Sequence[NDArray[Any]]) -> Pixels:
    """Return windows (S, S, 4) as one array (B, 4, S, S)."""
    return np.ascontiguousarray(np.stack(windows).transpose(0, 3, 1, 2))
