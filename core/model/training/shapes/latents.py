"""Codes of the training shapes, as generators learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ....errors import DatasetError
from ....geometry.shape_cube.splatting import splat_points
from ....jobs.task import Progress, Task
from ...networks.shape_autoencoder import ShapeAutoencoder
from ...networks.shape_generators import BOX_NUMBERS
from ...shape_classes import class_index
from ..mixed_precision import has_native_bfloat16
from .samples import mirrored
from .store import ShapeStore, StoredShape

_BATCH = 8
_LEAST_DEVIATION = 1e-4  # along a component
# Of the three numbers of the box among a thousand: a side that is 1 % off shows as much as the
# whole latent by as much.
_BOX_WEIGHT = 8.0


@dataclass(frozen=True)
class CodeBasis:
    """The principal components of codes, in which generators work.

    Attributes:
        mean: (N,) of codes.
        components: (K, N) orthonormal rows. A number of the latent counts as it is, one of the box
            ``_BOX_WEIGHT`` times.
        deviation: (K,) standard deviations along them.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    deviation: NDArray[np.float32]

    def reduce(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the coefficients (B, K) of codes (B, N), of deviation 1."""
        weighted = (codes - self.mean) * _weights(codes.shape[1])
        return weighted @ self.components.T / self.deviation

    def restore(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the codes (B, N) of coefficients (B, K)."""
        weighted = (coefficients * self.deviation) @ self.components
        return self.mean + weighted / _weights(len(self.mean))


@dataclass(frozen=True)
class CodeSet:
    """Codes of shapes.

    Attributes:
        codes: (B, N) float32: flat latent, then the logarithms of the box's sides.
        labels: (B,) int64 index of the class, see ``shape_classes``.
    """

    codes: NDArray[np.float32]
    labels: NDArray[np.int64]


def encode_shapes(
    network: ShapeAutoencoder,
    store: ShapeStore,
    shapes: Sequence[StoredShape],
    mirror: bool = True,
) -> Task[CodeSet]:
    """Return the codes of shapes, and of their mirror images if wanted.

    Raises:
        DatasetError: there are no shapes.
    """
    if not shapes:
        raise DatasetError("The store has no shapes of this split")
    codes = []
    labels = []

    for start in range(0, len(shapes), _BATCH):
        part = shapes[start : start + _BATCH]

        # Mirror images double the number of codes.
        for flip in (False, True) if mirror else (False,):
            codes.append(_encode_part(network, store, part, flip))
            labels += [class_index(shape.family) for shape in part]
        yield Progress(start / len(shapes), "Encoding the shapes")

    return CodeSet(np.concatenate(codes), np.array(labels, np.int64))


def code_names(shapes: Sequence[StoredShape]) -> list[str]:
    """Return the names of the shapes of the codes of :func:`encode_shapes` with mirror images."""
    names = []
    for start in range(0, len(shapes), _BATCH):
        part = [shape.name for shape in shapes[start : start + _BATCH]]
        names += [*part, *part]
    return names


def load_codes(path: Path) -> CodeSet | None:
    """Return codes that :func:`save_codes` wrote; None if there are none."""
    if not path.is_file():
        return None
    with np.load(path) as content:
        return CodeSet(content["codes"], content["labels"])


def save_codes(path: Path, codes: CodeSet) -> None:
    """Write codes to the file ``path``."""
    np.savez(path, codes=codes.codes, labels=codes.labels)


def code_basis(codes: NDArray[np.float32], count: int) -> CodeBasis:
    """Return the first ``count`` principal components of codes (B, N)."""
    mean = codes.mean(0)

    # Principal components by singular values, with the box weighted as it shows.
    weighted = (codes - mean) * _weights(codes.shape[1])
    _, lengths, directions = np.linalg.svd(weighted, full_matrices=False)
    deviation = lengths[:count] / np.sqrt(max(len(codes) - 1, 1))

    return CodeBasis(
        mean=mean,
        components=np.ascontiguousarray(directions[:count]),
        deviation=np.maximum(deviation, _LEAST_DEVIATION).astype(np.float32),
    )


def _weights(numbers: int) -> NDArray[np.float32]:
    """Return how far each number of a code counts: (N,)."""
    weights = np.ones(numbers, np.float32)
    weights[-BOX_NUMBERS:] = _BOX_WEIGHT
    return weights


@torch.inference_mode()
def _encode_part(
    network: ShapeAutoencoder, store: ShapeStore, shapes: Sequence[StoredShape], flip: bool
) -> NDArray[np.float32]:
    """Return the codes (B, N) of a few shapes or of their mirror images."""
    inputs = []
    boxes = []
    for shape in shapes:
        points, normals = store.surface(shape)

        # A mirror image has the box of its shape.
        if flip:
            points = mirrored(points)
            normals = mirrored(normals)
        inputs.append(splat_points(points, normals))
        boxes.append(np.log(np.array(shape.size, np.float32)))

    # In bfloat16 where the processor has it, which is as good here.
    is_mixed = has_native_bfloat16(torch.device("cpu"))
    with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
        latents = network.encoder(torch.from_numpy(np.stack(inputs))).mean
    return np.concatenate((latents.flatten(1).numpy(), np.stack(boxes)), axis=1)
