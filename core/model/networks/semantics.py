"""Small heads on the frozen trunk: what an image shows, and how it would be made.

    family      one of the procedural families, or "other"             (B, families)
    embedding   a unit vector that is alike for views of one object    (B, 192)
    parts       the group of the part at pixels of half the size       (B, groups, S/2, S/2)
    draws       for each draw of a family a distribution over bins     (B, draws, 32)

Family and embedding read a summary of the maps: means over the object and a layout of 4 x 4 cells.
Parts are a shallow decoder of all maps and of the image itself, whose edges are those of parts.
Draws are tokens, one for each draw of a family, that attend to the cells of the maps: all share
the same layers, so that a draw costs 160 numbers (Ritchie et al. 2016 propose each random choice
of a program by a network of its own; here the address is the input instead).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...procedural.draw_targets import BINS, DrawTarget
from ...procedural.object_families import OTHER
from .image_trunk import SIDE, ImageTrunk, TrunkMaps, masked_mean
from .layers import Residual, conv_norm_relu, upsample_like

_LAYOUT_CHANNELS = 64  # of each of the 4 x 4 cells
_HIDDEN = 384  # of the layers behind family and embedding
_DROPOUT = 0.1
_PART_LATERAL = 32  # channels of each coarser map in the decoder of parts
_PART_WIDTH = 64
_TOKEN = 128  # width of the tokens of draws and of what they attend to
_HEADS = 4
_BLOCKS = 2
_CELLS32 = SIDE // 32
_CELLS16 = SIDE // 16


@dataclass(frozen=True)
class SemanticsConfig:
    """What the heads predict; stored with their weights.

    trunk_channels: Of the trunk's maps at strides 32, 16, 8 and 4.
    trunk: Fingerprint of the trunk for which they are trained, see ``image_trunk``.
    families: In the order of their logits; the last is "other".
    draws: Targets by family.
    groups: Names of the groups of parts, in the order of their logits.
    embedding: Length of the embedding.
    known_margin: Lead of the best family's logit over that of "other", below which an image shows
        nothing that is known, see :func:`known_margin`.
    temperature: By which logits of families are divided before they become probabilities.
    """

    trunk_channels: tuple[int, int, int, int]
    trunk: str
    families: tuple[str, ...]
    draws: Mapping[str, tuple[DrawTarget, ...]]
    groups: tuple[str, ...]
    embedding: int = 192
    known_margin: float = 0.0
    temperature: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, as JSON holds them."""
        draws = {}
        for family, targets in self.draws.items():
            rows = []
            for target in targets:
                rows.append([target.address, target.kind, target.low, target.high, target.count])
            draws[family] = rows

        return {
            "trunk_channels": list(self.trunk_channels),
            "trunk": self.trunk,
            "families": list(self.families),
            "draws": draws,
            "groups": list(self.groups),
            "embedding": self.embedding,
            "known_margin": self.known_margin,
            "temperature": self.temperature,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> SemanticsConfig:
        """Return the configuration that :meth:`as_dict` stored.

        Raises:
            ValueError, KeyError, TypeError: It is not one that can be built and run.
        """
        draws = {}
        for family, rows in stored["draws"].items():
            draws[str(family)] = tuple(_stored_target(*row) for row in rows)
        config = cls(
            trunk_channels=_stored_channels(stored["trunk_channels"]),
            trunk=str(stored["trunk"]),
            families=tuple(map(str, stored["families"])),
            draws=draws,
            groups=tuple(map(str, stored["groups"])),
            embedding=_stored_count(stored["embedding"]),
            known_margin=float(stored["known_margin"]),
            temperature=float(stored["temperature"]),
        )
        if not config.families or config.families[-1] != OTHER:
            raise ValueError(f"the last family is not {OTHER!r}")
        if not config.temperature > 0:
            raise ValueError("the temperature is not positive")
        return config


class SemanticHeads(nn.Module):
    """All heads.

    Args:
        config: What they predict.
    """

    def __init__(self, config: SemanticsConfig) -> None:
        super().__init__()
        self.config = config
        self.family = SummaryHead(config.trunk_channels, len(config.families))
        self.embedding = SummaryHead(config.trunk_channels, config.embedding)
        self.parts = PartDecoder(config.trunk_channels, len(config.groups))
        self.draws = DrawDecoder(config.trunk_channels, draw_count(config))

        # Scale of the similarities in the contrastive loss, as of CLIP (arXiv:2103.00020).
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def embed(self, maps: TrunkMaps, masks: Tensor) -> Tensor:
        """Return unit vectors (B, E), see :class:`SummaryHead`."""
        return F.normalize(self.embedding(maps, masks), dim=1)


def family_and_part_logits(
    trunk: ImageTrunk, heads: SemanticHeads, images: Tensor, maps: TrunkMaps
) -> tuple[Tensor, Tensor]:
    """Return logits of families and of parts, means of those of images and their mirror images.

    Neither depends on the handedness of what is shown: the mirror image is a second opinion.

    Args:
        trunk: The trunk.
        heads: The heads.
        images: (B, 4, S, S).
        maps: The trunk's of ``images``.

    Returns:
        (B, F) of families, and (B, G, S/2, S/2) of the groups of parts.
    """
    mirrored = images.flip(-1)
    mirrored_maps = trunk(mirrored)

    families = heads.family(maps, images[:, 3:])
    mirrored_families = heads.family(mirrored_maps, mirrored[:, 3:])
    parts = heads.parts(maps, images)
    mirrored_parts = heads.parts(mirrored_maps, mirrored).flip(-1)

    return (families + mirrored_families) / 2, (parts + mirrored_parts) / 2


def known_margin(logits: Tensor) -> Tensor:
    """Return how far (B,) the best family is before "other", by which the unknown is told.

    The maximum logit alone (Vaze et al. 2022, arXiv:2110.06207) tells it worse here: "other" has
    seen many objects of no family.

    Args:
        logits: (B, F), "other" last.
    """
    return logits[:, :-1].amax(1) - logits[:, -1]


def draw_indices(config: SemanticsConfig) -> dict[str, range]:
    """Return the indices of the draws of each family among those of all families."""
    indices = {}
    first = 0
    for family, targets in config.draws.items():
        indices[family] = range(first, first + len(targets))
        first += len(targets)
    return indices


def draw_count(config: SemanticsConfig) -> int:
    """Return the number of draws of all families."""
    return sum(len(targets) for targets in config.draws.values())


class SummaryHead(nn.Module):
    """One vector for an image, from a summary of its maps.

    The summary is the means over the object, the largest values, and a coarse layout.

    Args:
        channels: Of the trunk's maps.
        outputs: Length of the vector.
    """

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        channels32, channels16, channels8, _ = channels
        self.reduce = nn.Conv2d(channels32, _LAYOUT_CHANNELS, 1)
        layout = _LAYOUT_CHANNELS * _CELLS32**2
        sizes = (channels32, channels32, channels16, channels8, layout)
        self.norms = nn.ModuleList(nn.LayerNorm(size) for size in sizes)
        self.layers = nn.Sequential(
            nn.Linear(sum(sizes), _HIDDEN),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, outputs),
        )

    def forward(self, maps: TrunkMaps, masks: Tensor) -> Tensor:
        """Return the vectors (B, outputs).

        Args:
            maps: Of images of 128 x 128 pixels.
            masks: (B, 1, 128, 128) in 0..1.
        """
        values = (
            masked_mean(maps.stride32, masks),
            maps.stride32.amax((2, 3)),
            masked_mean(maps.stride16, masks),
            masked_mean(maps.stride8, masks),
            F.relu(self.reduce(maps.stride32)).flatten(1),
        )
        normalized = [norm(value) for norm, value in zip(self.norms, values, strict=True)]
        vectors: Tensor = self.layers(torch.cat(normalized, 1))
        return vectors


