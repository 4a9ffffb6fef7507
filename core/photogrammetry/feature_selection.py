"""Which features may match: not those of a background that does not move with the object.

On a turntable the background stays while the object turns, and between two rings an object that is
turned over has moved on its floor. In both cases features of the background fit together better
than those of the object, and would give wrong cameras.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jobs.task import Progress, Task
from .ambiguity import sample_mask
from .matching import MatchDatabase, verification_options

_STILL_PIXELS = 1.0  # by which a feature of the background may move
_STILL_SHARE = 1 / 1000  # of the longer side of an image, if that is more
_STILL_MATCHES = 8  # of a pair that shows the same background
_STILL_PAIRS = 0.5  # of all pairs: no walk around an object leaves anything in its place
_VOTES = 0.2  # share of the other images that show a feature of the background at its place
_LEAST_MATCHES = 15  # of a pair, to be verified
_BATCH = 64  # pairs between two reports of progress

_Matches = dict[tuple[int, int], NDArray[np.int64]]


def still_features(
    database: MatchDatabase, sizes: list[tuple[int, int]]
) -> list[NDArray[np.bool_]] | None:
    """Find the features of a background that stays in its place while the object turns.

    Args:
        database: With matches of features.
        sizes: Width and height of each image, pixels.

    Returns:
        For each image (K,) whether a feature lies on that background; None if nothing stays in
        its place, as on a walk.
    """
    points, matches = _read_features(database)
    votes = [np.zeros(len(each), np.int64) for each in points]
    still_pairs = 0

    for (first, second), numbers in matches.items():
        if sizes[first] != sizes[second]:
            continue

        # A feature near the axis of the turntable hardly moves between neighbors, but it does
        # between most images: so votes are counted.
        move = points[first][numbers[:, 0]] - points[second][numbers[:, 1]]
        tolerance = max(_STILL_PIXELS, _STILL_SHARE * max(sizes[first]))
        is_still = np.linalg.norm(move, axis=1) < tolerance
        votes[first][np.unique(numbers[is_still, 0])] += 1
        votes[second][np.unique(numbers[is_still, 1])] += 1
        still_pairs += int(is_still.sum() >= _STILL_MATCHES)

    if still_pairs < max(_STILL_PAIRS * len(matches), 1):
        return None
    least = max(_VOTES * (len(points) - 1), 2)
    return [vote >= least for vote in votes]


def features_within(
    database: MatchDatabase, masks: list[NDArray[np.bool_] | None]
) -> list[NDArray[np.bool_]]:
    """Return for each image (K,) whether a feature lies on the object; all do without a mask."""
    points, _ = _read_features(database)
    inside = []
    for pixels, mask in zip(points, masks, strict=True):
        if mask is None:
            inside.append(np.ones(len(pixels), bool))
        else:
            inside.append(sample_mask(mask, pixels))

    return inside


def match_only(database: MatchDatabase, allowed: list[NDArray[np.bool_]]) -> Task[None]:
    """Take all matches of other features out of the database, and verify what is left anew.

    Args:
        database: With matches of features.
        allowed: For each image (K,) whether a feature may match.
    """
    import pycolmap

    _, matches = _read_features(database)
    kept: _Matches = {}
    for (first, second), numbers in matches.items():
        is_allowed = allowed[first][numbers[:, 0]] & allowed[second][numbers[:, 1]]
        kept[first, second] = numbers[is_allowed]
    _replace_matches(database, kept)

    # Pairs with few matches could not be verified.
    pairs = [pair for pair, numbers in kept.items() if len(numbers) >= _LEAST_MATCHES]
    listed = database.folder / "verified.txt"
    for begin in range(0, len(pairs), _BATCH):
        yield Progress(begin / len(pairs), f"Verifying {begin}/{len(pairs)} pairs")
        lines = [
            f"{database.image_names[first]} {database.image_names[second]}\n"
            for first, second in pairs[begin : begin + _BATCH]
        ]
        listed.write_text("".join(lines))
        pycolmap.verify_matches(database.path, listed, verification_options())


def _read_features(database: MatchDatabase) -> tuple[list[NDArray[np.floating[Any]]], _Matches]:
    """Return the places (K, 2) of features by image, and the matches (M, 2) of pairs of images."""
    import pycolmap

    index_of = {image_id: index for index, image_id in enumerate(database.image_ids)}
    matches: _Matches = {}
    with pycolmap.Database.open(database.path) as opened:
        points = [opened.read_keypoints(image_id)[:, :2] for image_id in database.image_ids]
        for pair_id, numbers in zip(*opened.read_all_matches(), strict=True):
            first, second = pycolmap.pair_id_to_image_pair(pair_id)
            pair = index_of[first], index_of[second]
            matches[pair] = np.asarray(numbers, np.int64).reshape(-1, 2)

    return points, matches


def _replace_matches(database: MatchDatabase, matches: _Matches) -> None:
    """Write other matches of all pairs, and forget what was verified."""
    import pycolmap

    with pycolmap.Database.open(database.path) as opened:
        opened.clear_two_view_geometries()
        for (first, second), numbers in matches.items():
            ids = database.image_ids[first], database.image_ids[second]
            opened.delete_matches(*ids)
            opened.write_matches(*ids, numbers.astype(np.uint32))
