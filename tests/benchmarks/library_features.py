"""What the rivals of a library's search see of an image, computed once and kept.

The trunk is frozen, and all that is searched by reads few of its numbers: the map of stride 32, the
means of two finer ones, and the mask in 4 x 4 cells. They are kept for each object, so that heads
and projections are compared without running the trunk again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from maquette.core.atomic_files import make_folder
from maquette.core.dataset.index import ObjectLocation
from maquette.core.errors import ImageError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.foreground import segment_foreground
from maquette.core.model.inference.meaning import appearance
from maquette.core.model.inference.meaning.embedding import RETRIEVAL, project_features
from maquette.core.model.inference.meaning.semantics import load_heads, load_trunk, window_image
from maquette.core.model.inference.meaning_weights import load_part
from maquette.core.model.inference.weights import load_weights
from maquette.core.model.networks.image_trunk import TrunkMaps, masked_mean, pooled_features
from maquette.core.model.photo_compositing import (
    CutoutConfig,
    composite_on_background,
    cut_out,
    panorama_background,
)
from maquette.core.model.training.semantics.retrieval_projection import line_drawing
from torch.nn import functional as F

VIEWS = 12  # of an object: six sides, and six free ones
KINDS = ("renders", "drawings", "photographs, true mask", "photographs, found mask")

_GRAY_SIDE = 32  # pixels of the rival that compares pixels
_LEVELS = 6  # of each channel of the rival that compares colors
_VISIBLE = 127  # alpha above which a pixel shows the object

# Of a photograph: the object is seen completely, and not mirrored.
_PLACED = CutoutConfig(smallest=0.5, largest=0.9, oversized_odds=0.0, mirror_odds=0.0)


@dataclass(frozen=True)
class Summaries:
    """What is kept of the images of an object.

    Attributes:
        maps: Of the trunk; the finer ones are means over the object, as maps of one cell.
        masks: (B, 1, 4, 4) share of the object in each cell.
        pixels: (B, F) of the rival that compares pixels.
        colors: (B, F) of the rival that compares colors.
        is_shown: (B,) whether an image shows an object at all.
    """

    maps: TrunkMaps
    masks: torch.Tensor
    pixels: np.ndarray
    colors: np.ndarray
    is_shown: np.ndarray


def object_summaries(location: ObjectLocation, panoramas: list, cache: Path) -> Summaries | None:
    """Return what is kept of an object; None if it has other than twelve views.

    Args:
        location: Of the object.
        panoramas: Backgrounds of photographs; empty for an object that is not searched by.
        cache: Folder of what was computed before.
    """
    kind = "query" if panoramas else "library"
    path = cache / f"{location.path.parent.parent.name}__{location.name}__{kind}.npz"
    if not path.exists():
        images = _images(location, panoramas)
        if images is None:
            return None
        make_folder(cache)
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, **_summarize(images))
        unfinished.replace(path)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    tensors = {name: torch.from_numpy(array).float() for name, array in arrays.items()}
    maps = TrunkMaps(
        tensors["stride32"],
        tensors["stride16"][..., None, None],
        tensors["stride8"][..., None, None],
        torch.zeros(0),
    )
    pixels = arrays["pixels"].astype(np.float32)
    colors = arrays["colors"].astype(np.float32)
    return Summaries(maps, tensors["masks"], pixels, colors, arrays["is_shown"])


def rivals(heads: list[Path], projection: Path | None) -> dict:
    """Return functions by name that make unit vectors (B, D) of summaries.

    Args:
        heads: Files of weights of meaning with the part "heads".
        projection: One with the part "retrieval"; None for none.
    """
    features = {
        "pixels": lambda summaries: summaries.pixels,
        "colors": lambda summaries: summaries.colors,
        "trunk": _trunk_vectors,
    }
    if projection:
        _, state = load_part(RETRIEVAL, projection)
        mean = state["mean"].numpy()
        matrix = state["matrix"].numpy()
        features["projection"] = lambda summaries: project_features(
            _trunk_vectors(summaries), mean, matrix
        )
        features["projection + appearance"] = _with_appearance(features["projection"])
    for path in heads:
        _, network = load_heads(path)
        embed = _head_function(network)
        features[f"heads {path.stem}"] = embed
        features[f"heads {path.stem} + appearance"] = _with_appearance(embed)
    return features


def _with_appearance(embed):
    """Return the function that adds the appearance, as ``inference.meaning.appearance`` does.

    It is found in what is kept for the rivals: 3 levels are pairs of their 6, and 8 x 8 cells are
    4 x 4 of their pixels.
    """

    def embed_both(summaries: Summaries) -> np.ndarray:
        vectors = embed(summaries)
        count = len(vectors)
        shares = summaries.colors.reshape(count, 3, 2, 3, 2, 3, 2) ** 2
        colors = _normalized(np.sqrt(shares.sum((2, 4, 6)).reshape(count, -1)))
        gray = summaries.pixels.reshape(count, 2, 8, 4, 8, 4)[:, 0].mean((2, 4)).reshape(count, -1)
        pictures = _normalized(gray - gray.mean(1, keepdims=True))
        parts = (
            vectors,
            np.sqrt(appearance.COLOR_WEIGHT) * colors,
            np.sqrt(appearance.PICTURE_WEIGHT) * pictures,
        )
        joined = np.concatenate(parts, 1) / np.sqrt(appearance.TOTAL)
        if count > VIEWS:
            joined[VIEWS] = appearance.without_appearance(joined[VIEWS][None])[0]
        return joined

    return embed_both


def _head_function(network):
    """Return the function that embeds summaries by heads."""

    @torch.inference_mode()
    def embed(summaries: Summaries) -> np.ndarray:
        return network.embed(summaries.maps, summaries.masks).numpy()

    return embed


@torch.inference_mode()
def _trunk_vectors(summaries: Summaries) -> np.ndarray:
    return pooled_features(summaries.maps, summaries.masks).numpy()


def _images(location: ObjectLocation, panoramas: list) -> np.ndarray | None:
    """Return the views (12, S, S, 4) of an object, and what it is searched by besides them."""
    file = location.open_object()
    if len(file.record.views) != VIEWS:
        return None
    views = [file.read_color(view) for view in range(VIEWS)]
    if any(view.shape != views[0].shape for view in views):
        return None
    if panoramas:
        seed = int.from_bytes(location.name.encode()[-8:], "little")
        rng = np.random.default_rng(seed)
        drawing = line_drawing(views[-1], rng)
        views += [drawing, *photographs(views[-1], panoramas, rng)]
    return np.array(views)


def photographs(
    view: np.ndarray, panoramas: list, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (S, S, 4) of an object before a background, twice.

    Its alpha is the true mask, and the mask that the product finds, which may be empty.
    """
    size = len(view)
    if not (view[..., 3] > _VISIBLE).any():
        return view, view
    placed = cut_out(view, size, rng, _PLACED)
    background = panorama_background(panoramas, size, rng)
    photo, mask = composite_on_background(placed, background, rng)
    true = np.concatenate((photo, mask)).transpose(1, 2, 0).astype(np.float32)
    opaque = true.copy()
    opaque[..., 3] = 1.0
    _, network = load_weights()
    try:
        found = run_to_end(segment_foreground(opaque, network))
    except ImageError:
        found = opaque * np.array((1, 1, 1, 0), np.float32)
    return _as_bytes(true), _as_bytes(found)


