"""What the heads are worth on objects that they were not trained on, each beside simple rivals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....dataset.splits import HELD_OUT_FAMILIES
from ....procedural.object_families import OTHER, family_of
from ...inference.meaning.appearance import color_histograms
from ...networks.image_trunk import ImageTrunk, pooled_features
from ...networks.semantics import SemanticHeads, family_and_part_logits, known_margin
from ..dense.images import AugmentationConfig
from ..dense.relighting import LightConfig
from .batches import SemanticBatch, collate
from .labels import LabeledObject
from .samples import SemanticSample, draw_semantic_sample

Vectors = NDArray[np.float32]

_GALLERY = ("front", "right", "free", "free")  # kinds of the views that a library has
_CHUNK = 32  # images that are looked at at once
_GRAY_SIDE = 32  # of the images that are compared pixel by pixel
_COLORS = 4  # bins of each channel of a color histogram

AS_RENDERED = AugmentationConfig(mirror=0, relight=0, view_known=0, light=LightConfig()).clean()
AS_DRAWING = AugmentationConfig(
    clean_steps=0,
    mirror=0,
    stretch=0,
    smaller=0,
    relight=0,
    drawn=1,
    mask=0,
    noise=0,
    gain=0,
    gamma=0,
)


@dataclass(frozen=True)
class LookedAt:
    """By what N images are compared with each other.

    Attributes:
        images: (N, 4, 128, 128).
        embeddings: (N, E).
        pooled: (N, P) of the trunk alone.
    """

    images: Tensor
    embeddings: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class Predictions:
    """What the heads say of N images.

    Attributes:
        logits: (N, F) of families.
        groups: (N, 64, 64) int64 most likely group.
        draws: (N, D, 32) logits of the draws of each image's own family.
    """

    logits: Tensor
    groups: Tensor
    draws: Tensor


@dataclass(frozen=True)
class UnseenObjects:
    """What heads are judged on.

    Attributes:
        objects: That they were not trained on.
        draw_counts: (draws, 32) how often each class is among those that they were trained on.
    """

    objects: Sequence[LabeledObject]
    draw_counts: NDArray[np.int64]


@dataclass(frozen=True)
class MeaningScores:
    """Scores by name, in 0..1; the rivals' beside those of the heads.

    Attributes:
        values: By name.
        known_margins: (N,) of images of known families, to set the threshold.
        calibration: Logits (N, F) and families (N,) of these images, to set the temperature.
    """

    values: dict[str, float]
    known_margins: NDArray[np.float32]
    calibration: tuple[Tensor, Tensor]


def evaluate_meaning(
    unseen: UnseenObjects, trunk: ImageTrunk, heads: SemanticHeads, mixed: bool = False
) -> MeaningScores:
    """Return the scores of the heads on ``unseen`` objects.

    A query is one free view of an object, as it was rendered and as a drawing; the gallery has four
    other views of each object.

    Args:
        unseen: To judge on.
        trunk: The trunk.
        heads: The heads.
        mixed: Whether to compute in bfloat16.
    """
    objects = unseen.objects
    networks = (trunk, heads, mixed)

    def look(views: Sequence[int], augmentation: AugmentationConfig) -> LookedAt:
        return _look(objects, views, augmentation, networks)

    queries = [query_view(item.item.kinds) for item in objects]

    # The same views twice, as images and as drawings, and the gallery.
    rendered = look(queries, AS_RENDERED)
    drawn = look(queries, AS_DRAWING)
    gallery = []
    for place in range(len(_GALLERY)):
        views = [_gallery_view(item.item.kinds, place) for item in objects]
        gallery.append(look(views, AS_RENDERED))

    # What the heads say of the queries, beside their labels.
    batch = collate(objects, _samples(objects, queries, AS_RENDERED), heads.config)
    told = _predict(batch, networks)
    values = {
        **_family_scores(objects, told.logits, batch),
        **_part_scores(objects, told.groups, batch.parts, len(heads.config.groups)),
        **_draw_scores(told.draws, batch, heads, unseen.draw_counts),
        **_retrieval_scores(objects, {"render": rendered, "drawing": drawn}, gallery),
    }
    is_known = batch.known

    # What threshold and temperature are set by.
    margins = known_margin(told.logits[is_known])
    calibration = (told.logits[is_known], batch.families[is_known])

    return MeaningScores(values, margins.numpy(), calibration)


def _samples(
    objects: Sequence[LabeledObject], views: Sequence[int], augmentation: AugmentationConfig
) -> list[SemanticSample]:
    """Return one sample of each object; the same at each call."""
    samples = []
    for index, (item, view) in enumerate(zip(objects, views, strict=True)):
        rng = np.random.default_rng(index)
        samples.append(draw_semantic_sample(item, view, rng, augmentation))
    return samples


@torch.no_grad()
def _look(
    objects: Sequence[LabeledObject],
    views: Sequence[int],
    augmentation: AugmentationConfig,
    networks: tuple[ImageTrunk, SemanticHeads, bool],
) -> LookedAt:
    """Return what is said of one view of each object.

    Args:
        objects: N objects.
        views: Index of the view of each.
        augmentation: How images are changed.
        networks: Trunk, heads, and whether they compute in bfloat16.
    """
    trunk, heads, mixed = networks
    device = next(heads.parameters()).device
    parts = []

    for first in range(0, len(objects), _CHUNK):
        # Few images at once.
        some = objects[first : first + _CHUNK]
        samples = _samples(some, views[first : first + _CHUNK], augmentation)
        batch = collate(some, samples, heads.config).to(device)
        masks = batch.images[:, 3:]

        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            maps = trunk(batch.images)
            looked = (
                batch.images,
                heads.embed(maps, masks),
                pooled_features(maps, masks),
            )
        parts.append(looked)

    return LookedAt(*_joined(parts))


@torch.no_grad()
def _predict(batch: SemanticBatch, networks: tuple[ImageTrunk, SemanticHeads, bool]) -> Predictions:
    """Return what the heads say of the images of a batch.

    Args:
        batch: Images, and which draws are asked for.
        networks: Trunk, heads, and whether they compute in bfloat16.
    """
    trunk, heads, mixed = networks
    device = next(heads.parameters()).device
    parts = []

    for first in range(0, len(batch.images), _CHUNK):
        # Few images at once.
        images = batch.images[first : first + _CHUNK].to(device)
        draws = batch.draws[first : first + _CHUNK].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            maps = trunk(images)
            families, part_logits = family_and_part_logits(trunk, heads, images, maps)
            parts.append((families, part_logits.argmax(1), heads.draws(maps, draws)))

    return Predictions(*_joined(parts))


def _joined(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return the columns of ``parts``, each as one tensor on the CPU, numbers in float32."""
    joined = []
    for column in zip(*parts, strict=True):
        merged = torch.cat(column).cpu()
        joined.append(merged.float() if merged.is_floating_point() else merged)
    return joined


