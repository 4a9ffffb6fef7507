"""How well the object is found in photographs of objects that the mask network never saw."""

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


def evaluate_masks(
    datasets: Sequence[Path],
    split: str,
    panoramas: Panoramas,
    limit: int | None = None,
    weights_file: Path | None = None,
) -> Task[NDArray[np.float64]]:
    """IoU (objects,) of the mask that reconstruction finds in a photograph-like picture without alpha.

    Args:
        panoramas: as training was given them: the one that it kept lies behind the objects.

    Raises:
        DatasetError: a set is missing or damaged, or the split is empty.
    """
    _, network = weights.load_weights(weights_file)
    objects = sample_objects(datasets, split, limit)
    behind = held_out_panorama(panoramas)
    scores = []
    for index, place in enumerate(objects):
        yield Progress(index / len(objects), place.name)
        file = place.open_object()
        kinds = [view.kind for view in file.record.views]
        color = file.read_color(kinds.index("free") if "free" in kinds else 0)
        if not (color[..., 3] > 127).any():
            continue
        picture, mask = composite_photo(
            color, behind, np.random.default_rng(zlib.crc32(file.record.name.encode()))
        )
        opaque = np.concatenate((picture, np.ones_like(mask))).transpose(1, 2, 0)
        try:
            found = run_to_end(segment_foreground(opaque, network))[..., 3] > 0.5
        except ImageError:
            found = np.zeros(mask.shape[1:], bool)
        scores.append(iou(found, mask[0] > 0.5))
    return np.array(scores)


def format_mask_scores(scores: NDArray[np.float64]) -> str:
    """The scores in one line."""
    return (
        f"mask IoU of {len(scores)} objects: mean {scores.mean():.3f}, median {np.median(scores):.3f}, "
        f"{(scores >= 0.9).mean():.0%} at 0.9 or better, least {scores.min():.3f}"
    )
