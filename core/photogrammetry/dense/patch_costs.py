r"""How well slanted patches of a photograph match other photographs.

A patch is the plane of a pixel. Its inverse depth is linear in the image, w + gu * du + gv * dv at
du, dv pixels from the pixel's center, so that in another photograph the patch's samples are at

    (X, Y, Z) = A (u, v, 1) + b w(u, v),   pixel = (X / Z, Y / Z),

linear in du and dv as well. A window of samples is compared by normalized cross-correlation,
weighted by similarity of color (as in COLMAP; Schoenberger et al. 2016,
doi:10.1007/978-3-319-46487-9_31) and limited to the mask, so that no window reaches over an edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...cameras import Camera

_RADIUS = 2  # samples on each side of the center of a window
_STEP = 2.0  # pixels between two samples
_COLOR_SIGMA = 0.08  # mean difference of colors at which a sample counts 1/e
_MIN_VARIANCE = 4e-5  # of gray values in a window; below it there is nothing to match
_WORST = 2.0  # cost of the opposite pattern, and of what is not in the image
_BEST = 2  # photographs that count for a pixel: others may not see it
_CHUNK = 16384  # pixels at once, so that intermediate values stay in the cache


@dataclass(frozen=True)
class GrayView:
    """A gray image and its camera, of one pyramid level.

    Attributes:
        gray: (H, W) in 0..1, which is compared.
        color: (H, W, 3) in 0..1, which says what belongs together.
        mask: (H, W) bool.
        camera: Of these pixels.
    """

    gray: torch.Tensor
    color: torch.Tensor
    mask: torch.Tensor
    camera: Camera

    def halved(self) -> GrayView:
        """Return the view at half the size; a pixel is masked if one of its four is."""
        gray = functional.avg_pool2d(self.gray[None], 2)[0]
        mask = functional.max_pool2d(self.mask[None].float(), 2)[0] > 0.5
        color = functional.avg_pool2d(self.color.permute(2, 0, 1), 2).permute(1, 2, 0)
        height, width = gray.shape
        return GrayView(gray, color, mask, self.camera.resized(width, height))


class PatchMatcher:
    """Costs of planes at the masked pixels of one view against its sources.

    Attributes:
        rows: (P,) of the pixels.
        columns: (P,) of the pixels.
        shape: Height and width of the image.
        camera: Of the view.
    """

    def __init__(self, view: GrayView, sources: list[GrayView]) -> None:
        """Prepare the windows of ``view`` and the projections into ``sources``."""
        self.rows, self.columns = torch.nonzero(view.mask, as_tuple=True)
        self.shape = (view.gray.shape[0], view.gray.shape[1])
        self.camera = view.camera
        steps = (torch.arange(2 * _RADIUS + 1) - _RADIUS) * _STEP
        self._dv, self._du = (axis.ravel() for axis in torch.meshgrid(steps, steps, indexing="ij"))
        self._prepare_windows(view)

        # Sources of different sizes are padded to one.
        height = max(source.gray.shape[0] for source in sources)
        width = max(source.gray.shape[1] for source in sources)
        self._images = torch.zeros(len(sources), 1, height, width)
        for image, source in zip(self._images, sources, strict=True):
            image[0, : source.gray.shape[0], : source.gray.shape[1]] = source.gray
        self._limits = torch.tensor(
            [
                (2 * source.gray.shape[1] / width - 1, 2 * source.gray.shape[0] / height - 1)
                for source in sources
            ]
        )
        projections = [_relative_projection(view.camera, source.camera) for source in sources]

        # Pixels of sources become -1..1 of the padded images.
        scale = np.array(((2 / width, 0, -1), (0, 2 / height, -1), (0, 0, 1)))
        self._matrix = torch.tensor(np.array([scale @ each[0] for each in projections])).float()
        self._shift = torch.tensor(np.array([scale @ each[1] for each in projections])).float()

    def __len__(self) -> int:
        return len(self.rows)

    def costs(self, planes: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """Return the costs (Q,) of planes, 0 the best and 2 the worst.

        Args:
            planes: (3, Q) inverse depth at the pixel, and its gradient along u and v.
            pixels: (Q,) which of the P pixels.
        """
        parts = []
        for begin in range(0, len(pixels), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            parts.append(self._chunk_costs(planes[:, part], pixels[part]))
        return torch.cat(parts)

    def _chunk_costs(self, planes: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        # The center of the window in each source, and how it moves with u and v: (S, 3, Q).
        u = self.columns[pixels] + 0.5
        v = self.rows[pixels] + 0.5
        ones = torch.ones_like(u)
        center = self._matrix @ torch.stack((u, v, ones)) + self._shift[:, :, None] * planes[0]
        along_u = self._matrix[:, :, 0, None] + self._shift[:, :, None] * planes[1]
        along_v = self._matrix[:, :, 1, None] + self._shift[:, :, None] * planes[2]

        # Within a window the projection is linear to less than a tenth of a pixel.
        z = center[:, 2:]
        base = center[:, :2] / z
        step_u = (along_u[:, :2] - base * along_u[:, 2:]) / z
        step_v = (along_v[:, :2] - base * along_v[:, 2:]) / z
        grid = base.permute(0, 2, 1)[:, :, None]
        grid = grid + step_u.permute(0, 2, 1)[:, :, None] * self._du[:, None]
        grid += step_v.permute(0, 2, 1)[:, :, None] * self._dv[:, None]

        values = functional.grid_sample(self._images, grid, align_corners=False)[:, 0]
        correlation = self._correlate(values, pixels)
        limits = self._limits[:, :, None]
        outside = (z[:, 0] <= 0) | (base.abs() > 1).any(1) | (base > limits).any(1)
        cost = torch.where(outside, _WORST, 1 - correlation)

        return _mean_of_best(cost)

    def _correlate(self, values: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """Return the correlation (S, Q) of samples (S, Q, K) with the windows of ``pixels``."""
        weights = self._weights[pixels]
        mean = (values * weights).sum(2)
        square = (values * values * weights).sum(2)
        product = (values * self._centered[pixels]).sum(2)
        variance = (square - mean * mean).clamp_min(1e-8)
        reference = self._variance[pixels]
        correlation = product * (variance * reference).rsqrt()
        plain = (variance < _MIN_VARIANCE) | (reference < _MIN_VARIANCE)

        return torch.where(plain, 0.0, correlation.clamp(-1, 1))

    def _prepare_windows(self, view: GrayView) -> None:
        """Store weights, weighted deviations and variance of each pixel's window."""
        height, width = self.shape
        rows = (self.rows[:, None] + self._dv.long()).clamp(0, height - 1)
        columns = (self.columns[:, None] + self._du.long()).clamp(0, width - 1)
        values = view.gray[rows, columns]
        middle = view.color[self.rows, self.columns][:, None]
        difference = (view.color[rows, columns] - middle).abs().mean(2)
        weights = torch.exp(-difference / _COLOR_SIGMA)
        weights = weights * view.mask[rows, columns]
        weights = weights / weights.sum(1, keepdim=True)
        mean = (weights * values).sum(1, keepdim=True)
        self._weights = weights
        self._centered = weights * (values - mean)
        self._variance = (self._centered * values).sum(1).clamp_min(1e-8)


def _relative_projection(
    view: Camera, source: Camera
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return A (3, 3) and b (3,): a pixel of inverse depth w is at A (u, v, 1) + b w."""
    relative = source.from_world @ np.linalg.inv(view.from_world)
    matrix = source.intrinsics @ relative[:3, :3] @ np.linalg.inv(view.intrinsics)
    return matrix, source.intrinsics @ relative[:3, 3]


def _mean_of_best(cost: torch.Tensor) -> torch.Tensor:
    """Return the mean (Q,) of the two least costs of (S, Q); of the only one for one source."""
    if len(cost) < _BEST:
        return cost[0]
    least = torch.minimum(cost[0], cost[1])
    second = torch.maximum(cost[0], cost[1])
    for other in cost[2:]:
        second = torch.minimum(second, torch.maximum(least, other))
        least = torch.minimum(least, other)
    return (least + second) / 2