def query_view(kinds: Sequence[str]) -> int:
    """Return the index of the last free view, or of the last of all."""
    free = [index for index, kind in enumerate(kinds) if kind == "free"]
    return free[-1] if free else len(kinds) - 1


def _gallery_view(kinds: Sequence[str], place: int) -> int:
    """Return the view for a place of the gallery, which is not the query."""
    wanted = _GALLERY[place]
    query = query_view(kinds)
    rank = _GALLERY[:place].count(wanted)

    # The views of the wanted kind in their order, and any other view if there are too few.
    matching = [i for i, kind in enumerate(kinds) if kind == wanted and i != query]
    if rank < len(matching):
        return matching[rank]
    others = [index for index in range(len(kinds)) if index != query] or [query]

    return others[place % len(others)]


def _family_scores(
    objects: Sequence[LabeledObject], logits: Tensor, batch: SemanticBatch
) -> dict[str, float]:
    """Return accuracies, and how well objects of no known family are told by their logits.

    Args:
        objects: N objects.
        logits: (N, F).
        batch: Labels.
    """
    scores = {}
    procedural = torch.tensor([item.is_procedural for item in objects])
    for name, chosen in _by_origin(objects):
        rows = chosen & batch.known
        if rows.any():
            ranks = _ranks(logits[rows], batch.families[rows])
            scores[f"family_top1_{name}"] = float((ranks < 1).float().mean())
            scores[f"family_top3_{name}"] = float((ranks < 3).float().mean())

            # The rival always names the most frequent family.
            counts = batch.families[rows].bincount()
            scores[f"family_majority_{name}"] = float(counts.max() / counts.sum())

    # Unknown: families that were held out, and artists' meshes of no family.
    measures = {
        "": known_margin(logits),
        "_logit": logits[:, :-1].amax(1),
        "_softmax": logits.softmax(1)[:, :-1].amax(1),
    }
    held_out = torch.tensor([item.item.family in HELD_OUT_FAMILIES for item in objects])
    other = torch.tensor([family_of(item.item.record) == OTHER for item in objects])

    known = batch.known & procedural
    for name, unknown in (("held_out", held_out), ("other", other)):
        if unknown.any() and known.any():
            for suffix, values in measures.items():
                auroc = _auroc(values[known], values[unknown])
                scores[f"unknown_auroc_{name}{suffix}"] = auroc

    return scores


