"""Losses of the dense network, each a mean over what its labels are known of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...networks.dense_single_view import RAY_EDGES, DenseOutput
from .batches import DenseBatch

MOST_FAMILIES = 1024


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses.

    They are such that the gradients of depths, ray occupancy, layers and normals are about as long
    in the trunk. The likelihood of sharp depths has a steep gradient: at weights of 0.5 for slopes
    and 0.3 for normals theirs were 10 to 30 times as short, and normals stayed blurred.

    Attributes:
        first_depth: negative log-likelihood of the first surface, the unit of all others.
        gradient: error of the relief's slope at several scales: crisp edges, flat planes.
        ray_occupancy: cross-entropy of the bins, by their width.
        overlap: 1 minus the soft IoU of the bins, which rewards the likelier half of what is
            uncertain.
        layers: negative log-likelihood of the exits and the second entry.
        intervals: cross-entropy of how many there are.
        normals: 1 minus the cosine of the angle to the true normal, of both normals.
        up, view, extent, shift: of values of the image as such.
        parts: cross-entropy and overlap of the groups of parts, of objects whose parts are known.
        family: cross-entropy of the class by the embedding.
        mirror: of whether there is a mirror plane, and of its place.
        depth_reach: depths beyond it are not learned from: no hull reaches there.
        temperature: of the cosines between embeddings and prototypes.
    """

    first_depth: float = 1.0
    gradient: float = 4.0
    ray_occupancy: float = 1.0
    overlap: float = 1.0
    layers: float = 0.5
    intervals: float = 0.3
    normals: float = 5.0
    up: float = 0.3
    view: float = 0.1
    extent: float = 0.1
    shift: float = 0.3
    parts: float = 0.5
    family: float = 0.05
    mirror: float = 0.05
    depth_reach: float = 1.5
    temperature: float = 0.1


class FamilyPrototypes(nn.Module):
    """A direction of the embedding for each class: it is learned beside the network, not in it.

    There is room for ``MOST_FAMILIES``, so that a run can go on with a set that has more of them.
    """

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(MOST_FAMILIES, embedding))

    def forward(self, embedding: Tensor, temperature: float) -> Tensor:
        """Return logits (B, families) of ``embedding`` (B, E)."""
        return embedding @ F.normalize(self.weight, dim=1).T / temperature


def dense_losses(
    output: DenseOutput, batch: DenseBatch, prototypes: FamilyPrototypes, config: LossConfig
) -> dict[str, Tensor]:
    """Return the losses by their names in :class:`LossConfig`, and their weighted sum as "all"."""
    shown = batch.shown
    known = shown & batch.first_depth.isfinite()
    known &= batch.first_depth.abs() < config.depth_reach
    offset, depth_scale = depth_alignment(output, batch, known)
    depth = torch.where(known, batch.first_depth - offset[:, None, None], 0.0)
    front_loss = _normal_loss(output.front_normal, batch.front_normal)
    back_loss = _normal_loss(output.back_normal, batch.back_normal)

    losses = {
        "first_depth": masked_mean(mixture_nll(output, depth), known),
        "gradient": gradient_loss(output.likeliest_depth() - depth, known),
        **_ray_losses(output.ray_occupancy, batch),
        "layers": _layer_loss(output, batch),
        "intervals": _interval_loss(output.interval_logits, batch),
        "normals": front_loss + back_loss,
        "parts": _part_loss(output.part_logits, batch.parts),
        **_image_losses(output, batch, offset, depth_scale),
        **_family_losses(output, batch, prototypes, config),
    }
    total = sum(getattr(config, name) * loss for name, loss in losses.items())
    return {"all": total, **losses}


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of ``values`` where ``mask`` is set, 0 if that is nowhere."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def mixture_nll(output: DenseOutput, depth: Tensor) -> Tensor:
    """Return the negative log-likelihood (B, h, w) of ``depth`` (B, h, w) under the first surface.

    Two Laplace distributions: at an edge their modes take the two surfaces, where a single one
    would take a depth between them at which nothing is.
    """
    error = (output.first_depth - depth[:, None]).abs()
    log_density = -error / output.first_scale - (2 * output.first_scale).log()
    return -torch.logsumexp(output.first_log_weight + log_density, dim=1)


