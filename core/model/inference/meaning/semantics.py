"""What an image means: the family and the draws of a procedural object, its parts, an embedding.

The heads of ``networks.semantics`` on the trunk of the bundled weights. An image is prepared as
for reconstruction: a square window about the object, 1.1 times its longest visible side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....arrays import View
from ....errors import ImageError, WeightsError
from ....procedural.draw_targets import DrawTarget
from ....resources import BUNDLED_WEIGHTS, MEANING_WEIGHTS
from ...networks.image_trunk import SIDE, ImageTrunk, TrunkMaps, pooled_features
from ...networks.semantics import (
    SemanticHeads,
    SemanticsConfig,
    draw_indices,
    family_and_part_logits,
    known_margin,
)
from ..meaning_weights import HEADS, load_part
from ..preprocessing import assumed_camera, crop_view, median_filter
from ..weights import load_weights

Pixels = NDArray[np.float32]

MOST_FAMILIES = 3  # whose draws are predicted
_CHUNK = 64  # images that are embedded at once


@dataclass(frozen=True)
class DrawDistribution:
    """What the heads say of one draw.

    Attributes:
        target: The draw, its range and its classes.
        probabilities: (K,) of its bins or categories; they sum to 1.
    """

    target: DrawTarget
    probabilities: NDArray[np.float32]

    def most_likely(self) -> float:
        """Return the value in the middle of the most likely bin, or that category."""
        return self.target.value_of(int(self.probabilities.argmax()))

    def mean(self) -> float:
        """Return the expected value; of a category, the most likely one."""
        if self.target.is_category:
            return self.most_likely()
        values = [self.target.value_of(index) for index in range(len(self.probabilities))]
        return float(np.dot(values, self.probabilities))

    def sample(self, rng: np.random.Generator) -> float:
        """Return a value drawn from the distribution."""
        weights = self.probabilities.astype(float)
        index = int(rng.choice(len(weights), p=weights / weights.sum()))
        return self.target.value_of(index, float(rng.random()))


@dataclass(frozen=True)
class ImageMeaning:
    """What an image shows.

    Attributes:
        families: (name, probability) of all families, the most probable first; "other" is what no
            generator makes.
        is_known: Whether the image shows one of the families at all.
        draws: Of the three most probable families that have predicted draws, by their names.
        groups: Names of the groups of parts.
        parts: (64, 64, 1 + G) probability of the background and of each group at the pixels of
            the window.
        embedding: (E,) of unit length.
    """

    families: list[tuple[str, float]]
    is_known: bool
    draws: dict[str, tuple[DrawDistribution, ...]]
    groups: tuple[str, ...]
    parts: NDArray[np.float32]
    embedding: NDArray[np.float32]


def describe_image(
    image: Pixels, path: Path | None = None, trunk_weights: Path | None = None
) -> ImageMeaning:
    """Return what an image of unknown camera shows.

    Args:
        image: (H, W, 4) sRGB in 0..1, the mask of the object as alpha.
        path: Weights of the heads; None for the bundled ones.
        trunk_weights: Weights of reconstruction; None for the bundled ones.

    Raises:
        ImageError: The mask is empty.
        WeightsError: Weights are missing or damaged, or of other trunks.
    """
    return describe_window(window_image(image), path, trunk_weights)


def describe_window(
    window: Pixels, path: Path | None = None, trunk_weights: Path | None = None
) -> ImageMeaning:
    """Return what a window shows, see :func:`window_image` and :func:`describe_image`.

    Args:
        window: (128, 128, 4).
        path: Weights of the heads; None for the bundled ones.
        trunk_weights: Weights of reconstruction; None for the bundled ones.
    """
    trunk, heads = load_heads(path, trunk_weights)
    images = _as_batch(window[None])
    with torch.inference_mode():
        maps = trunk(images)
        all_logits, all_parts = family_and_part_logits(trunk, heads, images, maps)
        logits = all_logits[0]
        parts = all_parts[0].softmax(0)
        embedding = heads.embed(maps, images[:, 3:])[0]
        families = _rank_families(logits, heads.config)
        draws = _predict_draws(maps, heads, [name for name, _ in families])

    # The threshold was set on images of known families.
    margin = float(known_margin(logits[None]))
    return ImageMeaning(
        families=families,
        is_known=margin >= heads.config.known_margin,
        draws=draws,
        groups=heads.config.groups,
        parts=_with_background(parts, images[0, 3]),
        embedding=embedding.numpy(),
    )


def embed_images(
    images: Pixels, path: Path | None = None, trunk_weights: Path | None = None
) -> NDArray[np.float32]:
    """Return unit vectors (B, E) that are alike for images of one object.

    Args:
        images: (B, 4, 128, 128) windows, sRGB and mask in 0..1, see :func:`window_image`.
        path: Weights of the heads; None for the bundled ones.
        trunk_weights: Weights of reconstruction; None for the bundled ones.

    Raises:
        WeightsError: Weights are missing or damaged, or of other trunks.
    """
    trunk, heads = load_heads(path, trunk_weights)
    vectors = []
    with torch.inference_mode():
        for chunk in torch.from_numpy(images).split(_CHUNK):
            masks = chunk[:, 3:]
            embedded = heads.embed(trunk(chunk), masks)
            vectors.append(embedded.numpy())
    return np.concatenate(vectors)


def trunk_features(images: Pixels, trunk_weights: Path | None = None) -> NDArray[np.float32]:
    """Return unit vectors (B, F) of the trunk's pooled features, which need no head.

    Args:
        images: (B, 4, 128, 128) windows, sRGB and mask in 0..1, see :func:`window_image`.
        trunk_weights: Weights of reconstruction; None for the bundled ones.

    Raises:
        WeightsError: The weights are missing or damaged.
    """
    trunk = load_trunk(trunk_weights)
    vectors = []
    with torch.inference_mode():
        for chunk in torch.from_numpy(images).split(_CHUNK):
            masks = chunk[:, 3:]
            pooled = pooled_features(trunk(chunk), masks)
            vectors.append(pooled.numpy())
    return np.concatenate(vectors)


def window_image(image: Pixels) -> Pixels:
    """Return the window (128, 128, 4) about the object, as reconstruction prepares it.

    Args:
        image: (H, W, 4) sRGB in 0..1, the mask of the object as alpha.

    Raises:
        ImageError: The mask is empty.
    """
    if not (image[..., 3] > 0.5).any():
        raise ImageError("There is no object in the image. Choose another one, or mark the object")
    view = View(image, assumed_camera(image[..., 3]))
    crop = crop_view(view, SIDE)
    pixels = (crop.image * 255 + 0.5).astype(np.uint8)
    return median_filter(pixels).astype(np.float32) / 255


def load_trunk(trunk_weights: Path | None = None) -> ImageTrunk:
    """Return the trunk of the weights of reconstruction; None for the bundled ones.

    Raises:
        WeightsError: The weights are missing or damaged.
    """
    reconstruction, _ = load_weights(trunk_weights)
    return ImageTrunk(reconstruction.single_view)


def load_heads(
    path: Path | None = None, trunk_weights: Path | None = None
) -> tuple[ImageTrunk, SemanticHeads]:
    """Return the trunk and the heads, ready to run. The last ones are kept for the next call.

    Args:
        path: Weights of the heads; None for the bundled ones.
        trunk_weights: Weights of reconstruction; None for the bundled ones.

    Raises:
        WeightsError: Weights are missing or damaged, or of other trunks.
    """
    path = path or MEANING_WEIGHTS
    trunk_weights = trunk_weights or BUNDLED_WEIGHTS
    return _load_cached(path, trunk_weights, (_file_stamp(path), _file_stamp(trunk_weights)))


@lru_cache(maxsize=1)
def _load_cached(
    path: Path, trunk_weights: Path, stamps: tuple[object, object]
) -> tuple[ImageTrunk, SemanticHeads]:
    """Load trunk and heads.

    Args:
        path: Weights of the heads.
        trunk_weights: Weights of reconstruction.
        stamps: Of the files, so that a changed file is another entry of the cache.

    Raises:
        WeightsError: See :func:`load_heads`.
    """
    stored, state = load_part(HEADS, path)
    trunk = load_trunk(trunk_weights)
    try:
        config = SemanticsConfig.from_dict(stored)
        heads = SemanticHeads(config)
        heads.load_state_dict(state)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"The heads in {path} do not fit this version of Maquette: {error}"
        ) from error

    if trunk.fingerprint() != config.trunk:
        raise WeightsError(
            f"The heads in {path} were trained for other weights of reconstruction. Choose the "
            "weights that they belong to, or train them anew with maquette train --task meaning"
        )

    return trunk, heads.eval().requires_grad_(False)


def _file_stamp(path: Path) -> tuple[int, int] | None:
    """Return time and size of a file; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _as_batch(windows: Pixels) -> Tensor:
    """Return windows (B, S, S, 4) as (B, 4, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(windows.transpose(0, 3, 1, 2)))


def _rank_families(logits: Tensor, config: SemanticsConfig) -> list[tuple[str, float]]:
    """Return (name, probability) of all families, the most probable first."""
    probabilities = (logits / config.temperature).softmax(0)
    order = probabilities.argsort(descending=True).tolist()
    return [(config.families[index], float(probabilities[index])) for index in order]


def _predict_draws(
    maps: TrunkMaps, heads: SemanticHeads, ranked: list[str]
) -> dict[str, tuple[DrawDistribution, ...]]:
    """Return the distributions of the first families of ``ranked`` that have draws.

    Args:
        maps: Of one image.
        heads: The heads.
        ranked: Names of families, the most probable first.
    """
    targets = heads.config.draws
    chosen = [family for family in ranked if targets.get(family)][:MOST_FAMILIES]
    if not chosen:
        return {}

    # A row of tokens for each family, filled up with -1.
    indices = draw_indices(heads.config)
    longest = max(len(indices[family]) for family in chosen)
    rows = torch.full((len(chosen), longest), -1)
    for row, family in enumerate(chosen):
        rows[row, : len(indices[family])] = torch.tensor(indices[family])
    repeated = TrunkMaps(*(values.expand(len(chosen), -1, -1, -1) for values in maps))
    logits = heads.draws(repeated, rows)

    draws = {}
    for row, family in enumerate(chosen):
        # Bins beyond those of the draw have no probability.
        distributions = []
        for column, target in enumerate(targets[family]):
            probabilities = logits[row, column, : target.count].softmax(0)
            distributions.append(DrawDistribution(target, probabilities.numpy()))
        draws[family] = tuple(distributions)

    return draws


def _with_background(parts: Tensor, mask: Tensor) -> NDArray[np.float32]:
    """Return probabilities (h, w, 1 + G) of the background and the groups.

    Those of the groups are means of 3 x 3 pixels of the object: the decoder makes 2 x 2 pixels of
    each of its cells, which differ by more than the parts do.

    Args:
        parts: (G, h, w) probabilities of the groups within the object.
        mask: (2 h, 2 w) in 0..1.
    """
    # Pixels at the outline are both background and part.
    coverage = torch.nn.functional.avg_pool2d(mask[None], 2)
    weighted = torch.nn.functional.avg_pool2d(parts * coverage, 3, 1, 1)
    weights = torch.nn.functional.avg_pool2d(coverage, 3, 1, 1)
    smooth = weighted / weights.clamp_min(1e-6)
    joined = torch.cat((1 - coverage, smooth * coverage))
    return joined.permute(1, 2, 0).contiguous().numpy()