def _by_origin(objects: Sequence[LabeledObject]) -> Iterator[tuple[str, Tensor]]:
    """Yield which objects (N,) are of generators, and which of artists, with a name for each."""
    procedural = torch.tensor([item.is_procedural for item in objects])
    yield "procedural", procedural
    yield "artist", ~procedural


def _ranks(logits: Tensor, families: Tensor) -> Tensor:
    """Return the rank (N,) of the right family, from 0."""
    right = logits.gather(1, families[:, None])
    return (logits > right).sum(1)


def _auroc(known: Tensor, unknown: Tensor) -> float:
    """Return the probability that a known one has a higher score than an unknown one."""
    wins = (known[:, None] > unknown).float() + 0.5 * (known[:, None] == unknown).float()
    return float(wins.mean())


def _part_scores(
    objects: Sequence[LabeledObject], predicted: Tensor, parts: Tensor, groups: int
) -> dict[str, float]:
    """Return accuracy and mean IoU of groups over all labeled pixels, and those of the majority.

    Args:
        objects: N objects.
        predicted: (N, h, w) groups.
        parts: (N, h, w) true groups; -1 for none.
        groups: Number of groups.
    """
    scores = {}
    for origin, chosen in _by_origin(objects):
        is_judged = (parts >= 0) & chosen[:, None, None]
        if not is_judged.any():
            continue

        truth = parts[is_judged]
        values = _group_scores(truth, predicted[is_judged], groups)
        for name, value in values.items():
            scores[f"{name}_{origin}"] = value
    return scores


def _group_scores(truth: Tensor, predicted: Tensor, groups: int) -> dict[str, float]:
    """Return accuracy and mean IoU of the groups of P pixels, and those of the most frequent one.

    Args:
        truth: (P,) groups.
        predicted: (P,) groups.
        groups: Number of groups.
    """
    # How often each group is taken for each other one.
    confusion = torch.bincount(truth * groups + predicted, minlength=groups**2)
    confusion = confusion.reshape(groups, groups).double()
    overlap = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - overlap

    # Groups that are not there would count as perfect or as wrong by chance.
    is_present = confusion.sum(1) > 0
    largest = confusion.sum(1).max() / confusion.sum()

    return {
        "part_miou": float((overlap / union.clamp_min(1))[is_present].mean()),
        "part_accuracy": float(overlap.sum() / confusion.sum()),
        "part_miou_majority": float(largest / is_present.sum()),
        "part_accuracy_majority": float(largest),
    }