@torch.no_grad()
def depth_alignment(output: DenseOutput, batch: DenseBatch, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return how far the true depth is behind the network's, and the log of the reliefs' ratio.

    One image leaves open how far away the object is: what is learned of a free image is the
    relief alone, less the median of its error.

    Args:
        output: of the network.
        batch: the images and their labels.
        known: (B, h, w) where the first depth is known.

    Returns:
        (B,) shift, 0 of images that are not free, and (B,) log of the ratio of mean absolute
        deviations.
    """
    predicted = output.likeliest_depth()
    nan = torch.full_like(predicted, torch.nan)
    error = torch.where(known, batch.first_depth - predicted, nan)
    median = error.flatten(1).nanmedian(dim=1).values
    shift = median.nan_to_num(0.0)
    shift = torch.where(batch.free, shift, 0.0)

    # The relief is measured by its deviation; the ratio is bounded, as flat objects have none.
    true_relief = _deviation(torch.where(known, batch.first_depth, nan))
    predicted_relief = _deviation(torch.where(known, predicted, nan))
    ratio = (true_relief.clamp(min=0.01) / predicted_relief.clamp(min=0.01)).log()
    return shift, ratio.clamp(-1, 1)


def _deviation(values: Tensor) -> Tensor:
    """Return the mean absolute deviation (B,) of ``values`` (B, h, w) from their median."""
    flat = values.flatten(1)
    middle = flat.nanmedian(dim=1, keepdim=True).values
    return (flat - middle).abs().nanmean(dim=1).nan_to_num(0.0)


def gradient_loss(error: Tensor, known: Tensor, scales: int = 4) -> Tensor:
    """Return the mean absolute slope of ``error`` (B, h, w) at steps of 1, 2, 4, ... pixels.

    Of MegaDepth (Li and Snavely 2018, arXiv:1804.00607), but of depth rather than of its log. The
    slope is cut off at 0.1, so that a wrong surface at an edge does not outweigh all others.
    """
    total = error.new_zeros(())
    for scale in range(scales):
        step = 2**scale

        # A slope is known where both of its pixels are.
        across = (error[:, :, step:] - error[:, :, :-step]).abs()
        across_known = known[:, :, step:] & known[:, :, :-step]
        down = (error[:, step:] - error[:, :-step]).abs()
        down_known = known[:, step:] & known[:, :-step]

        total = total + masked_mean(across.clamp(max=0.1), across_known)
        total = total + masked_mean(down.clamp(max=0.1), down_known)

    return total


def _ray_losses(logits: Tensor, batch: DenseBatch) -> dict[str, Tensor]:
    """Return cross-entropy and overlap of the bins (B, K, h, w) of rays that meet something."""
    width = RAY_EDGES.diff().to(logits.device)
    solid = batch.shown & (batch.intervals > 0)
    image = solid.nonzero()[:, 0]
    chosen = logits.permute(0, 2, 3, 1)[solid]
    truth = batch.ray_occupancy.permute(0, 2, 3, 1)[solid].float() / 255

    # Of P rays: by the width of the bins, and 10 times the mean, which most empty bins keep small.
    entropy = F.binary_cross_entropy_with_logits(chosen, truth, reduction="none")
    by_ray = (entropy @ width) / width.sum()
    mean = by_ray.sum() / max(len(by_ray), 1)

    # Overlap of each image's solid: sums over its rays.
    probability = chosen.sigmoid()
    both = (probability * truth) @ width
    either = (probability + truth) @ width - both
    zeros = logits.new_zeros(len(logits))
    union = zeros.index_add(0, image, either)
    overlap = (zeros.index_add(0, image, both) + 1e-3) / (union + 1e-3)

    return {"ray_occupancy": 10 * mean, "overlap": 1 - overlap.mean()}


def _layer_loss(output: DenseOutput, batch: DenseBatch) -> Tensor:
    known = batch.layers.isfinite()
    error = (output.layers - batch.layers.nan_to_num(0.0)).abs()
    nll = error / output.layer_scale + (2 * output.layer_scale).log()
    return masked_mean(nll, known)


def _interval_loss(logits: Tensor, batch: DenseBatch) -> Tensor:
    most = logits.shape[1] - 1
    counts = batch.intervals.long().clamp(max=most)
    entropy = F.cross_entropy(logits, counts, reduction="none")
    return masked_mean(entropy, batch.shown)


def _normal_loss(normals: Tensor, truth: Tensor) -> Tensor:
    known = truth.abs().sum(1) > 0.5
    return masked_mean(1 - (normals * truth).sum(1), known)


def _part_loss(logits: Tensor, parts: Tensor) -> Tensor:
    if not logits.shape[1]:  # the network tells no parts apart
        return logits.sum()
    cross_entropy, overlap = part_losses(logits, parts)
    return cross_entropy + overlap


def part_losses(
    logits: Tensor, parts: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and Dice loss of the pixels whose group is known.

    Args:
        logits: (B, G, h, w).
        parts: (B, h, w) int64; -1 for none.
        weights: (G,) of the groups; all are 1 by default.
    """
    is_labeled = parts >= 0
    if not is_labeled.any():
        nothing = logits.sum() * 0
        return nothing, nothing

    # Pixels without a part say nothing.
    pixel_logits = logits.permute(0, 2, 3, 1)[is_labeled]
    labels = parts[is_labeled]
    cross_entropy = F.cross_entropy(pixel_logits, labels, weights)

    # Overlap of the groups that are in the batch, over all of its pixels (arXiv:1606.04797)
    probabilities = pixel_logits.softmax(1)
    truth = F.one_hot(labels, logits.shape[1]).to(probabilities.dtype)
    overlap = (probabilities * truth).sum(0)
    total = probabilities.sum(0) + truth.sum(0)
    is_present = truth.sum(0) > 0
    dice = 1 - (2 * overlap[is_present] / total[is_present]).mean()

    return cross_entropy, dice


def _image_losses(
    output: DenseOutput, batch: DenseBatch, offset: Tensor, depth_scale: Tensor
) -> dict[str, Tensor]:
    free = batch.free
    pinhole = batch.field_of_view > 0
    seen_freely = batch.conditions[:, 0] < 0.5
    up = 1 - (output.up * batch.up).sum(1)
    view = (output.field_of_view - batch.field_of_view).abs()
    extent = (output.depth_extent - batch.depth_extent).abs()
    shift = (output.shift - offset).abs() + 0.3 * (output.scale - depth_scale).abs()

    return {
        "up": masked_mean(up, seen_freely),
        "view": masked_mean(view, pinhole),
        "extent": extent.mean(),
        "shift": masked_mean(shift, free),
    }


def _family_losses(
    output: DenseOutput, batch: DenseBatch, prototypes: FamilyPrototypes, config: LossConfig
) -> dict[str, Tensor]:
    # Class: families beyond the prototypes are not learned.
    named = (batch.family >= 0) & (batch.family < MOST_FAMILIES)
    logits = prototypes(output.embedding, config.temperature)
    entropy = F.cross_entropy(logits, batch.family.clamp(0, MOST_FAMILIES - 1), reduction="none")

    # Mirror plane: the normal and the offset together may change their sign.
    symmetric = batch.mirror_plane.abs().sum(1) > 0
    presence = F.binary_cross_entropy_with_logits(output.mirror_logit, symmetric.float())
    true_normal = batch.mirror_plane[:, :3]
    cosine = (output.mirror_plane[:, :3] * true_normal).sum(1)
    offset = output.mirror_plane[:, 3] * cosine.sign() - batch.mirror_plane[:, 3]
    place = 1 - cosine.abs() + offset.abs()

    return {
        "family": masked_mean(entropy, named),
        "mirror": presence + masked_mean(place, symmetric),
    }
