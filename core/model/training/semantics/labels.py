"""What is known of the objects of training sets: family, groups of parts, draws, identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....dataset.records import Record
from ....procedural import FAMILIES, make_object
from ....procedural.draw_targets import BINS, DrawTarget
from ....procedural.object_families import OTHER, UNSURE, family_of, is_procedural
from ....procedural.part_groups import group_table, part_group
from ...networks.semantics import SemanticsConfig, draw_count, draw_indices
from ..dense.objects import DenseObject
from .part_words import group_of_name

NONE = -1  # stands for an unknown family, group or class of a draw
_PROCEDURAL = "procedural"
_SAME_BOUNDS = 1e-3  # of the longest side: greatest difference of an object that is made anew


@dataclass(frozen=True)
class LabeledObject:
    """An object and what the heads should say of its images.

    Attributes:
        item: Its views.
        identity: Number that all renderings of one object share, also those of other sets.
        family: Index of its family; -1 if it is not known, or one that the heads do not know.
        is_known: Whether it is of a family of the heads that is not "other".
        groups: (256,) int64 group of each number of its part maps; -1 for none. None if it has no
            part maps, or their names are those of artists and these are not used.
        draws: (D,) int64 class of each draw of its family; -1 of those that are not known.
    """

    item: DenseObject
    identity: int
    family: int
    is_known: bool
    groups: NDArray[np.int64] | None
    draws: NDArray[np.int64]

    @property
    def is_procedural(self) -> bool:
        """Whether the object comes from a generator."""
        return is_procedural(self.item.record)


def label_objects(
    items: Sequence[DenseObject], config: SemanticsConfig, named_parts: bool = False
) -> list[LabeledObject]:
    """Return ``items`` with labels, in their order.

    Args:
        items: Objects.
        config: Of the heads.
        named_parts: Whether parts that artists have named count as far as their names are clear,
            see ``part_words``, and not only those of generators.
    """
    identities: dict[str, int] = {}
    indices = {name: index for index, name in enumerate(config.families)}
    labeled = []

    for item in items:
        family = family_of(item.record)
        targets = config.draws.get(family, ())
        labeled.append(
            LabeledObject(
                item=item,
                identity=identities.setdefault(item.name, len(identities)),
                family=indices.get(family, NONE),
                is_known=family != OTHER and family in indices,
                groups=_part_groups(item.record, config.groups, named_parts),
                draws=_draw_classes(item.record, targets),
            )
        )

    return labeled


def draw_counts(records: Iterable[Record], config: SemanticsConfig) -> NDArray[np.int64]:
    """Return how often each class of each draw is (draws, 32) among objects, to guess by.

    Args:
        records: Of the objects.
        config: Of the heads.
    """
    indices = draw_indices(config)
    counts = np.zeros((draw_count(config), BINS), np.int64)
    for record in records:
        family = family_of(record)
        classes = _draw_classes(record, config.draws.get(family, ()))
        for draw, index in zip(indices.get(family, ()), classes, strict=True):
            if index >= 0:
                counts[draw, index] += 1

    return counts


def is_unsure(record: Record) -> bool:
    """Return whether the name of an object leaves its family open."""
    return family_of(record) == UNSURE


def _part_groups(
    record: Record, groups: Sequence[str], named_parts: bool
) -> NDArray[np.int64] | None:
    """Return the group (256,) of each number of an object's part maps; None for no group."""
    if not record.parts:
        return None
    if record.parts_from == _PROCEDURAL:
        part_names = [part_group(label, record.family) for label in record.parts]
    elif named_parts:
        family = family_of(record)
        part_names = [group_of_name(name, family) for name in record.parts]
    else:
        return None

    table = group_table(part_names, groups)
    is_known = bool((table >= 0).any())

    return table if is_known or record.parts_from == _PROCEDURAL else None


def _draw_classes(record: Record, targets: Sequence[DrawTarget]) -> NDArray[np.int64]:
    """Return the class (D,) of each of ``targets``."""
    classes = np.full(len(targets), NONE)
    if not targets:
        return classes
    values = _drawn_values(record)
    for index, target in enumerate(targets):
        if target.address in values:
            classes[index] = target.class_of(values[target.address])
    return classes


def _drawn_values(record: Record) -> Mapping[str, float]:
    """Return the draws of a procedural object by their addresses; empty if they are not known.

    Sets that do not store them come from seeds. The object is made anew, and counts only if it is
    still as large as the one that was rendered, since generators change.
    """
    stored = record.more.get("draws")
    if stored:
        return {str(address): float(value) for address, value in stored}
    origin, _, seed = record.source.rpartition(":")
    if record.family not in FAMILIES or origin != f"{_PROCEDURAL}:{record.family}":
        return {}

    # Another extent means that the generator has changed since.
    obj = make_object(record.family, int(seed))
    vertices = np.concatenate([part.mesh.vertices for part in obj.parts])
    extent = vertices.max(0) - vertices.min(0)
    stored_extent = record.bounds[1] - record.bounds[0]
    if np.abs(extent - stored_extent / stored_extent.max()).max() > _SAME_BOUNDS:
        return {}
    return {draw.address: draw.value for draw in obj.draws}
