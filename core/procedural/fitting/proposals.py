"""Where a search begins: the nearest seeds, and what a learned head expects of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .candidates import Genome
from .seed_index import ABSTRACT, read_index
from .targets import FittingTarget

_SEEDS = 16  # nearest seeds to begin with
_PICTURE_SEEDS = 22  # the same where only a picture is certain
_MOST_PER_FAMILY = 3
_PROPOSED_SEEDS = 2  # nearest seeds of a proposed family
_FAMILIES = 3  # most probable families that are tried
LEAST_PROBABILITY = 0.02  # of a family that is possible


@dataclass(frozen=True)
class FamilyProposal:
    """What a learned head expects of one family.

    Attributes:
        family: Its name.
        probability: That the object is of it, 0..1.
        samples: Values of draws by address, the most probable ones first; may be empty.
    """

    family: str
    probability: float
    samples: tuple[Mapping[str, float], ...] = ()


def first_genomes(target: FittingTarget, proposals: Sequence[FamilyProposal]) -> list[Genome]:
    """Return the genomes that a search tries first: nearest seeds, and proposals.

    Args:
        target: What is fitted.
        proposals: Of a learned head; may be empty.
    """
    index = read_index()
    genomes = []
    count = _PICTURE_SEEDS if target.is_turned_freely else _SEEDS
    for neighbor in index.nearest(target, count, _MOST_PER_FAMILY):
        genomes.append(Genome(neighbor.family, neighbor.seed, {}, neighbor.yaw))

    ranked = sorted(proposals, key=lambda proposal: -proposal.probability)
    for proposal in ranked[:_FAMILIES]:
        is_usable = proposal.family in index.families and proposal.family not in ABSTRACT
        if not is_usable or proposal.probability < LEAST_PROBABILITY:
            continue
        # Its nearest seeds, of which the first gives the turn, and what the head does not tell.
        nearest = index.nearest(target, _PROPOSED_SEEDS, _PROPOSED_SEEDS, (proposal.family,))
        for neighbor in nearest:
            genome = Genome(neighbor.family, neighbor.seed, {}, neighbor.yaw)
            if genome not in genomes:
                genomes.append(genome)
        base = nearest[0]
        for values in proposal.samples:
            genomes.append(Genome(base.family, base.seed, values, base.yaw))
    return genomes


def more_genomes(target: FittingTarget, family: str, count: int) -> list[Genome]:
    """Return further seeds of a family: those that :func:`first_genomes` leaves out.

    Args:
        target: What is fitted.
        family: Of the seeds.
        count: Number of its nearest seeds, of which the first ones were tried.
    """
    neighbors = read_index().nearest(target, count, count, (family,))
    later = neighbors[_MOST_PER_FAMILY:]
    return [Genome(family, neighbor.seed, {}, neighbor.yaw) for neighbor in later]
