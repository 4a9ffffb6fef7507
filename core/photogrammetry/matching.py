"""Features and their verified matches, by pycolmap's SIFT on the CPU, in a database of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..jobs.task import Progress, Task
from .ambiguity import PairInliers, ring_distance
from .photo_files import Photograph

_LARGE = 1000  # pixels: from here on octaves below the image's own size cost much and give little
_FEATURES = {"large": 2500, "small": 3000}
_EXHAUSTIVE = 60  # photographs: beyond this only neighbors in order, and some all over the set
_NEIGHBORS = 8
_KEYFRAMES = 20
_BATCH = 16  # pairs between two reports of progress
_SEED = 0
LEAST_INLIERS = 15


@dataclass
class MatchDatabase:
    """Where features and matches of photographs are.

    folder: of reduced images, ``image_names[i]`` that of photograph i. image_ids: their numbers in
        the database.
    """

    folder: Path
    image_names: list[str]
    image_ids: list[int] = field(default_factory=list)
    feature_counts: list[int] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Of the SQLite file."""
        return self.folder / "database.db"


def extract_features(
    database: MatchDatabase, photographs: list[Photograph], sizes: list[tuple[int, int]]
) -> Task[None]:
    """Find SIFT features of each reduced image; photographs of one size and lens share a camera.

    Args:
        database: is filled.
        photographs: what the images were.
        sizes: width and height of the reduced images, pixels.
    """
    import pycolmap

    pycolmap.logging.minloglevel = pycolmap.logging.FATAL.value
    cameras: dict[tuple[int, int, float], int] = {}
    for index, (name, photograph) in enumerate(zip(database.image_names, photographs, strict=True)):
        yield Progress(index / len(photographs), f"Features {index + 1}/{len(photographs)}")

        # The same camera for photographs of one size and lens.
        reader = pycolmap.ImageReaderOptions()
        reader.camera_model = "SIMPLE_RADIAL"
        reader.existing_camera_id = cameras.get(photograph.camera_key, -1)

        # The EXIF focal length is where the solver begins; without it 1.2 times the longer side.
        if photograph.focal and reader.existing_camera_id < 0:
            width, height = sizes[index]
            focal = photograph.focal * max(sizes[index]) / max(photograph.width, photograph.height)
            reader.camera_params = f"{focal},{width / 2},{height / 2},0"

        pycolmap.extract_features(
            database.path,
            database.folder,
            [name],
            pycolmap.CameraMode.SINGLE,
            reader,
            _extraction_options(max(sizes[index])),
            pycolmap.Device.cpu,
        )

        # What pycolmap called the image, and which camera it made for it.
        with pycolmap.Database.open(database.path) as opened:
            image = opened.read_image_with_name(name)
            assert image is not None, "pycolmap has just written it"
            database.image_ids.append(image.image_id)
            database.feature_counts.append(opened.num_keypoints_for_image(image.image_id))

        cameras[photograph.camera_key] = image.camera_id


def match_features(database: MatchDatabase) -> Task[None]:
    """Match features of all pairs, or if there are many of those near in order, and verify them."""
    import pycolmap

    pairs = _pairs_to_match(len(database.image_names))
    options = pycolmap.FeatureMatchingOptions()
    options.type = pycolmap.FeatureMatcherType.SIFT_BRUTEFORCE  # others abort the process
    options.use_gpu = False
    verification = verification_options()
    listed = pycolmap.ImportedPairingOptions()
    listed.match_list_path = database.folder / "pairs.txt"

    # In batches, since pycolmap reports nothing while it matches.
    for begin in range(0, len(pairs), _BATCH):
        yield Progress(begin / len(pairs), f"Matching {begin}/{len(pairs)} pairs")
        lines = [
            f"{database.image_names[first]} {database.image_names[second]}\n"
            for first, second in pairs[begin : begin + _BATCH]
        ]
        listed.match_list_path.write_text("".join(lines))
        pycolmap.match_image_pairs(
            database.path, options, listed, verification, pycolmap.Device.cpu
        )


def read_pairs(database: MatchDatabase) -> list[PairInliers]:
    """Return the verified matches of every pair that has any."""
    import pycolmap

    index_of = {image_id: index for index, image_id in enumerate(database.image_ids)}
    pairs = []
    with pycolmap.Database.open(database.path) as opened:
        keypoints = {
            image_id: opened.read_keypoints(image_id)[:, :2] for image_id in database.image_ids
        }
        for pair_id, geometry in zip(*opened.read_two_view_geometries(), strict=True):
            # Fewer matches than that may agree by chance.
            matches = np.asarray(geometry.inlier_matches)
            if len(matches) < LEAST_INLIERS:
                continue
            first, second = pycolmap.pair_id_to_image_pair(pair_id)
            pairs.append(
                PairInliers(
                    index_of[first],
                    index_of[second],
                    keypoints[first][matches[:, 0]],
                    keypoints[second][matches[:, 1]],
                )
            )

    return pairs


def drop_pairs(database: MatchDatabase, pairs: list[tuple[int, int]]) -> None:
    """Take the verified matches of ``pairs`` of photographs out of the database."""
    import pycolmap

    with pycolmap.Database.open(database.path) as opened:
        for first, second in pairs:
            opened.delete_two_view_geometry(database.image_ids[first], database.image_ids[second])


def match_counts(pairs: list[PairInliers], count: int) -> NDArray[np.int64]:
    """Return how many verified matches each pair of ``count`` photographs has, (N, N)."""
    counts = np.zeros((count, count), np.int64)
    for pair in pairs:
        counts[pair.first, pair.second] = len(pair.first_pixels)
        counts[pair.second, pair.first] = len(pair.first_pixels)
    return counts


def verification_options() -> Any:
    """Return how matches are verified: the same ones give the same geometry."""
    import pycolmap

    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = _SEED
    return options


def _extraction_options(side: int) -> Any:
    import pycolmap

    options = pycolmap.FeatureExtractionOptions()
    options.use_gpu = False
    large = side >= _LARGE
    options.sift.first_octave = 0 if large else -1
    options.sift.max_num_features = _FEATURES["large" if large else "small"]

    return options


def _pairs_to_match(count: int) -> list[tuple[int, int]]:
    every = [(first, second) for first in range(count) for second in range(first + 1, count)]
    if count <= _EXHAUSTIVE:
        return every

    # Neighbors in order, and a few from all around with each other.
    step = max(count // _KEYFRAMES, 1)

    return [
        (first, second)
        for first, second in every
        if ring_distance(first, second, count) <= _NEIGHBORS
        or (first % step == 0 and second % step == 0)
    ]
