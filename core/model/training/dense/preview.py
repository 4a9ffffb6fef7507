"""A sheet of images: what the dense network predicts of unseen objects, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....atomic_files import write_png
from ....dataset.passes import part_colors
from ...networks.dense_single_view import DenseOutput, DenseSingleViewNetwork
from .batches import FREE, FRONT
from .objects import DenseObject
from .samples import DenseSample
from .validation import look_at_views, placed_views

_ROWS = 8
_DEPTH = 0.6  # before and behind the origin, from white to black
_ERROR = 0.2  # of the first depth, and its scale, that is white

Floats = NDArray[np.floating[Any]]


def draw_dense_samples(
    path: Path,
    network: DenseSingleViewNetwork,
    items: Sequence[DenseObject],
    device: torch.device,
) -> None:
    """Write a sheet: a row an image, front and free in turn.

    Columns: the image; first depth, true and predicted, its error and the scale that the network
    gives it; front normals, true and predicted; depth to the last exit, true and predicted;
    normals there, true and predicted; number of intervals, true and predicted; parts, true and
    predicted, if the network tells them apart.
    """
    rows = []
    for kind in (FRONT, FREE):
        shown = [item for item in items if kind in item.kinds][:_ROWS]
        if not shown:
            continue
        placed = placed_views(network, shown, kind)
        output, offsets = look_at_views(network, placed, device)
        for index, view in enumerate(placed):
            rows.append(_row(view.sample, output.at(index), float(offsets[index])))

    if not rows:
        return

    sheet = np.concatenate(rows, axis=0)
    pixels = (sheet.clip(0, 1) * 255).astype(np.uint8)
    write_png(path, pixels)


def _row(sample: DenseSample, output: DenseOutput, offset: float) -> Floats:
    shown = sample.shown
    depth = output.likeliest_depth()[0].numpy() + offset
    heavier = output.first_log_weight[0].argmax(0, keepdim=True)
    scale = output.first_scale[0].gather(0, heavier)[0].numpy()
    last = output.layers[0, 2].numpy()
    counts = output.interval_logits[0].argmax(0).numpy()
    error = np.abs(depth - sample.first_depth)
    cells = [
        _gray(_nearness(sample.first_depth), shown),
        _gray(_nearness(depth), shown),
        _gray(error / _ERROR, shown),
        _gray(scale / _ERROR, shown),
        _colors(sample.front_normal, shown),
        _colors(output.front_normal[0].numpy(), shown),
        _gray(sample.layers[2], shown),
        _gray(last, shown),
        _colors(sample.back_normal, shown),
        _colors(output.back_normal[0].numpy(), shown),
        _gray(sample.intervals / 3, shown),
        _gray(counts / 3, shown),
    ]
    if output.part_logits.shape[1]:
        cells.append(_part_colors(sample.parts, sample.parts >= 0))
        cells.append(_part_colors(output.part_logits[0].argmax(0).numpy(), shown))
    image = sample.image[:3].transpose(1, 2, 0)

    return np.concatenate([image, *cells], axis=1)


def _nearness(depth: Floats) -> Floats:
    return 0.5 - depth / (2 * _DEPTH)


def _gray(values: Floats, shown: NDArray[np.bool_]) -> Floats:
    gray = np.where(shown, np.nan_to_num(values), 0.0).clip(0, 1)
    return _doubled(np.repeat(gray[..., None], 3, axis=2))


def _colors(normals: Floats, shown: NDArray[np.bool_]) -> Floats:
    """Return normals (3, h, w) as colors; toward the camera is blue, as in normal maps."""
    right, away, up = normals
    colors = np.stack((right, up, -away), axis=2) / 2 + 0.5
    return _doubled(colors * shown[..., None])


def _part_colors(groups: NDArray[np.int64], shown: NDArray[np.bool_]) -> Floats:
    numbers = np.where(shown, groups + 1, 0).astype(np.uint8)
    return _doubled(part_colors(numbers))


def _doubled(image: Floats) -> Floats:
    return image.repeat(2, axis=0).repeat(2, axis=1)
