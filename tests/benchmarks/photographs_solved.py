"""Score solved cameras against those that rendered photographs were made with.

    python tests/benchmarks/photographs_solved.py SETS/* [--views 16] [--opaque] [--shuffle]
    python tests/benchmarks/photographs_solved.py temple_ring --truth temple_ring/templeR_par.txt

SETS is what ``photograph_sets.py`` wrote; ``--truth`` names a file of Middlebury's. For each set it
prints how many photographs have cameras, the median and largest error of rotation in degrees, of
position in % of the cameras' distance, and the seconds. Solved positions are aligned with the true
ones by a similarity first.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from maquette.core.errors import MaquetteError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.exchange.middlebury import read_middlebury
from maquette.core.photogrammetry.exchange.photographs import place_photographs
from maquette.core.photogrammetry.photo_files import list_photographs
from maquette.core.photogrammetry.records import SolvedScene, SolveSettings
from maquette.core.photogrammetry.solve import solve_photographs
from PIL import Image


def true_poses(folder: Path, truth: Path | None) -> dict[str, list[list[float]]]:
    """Return the true camera to world (4, 4) of each photograph of ``folder`` by its name."""
    if truth is None:
        return json.loads((folder / "cameras.json").read_text())["to_world"]
    model = read_middlebury(truth)
    placed = run_to_end(place_photographs(model, list_photographs(folder), truth.name))
    return {entry.path.name: entry.camera.to_world for entry in placed.photographs}


def choose_views(names: list[str], count: int) -> list[str]:
    """Return ``count`` of ``names``, evenly spread."""
    places = np.linspace(0, len(names), count, endpoint=False).astype(int)
    return [names[place] for place in places]


def opaque_copies(paths: list[Path], folder: Path) -> list[Path]:
    """Write ``paths`` without their alpha into ``folder``; return the copies."""
    copies = []
    for path in paths:
        copy = folder / path.name
        Image.open(path).convert("RGB").save(copy, compress_level=1)
        copies.append(copy)
    return copies


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return scale, rotation (3, 3) and offset (3,) that take ``source`` (P, 3) to ``target``.

    Least squares after Umeyama, "Least-squares estimation of transformation parameters between two
    point patterns", 1991.
    """
    source_mean = source.mean(0)
    target_mean = target.mean(0)
    covariance = (target - target_mean).T @ (source - source_mean) / len(source)
    left, values, right = np.linalg.svd(covariance)
    signs = np.array((1.0, 1.0, np.sign(np.linalg.det(left @ right))))
    rotation = left @ np.diag(signs) @ right
    scale = (values * signs).sum() / source.var(0).sum()
    return scale, rotation, target_mean - scale * rotation @ source_mean


def camera_errors(solved: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of rotation (degrees) and position (% of the distance), each (N,).

    Args:
        solved: camera to world (N, 4, 4).
        true: the same, where the object is around the origin.
    """
    scale, rotation, offset = similarity(solved[:, :3, 3], true[:, :3, 3])
    places = scale * solved[:, :3, 3] @ rotation.T + offset
    distance = np.linalg.norm(true[:, :3, 3] - true[:, :3, 3].mean(0), axis=1).mean()
    position = np.linalg.norm(places - true[:, :3, 3], axis=1) / distance * 100
    turned = rotation @ solved[:, :3, :3] @ true[:, :3, :3].transpose(0, 2, 1)
    cosine = (np.trace(turned, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arccos(cosine.clip(-1, 1))), position


def score(scene: SolvedScene, to_world: dict[str, list[list[float]]]) -> str:
    """Return a line on the errors of ``scene``."""
    solved = np.array([entry.camera.to_world for entry in scene.photographs])
    true = np.array([to_world[entry.path.name] for entry in scene.photographs])
    rotation, position = camera_errors(solved, true)
    return (
        f"rotation {np.median(rotation):.2f} / {rotation.max():.2f} deg, "
        f"position {np.median(position):.2f} / {position.max():.2f} %, "
        f"outlines {scene.outline_agreement}"
    )


def main() -> None:
    """Read the command line and score each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--truth", type=Path, help="file of the true cameras")
    parser.add_argument("--views", type=int, default=0, help="use so many photographs only")
    parser.add_argument("--opaque", action="store_true", help="without the masks in the alpha")
    parser.add_argument("--shuffle", action="store_true", help="not in the order of the walk")
    arguments = parser.parse_args()
    for folder in arguments.sets:
        to_world = true_poses(folder, arguments.truth)
        names = sorted(to_world)
        if arguments.views:
            names = choose_views(names, arguments.views)
        if arguments.shuffle:
            np.random.default_rng(0).shuffle(names)
        paths = [folder / name for name in names]
        with tempfile.TemporaryDirectory() as scratch:
            if arguments.opaque:
                paths = opaque_copies(paths, Path(scratch))
            begin = time.perf_counter()
            try:
                scene = run_to_end(solve_photographs(paths, SolveSettings()))
                result = f"{len(scene.photographs)}/{len(paths)}, {score(scene, to_world)}"
            except MaquetteError as error:
                result = f"refused: {error}"
            seconds = time.perf_counter() - begin
        print(f"{folder.name}: {result}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