class PartDecoder(nn.Module):
    """Logits of the groups of parts at each pixel of half the image's size.

    The background has no logits: the mask tells it.

    Args:
        channels: Of the trunk's maps.
        groups: Number of groups.
    """

    def __init__(self, channels: Sequence[int], groups: int) -> None:
        super().__init__()
        *coarser, channels4 = channels
        self.laterals = nn.ModuleList(nn.Conv2d(count, _PART_LATERAL, 1) for count in coarser)
        image_channels = 4 * 4**2  # the 4 x 4 pixels of a cell, as channels
        inputs = len(coarser) * _PART_LATERAL + channels4 + image_channels
        self.layers = nn.Sequential(
            conv_norm_relu(2, inputs, _PART_WIDTH),
            Residual(2, _PART_WIDTH),
            nn.Conv2d(_PART_WIDTH, 4 * groups, 1),  # 2 x 2 pixels of a cell, as channels
        )

    def forward(self, maps: TrunkMaps, images: Tensor) -> Tensor:
        """Return logits (B, groups, H/2, W/2).

        Args:
            maps: Of the images.
            images: (B, 4, H, W), sRGB and mask in 0..1.
        """
        finest = maps.stride4
        features = [finest, F.pixel_unshuffle(images, 4)]
        for lateral, values in zip(self.laterals, maps[:-1], strict=True):
            features.append(upsample_like(lateral(values), finest))
        return F.pixel_shuffle(self.layers(torch.cat(features, 1)), 2)