def _draw_scores(
    logits: Tensor, batch: SemanticBatch, heads: SemanticHeads, counts: NDArray[np.int64]
) -> dict[str, float]:
    """Return errors of draws in parts of their range, and those of what is usual in training.

    Args:
        logits: (N, D, 32).
        batch: Labels.
        heads: The heads.
        counts: (draws, 32) how often each class is in training.
    """
    targets = [target for each in heads.config.draws.values() for target in each]
    errors: list[float] = []
    usual_errors: list[float] = []
    hits: list[bool] = []
    usual_hits: list[bool] = []

    for image, column in (batch.classes >= 0).nonzero().tolist():
        draw = int(batch.draws[image, column])
        truth = int(batch.classes[image, column])
        target = targets[draw]

        # The heads, and what is usual in training.
        shares = logits[image, column, : target.count].softmax(0).numpy()
        usual = counts[draw, : target.count] + 1e-6
        if target.is_category:
            hits.append(int(shares.argmax()) == truth)
            usual_hits.append(int(usual.argmax()) == truth)
            continue

        # The expected place in the range against that of the true bin.
        middles = (np.arange(target.count) + 0.5) / target.count
        errors.append(abs(float(shares @ middles) - middles[truth]))
        usual_errors.append(abs(float(usual @ middles / usual.sum()) - middles[truth]))

    scores = {}
    if errors:
        scores["draw_error"] = float(np.mean(errors))
        scores["draw_error_mean"] = float(np.mean(usual_errors))
    if hits:
        scores["category_accuracy"] = float(np.mean(hits))
        scores["category_accuracy_majority"] = float(np.mean(usual_hits))
    return scores


def _retrieval_scores(
    objects: Sequence[LabeledObject], queries: dict[str, LookedAt], gallery: Sequence[LookedAt]
) -> dict[str, float]:
    """Return recall@1 and @5 of the right object, for the embedding and its rivals.

    Args:
        objects: N objects.
        queries: What is said of one image of each, by the kind of the images.
        gallery: The same for each of several other views.
    """
    identities = np.array([item.identity for item in objects])
    features: dict[str, Callable[[LookedAt], Vectors]] = {
        "": lambda looked: looked.embeddings.numpy(),
        "_trunk": lambda looked: looked.pooled.numpy(),
        "_pixels": lambda looked: _pixel_features(looked.images),
        "_colors": lambda looked: color_histograms(looked.images.numpy(), _COLORS),
    }
    scores = {}

    for suffix, feature in features.items():
        # The best of the gallery's views counts.
        views = np.stack([feature(looked) for looked in gallery])
        for kind, looked in queries.items():
            similarity = np.einsum("qe,vge->vqg", feature(looked), views).max(0)
            right = np.where(identities[:, None] == identities, similarity, -np.inf).max(1)

            # Other renderings of the same object are no wrong answers.
            is_other = identities[:, None] != identities
            better = ((similarity > right[:, None]) & is_other).sum(1)
            for count in (1, 5):
                scores[f"recall{count}_{kind}{suffix}"] = float((better < count).mean())

    return scores


def _pixel_features(images: Tensor) -> Vectors:
    """Return unit vectors of small gray images and masks."""
    gray = images[:, :3].mean(1, keepdim=True) * images[:, 3:]
    joined = torch.cat((gray, images[:, 3:]), 1)
    small = torch.nn.functional.adaptive_avg_pool2d(joined, _GRAY_SIDE).flatten(1)
    return torch.nn.functional.normalize(small - small.mean(1, keepdim=True), dim=1).numpy()


def format_scores(scores: dict[str, float], count: int) -> str:
    """Return scores as lines of text, in the order in which they were made.

    Args:
        scores: By name.
        count: Number of objects.
    """
    lines = [f"{count} objects"]
    for name, value in scores.items():
        lines.append(f"{name:36} {value:.3f}")
    return "\n".join(lines)