def _as_bytes(image: np.ndarray) -> np.ndarray:
    return (image.clip(0, 1) * 255 + 0.5).astype(np.uint8)


@torch.inference_mode()
def _summarize(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of :class:`Summaries` of images (B, S, S, 4), in half precision."""
    is_shown = (images[..., 3] > _VISIBLE).any(axis=(1, 2))
    windows = np.zeros((len(images), 4, 128, 128), np.float32)
    for row in np.flatnonzero(is_shown):
        window = window_image(images[row].astype(np.float32) / 255)
        windows[row] = window.transpose(2, 0, 1)
    batch = torch.from_numpy(windows)
    masks = batch[:, 3:]
    maps = load_trunk()(batch)
    arrays = {
        "stride32": maps.stride32.numpy(),
        "stride16": masked_mean(maps.stride16, masks).numpy(),
        "stride8": masked_mean(maps.stride8, masks).numpy(),
        "masks": F.avg_pool2d(masks, 32).numpy(),
        "pixels": _pixel_features(batch),
        "colors": appearance.color_histograms(windows, _LEVELS),
    }
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    return {**halves, "is_shown": is_shown}


def _pixel_features(windows: torch.Tensor) -> np.ndarray:
    """Return unit vectors of small gray images and masks."""
    gray = windows[:, :3].mean(1, keepdim=True) * windows[:, 3:]
    joined = torch.cat((gray, windows[:, 3:]), 1)
    small = F.adaptive_avg_pool2d(joined, _GRAY_SIDE).flatten(1)
    return _normalized((small - small.mean(1, keepdim=True)).numpy())


def _normalized(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
