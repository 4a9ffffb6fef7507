"""A sheet of images: the parts that the heads see in unseen objects, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....atomic_files import write_png
from ....dataset.passes import part_colors
from ...networks.image_trunk import ImageTrunk
from ...networks.semantics import SemanticHeads
from ..objects import evenly_spaced
from .batches import collate
from .labels import LabeledObject
from .samples import draw_semantic_sample
from .validation import AS_RENDERED, query_view

_COLUMNS = 8  # objects in a row
_OBJECTS = 24

Floats = NDArray[np.floating[Any]]


def draw_part_samples(
    path: Path, trunk: ImageTrunk, heads: SemanticHeads, objects: Sequence[LabeledObject]
) -> None:
    """Write a sheet of objects with parts: the image above, the true parts, the predicted ones.

    Nothing is written if no object has parts.

    Args:
        path: File of the image.
        trunk: The trunk.
        heads: The heads.
        objects: To choose from.
    """
    with_parts = [item for item in objects if item.groups is not None]
    shown = evenly_spaced(with_parts, _OBJECTS)
    if not shown:
        return

    # The images as they were rendered, and what the heads say of them.
    samples = []
    for index, item in enumerate(shown):
        rng = np.random.default_rng(index)
        samples.append(draw_semantic_sample(item, query_view(item.item.kinds), rng, AS_RENDERED))
    device = next(heads.parameters()).device
    batch = collate(shown, samples, heads.config).to(device)
    with torch.no_grad():
        predicted = heads.parts(trunk(batch.images), batch.images).argmax(1)

    images = batch.images.cpu()
    columns = []
    for index in range(len(shown)):
        # Above each other: image, true parts, predicted parts.
        small = torch.nn.functional.avg_pool2d(images[index], 2).numpy()
        is_shown = small[3] > 0.5
        truth = batch.parts[index].cpu().numpy()
        image = small[:3].transpose(1, 2, 0) * small[3][..., None]
        columns.append(
            np.concatenate(
                (
                    image,
                    _colored(truth, truth >= 0),
                    _colored(predicted[index].cpu().numpy(), is_shown),
                )
            )
        )

    _write_sheet(path, columns)


def _colored(groups: NDArray[np.int64], is_shown: NDArray[np.bool_]) -> Floats:
    """Return the colors (h, w, 3) of groups (h, w), black where nothing is shown."""
    numbers = np.where(is_shown, groups + 1, 0).astype(np.uint8)
    return part_colors(numbers)


def _write_sheet(path: Path, columns: Sequence[Floats]) -> None:
    """Write images of one size side by side, in rows."""
    rows = []
    for first in range(0, len(columns), _COLUMNS):
        row = list(columns[first : first + _COLUMNS])
        while len(row) < _COLUMNS:
            row.append(np.zeros_like(columns[0]))
        rows.append(np.concatenate(row, axis=1))

    sheet = np.concatenate(rows)
    write_png(path, (sheet.clip(0, 1) * 255).astype(np.uint8))