class DrawDecoder(nn.Module):
    """Distributions of draws: a token for each draw, which attends to cells of the image.

    Args:
        channels: Of the trunk's maps.
        draws: Number of draws of all families.
    """

    def __init__(self, channels: Sequence[int], draws: int) -> None:
        super().__init__()
        channels32, channels16, channels8, _ = channels
        self.cells32 = nn.Sequential(nn.Linear(channels32, _TOKEN), nn.LayerNorm(_TOKEN))
        self.cells16 = nn.Sequential(
            nn.Linear(channels16 + channels8, _TOKEN), nn.LayerNorm(_TOKEN)
        )
        cells = _CELLS32**2 + _CELLS16**2
        self.places = nn.Parameter(0.02 * torch.randn(cells, _TOKEN))
        self.tokens = nn.Embedding(draws, _TOKEN)
        layer = nn.TransformerDecoderLayer(
            _TOKEN, _HEADS, 2 * _TOKEN, _DROPOUT, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerDecoder(layer, _BLOCKS, nn.LayerNorm(_TOKEN))
        self.bins = nn.Linear(_TOKEN, BINS)
        self.priors = nn.Embedding(draws, BINS)  # how often a bin is drawn, whatever is seen
        nn.init.zeros_(self.priors.weight)

    def forward(self, maps: TrunkMaps, draws: Tensor) -> Tensor:
        """Return logits (B, D, 32); those beyond the classes of a draw mean nothing.

        Args:
            maps: Of images of 128 x 128 pixels.
            draws: (B, D) int64, index of the draw of each token, -1 for none.
        """
        memory = self._memory(maps)
        is_empty = draws < 0
        indices = draws.clamp_min(0)

        # An image without draws attends to its first token, which counts for nothing.
        padding = is_empty.clone()
        padding[:, 0] = False
        tokens = self.blocks(self.tokens(indices), memory, tgt_key_padding_mask=padding)
        logits: Tensor = self.bins(tokens) + self.priors(indices)

        return logits

    def _memory(self, maps: TrunkMaps) -> Tensor:
        """Return the tokens (B, 80, 128) of the cells."""
        cells32 = maps.stride32.flatten(2).transpose(1, 2)
        halved = F.avg_pool2d(maps.stride8, 2)
        finer = torch.cat((maps.stride16, halved), 1).flatten(2).transpose(1, 2)
        cells = torch.cat((self.cells32(cells32), self.cells16(finer)), 1)
        return cells + self.places


def _stored_target(address: str, kind: str, low: float, high: float, count: int) -> DrawTarget:
    """Return a stored target.

    Raises:
        ValueError: Its range is empty, or it has too many classes.
    """
    if not low < high or type(count) is not int or not 2 <= count <= BINS:
        raise ValueError(f"the draw {address!a} has no range or no classes")
    return DrawTarget(str(address), str(kind), float(low), float(high), count)


def _stored_channels(channels: Sequence[Any]) -> tuple[int, int, int, int]:
    """Return the stored numbers of channels.

    Raises:
        ValueError: They are not four whole numbers of a size that can be built.
    """
    counts = [_stored_count(count) for count in channels]
    if len(counts) != 4:
        raise ValueError("the trunk has not four maps")
    return counts[0], counts[1], counts[2], counts[3]


def _stored_count(count: Any) -> int:
    """Return a stored number of channels.

    Raises:
        ValueError: It is not a whole number of a size that can be built.
    """
    if type(count) is not int or not 1 <= count <= 4096:
        raise ValueError(f"{count!a} is not a number of channels")
    return count
