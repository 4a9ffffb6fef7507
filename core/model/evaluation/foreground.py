"""Evaluate the masks that are found in photograph-like images of unseen objects."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError
from ...jobs.task import Progress, Task, run_to_end
from ..inference import weights
from ..inference.foreground import segment_foreground
from ..metrics import iou
from ..photo_compositing import Panoramas, composite_photo, held_out_panorama
from .evaluate import sample_objects

# IoU from which on a mask counts as good.
_GOOD = 0.9


def evaluate_masks(
    datasets: Sequence[Path],
    split: str,
    panoramas: Panoramas,
    limit: int | None = None,
    weights_file: Path | None = None,
) -> Task[NDArray[np.float64]]:
    """Return the IoU (objects,) of masks that inference finds in photograph-like images.

    Args:
        datasets: training sets.
        split: "train", "validation" or "test".
        panoramas: backgrounds as training had them: the one that it kept for validation is used.
        limit: number of objects; None for all.
        weights_file: of the model; None for the bundled ones.

    Raises:
        DatasetError: a set is missing or damaged, or the split is empty.
    """
    _, network = weights.load_weights(weights_file)
    locations = sample_objects(datasets, split, limit)
    backgrounds = held_out_panorama(panoramas)
    scores = []

    for index, location in enumerate(locations):
        yield Progress(index / len(locations), location.name)
        file = location.open_object()
        kinds = [view.kind for view in file.record.views]
        color = file.read_color(kinds.index("free") if "free" in kinds else 0)
        if not (color[..., 3] > 127).any():
            continue

        # Backgrounds and positions are drawn from the name: the same for any order and limit.
        rng = np.random.default_rng(zlib.crc32(file.record.name.encode()))
        photo, mask = composite_photo(color, backgrounds, rng)
        opaque = np.concatenate((photo, np.ones_like(mask))).transpose(1, 2, 0)

        # As inference does; no object found is an empty mask.
        try:
            segmented = run_to_end(segment_foreground(opaque, network))
            predicted = segmented[..., 3] > 0.5
        except ImageError:
            predicted = np.zeros(mask.shape[1:], bool)

        scores.append(iou(predicted, mask[0] > 0.5))

    return np.array(scores)


def format_mask_scores(scores: NDArray[np.float64]) -> str:
    """Return the scores in one line."""
    good_share = (scores >= _GOOD).mean()
    return (
        f"mask IoU of {len(scores)} objects: mean {scores.mean():.3f}, "
        f"median {np.median(scores):.3f}, {good_share:.0%} at {_GOOD} or better, "
        f"least {scores.min():.3f}"
    )
