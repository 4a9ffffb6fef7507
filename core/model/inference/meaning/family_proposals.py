"""What the learned heads expect of a picture, for a search of procedural parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import ImageError, WeightsError
from ....procedural.fitting.proposals import FamilyProposal
from .semantics import ImageMeaning, describe_image

_SAMPLES = 2  # of the draws of a family, beside the most probable values and the expected ones


def propose_families(image: NDArray[np.float32], path: Path | None = None) -> list[FamilyProposal]:
    """Return what the heads expect of an image; nothing without heads for this trunk.

    Args:
        image: (H, W, 4) sRGB in 0..1, the mask of the object as alpha.
        path: Weights of the heads; None for the bundled ones.
    """
    try:
        return proposals_of(describe_image(image, path))
    except (WeightsError, ImageError):  # the nearest seeds remain
        return []


def proposals_of(described: ImageMeaning) -> list[FamilyProposal]:
    """Return the families that an image may show, with samples of their draws."""
    rng = np.random.default_rng(0)
    proposals = []
    for family, probability in described.families:
        draws = described.draws.get(family, ())
        samples: list[dict[str, float]] = []
        if draws:
            # The most probable values, the expected ones, and some drawn at random.
            samples.append({draw.target.address: draw.most_likely() for draw in draws})
            samples.append({draw.target.address: draw.mean() for draw in draws})
            for _ in range(_SAMPLES):
                samples.append({draw.target.address: draw.sample(rng) for draw in draws})
        proposals.append(FamilyProposal(family, probability, tuple(samples)))

    return proposals
