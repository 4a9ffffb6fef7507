"""Tell what an image shows, as the command line asks for it; imports torch when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...imaging import image_files
from ...jobs import dependencies
from ...jobs.task import Progress, Task, subtask

if TYPE_CHECKING:
    from ..inference.meaning.semantics import ImageMeaning


@dataclass(frozen=True)
class DescribedImage:
    """An image and its meaning.

    Attributes:
        window: (128, 128, 4) float32 in 0..1, the window about the object that the model sees.
        meaning: Of the image.
    """

    window: NDArray[np.float32]
    meaning: ImageMeaning


def describe_file(
    path: Path, keep_holes: bool = True, weights: Path | None = None, heads: Path | None = None
) -> Task[DescribedImage]:
    """Return what the image file ``path`` shows; its background is removed as for reconstruction.

    Args:
        path: Of the image.
        keep_holes: Whether the mask that is found may have holes.
        weights: Of reconstruction; None for the bundled ones.
        heads: Weights of the heads; None for the bundled ones.

    Raises:
        ImageError: The image cannot be read, or shows no object.
        WeightsError: Weights are missing or damaged.
        DependencyError: A package is missing.
    """
    yield Progress(0.0, "Reading")
    image = image_files.read_image(path)
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.1, "Loading the model")
    from ..inference.foreground import segment_foreground
    from ..inference.meaning import semantics
    from ..inference.weights import load_weights

    _, foreground = load_weights(weights)
    task = segment_foreground(image, foreground, keep_holes)
    segmented = yield from subtask(task, 0.2, 0.8)
    yield Progress(0.8, "Describing")
    window = semantics.window_image(segmented)

    return DescribedImage(window, semantics.describe_window(window, heads, weights))
