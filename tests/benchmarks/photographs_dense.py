"""Score the surfaces that are made of rendered photographs against the true ones.

    python tests/benchmarks/photographs_dense.py SETS/* [--views 16] [--side 320] [--solved]

SETS is what ``photograph_sets.py`` wrote; the cameras are the true ones, or with ``--solved``
nothing is known but the photographs with their masks. For the hull alone and for
the fused mesh it prints IoU / Chamfer distance in % of the longest side / F-score at 1 % / at 2 %.
A sampling of 200,000 points against itself has a Chamfer distance of about 0.2 %.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import bpy  # noqa: F401  # before mathutils, which comes with it
import numpy as np
from maquette.core.arrays import MeshArrays
from maquette.core.cameras import Camera
from maquette.core.geometry.topology import check_topology
from maquette.core.geometry.winding_number import (
    orient_and_thicken,
    points_inside,
    sample_triangles,
)
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.dense.reconstruct import reconstruct_surface, surface_of_views
from maquette.core.photogrammetry.dense.records import DenseSettings, DenseShape
from maquette.core.photogrammetry.dense.view_reading import ObjectViews
from maquette.core.photogrammetry.dense.views import crop_view
from maquette.core.photogrammetry.records import SolveSettings
from maquette.core.photogrammetry.solve import solve_photographs
from photographs_solved import similarity
from PIL import Image
from scipy.spatial import cKDTree

SAMPLES = 200_000  # points of each surface
QUERIES = 40_000  # of them, whose distance to the other surface is measured
TESTS = 100_000  # points of the box that are compared inside and outside


@dataclass(frozen=True)
class Truth:
    """The true surface: samples (P, 3), and points (Q, 3) with whether they are inside (Q,)."""

    samples: np.ndarray
    tests: np.ndarray
    inside: np.ndarray


def load_truth(folder: Path) -> Truth:
    """Read or make the samples of a set's true surface."""
    cache = folder / "samples.npz"
    if not cache.exists():
        mesh = np.load(folder / "truth.npz")
        solid = orient_and_thicken(mesh["vertices"], mesh["triangles"])
        samples, _, _ = solid.sample_surface(SAMPLES, np.random.default_rng(0))
        lower = mesh["vertices"].min(0) - 0.05
        upper = mesh["vertices"].max(0) + 0.05
        tests = np.random.default_rng(1).uniform(lower, upper, (TESTS, 3))
        tests = tests[tests[:, 2] > 0]
        inside = solid.contains(tests, rays=9)
        np.savez(cache, samples=samples, tests=tests, inside=inside)
    stored = np.load(cache)
    return Truth(stored["samples"], stored["tests"], stored["inside"])


def load_views(folder: Path, count: int, side: int) -> ObjectViews:
    """Read ``count`` photographs of a set, evenly chosen."""
    text = json.loads((folder / "cameras.json").read_text())
    names = sorted(text["to_world"])
    chosen = [names[index * len(names) // count] for index in range(count)]
    views = []
    for name in chosen:
        image = np.asarray(Image.open(folder / name).convert("RGBA"), np.float32) / 255
        intrinsics = np.array(text["intrinsics"])
        pose = np.array(text["to_world"][name])
        camera = Camera(pose, intrinsics, image.shape[1], image.shape[0])
        views.append(crop_view(image, camera, (0.0, 0.0), side))
    return ObjectViews(views, [], floor=True)


def solve_shape(folder: Path, count: int, settings: DenseSettings) -> DenseShape:
    """Solve ``count`` photographs of a set, and return their surface in the true cameras' space.

    Only the last step, which moves the meshes to where they are scored, knows the true cameras.
    """
    to_world = json.loads((folder / "cameras.json").read_text())["to_world"]
    names = sorted(to_world)
    chosen = [folder / names[index * len(names) // count] for index in range(count)]
    scene = run_to_end(solve_photographs(chosen, SolveSettings()))
    shape = run_to_end(reconstruct_surface(scene, settings))

    own = np.array([entry.camera.to_world[:3, 3] for entry in scene.photographs])
    true = np.array([np.array(to_world[entry.path.name])[:3, 3] for entry in scene.photographs])
    scale, rotation, offset = similarity(own, true)
    meshes = []
    for mesh in (shape.hull, shape.mesh):
        vertices = scale * mesh.vertices.astype(float) @ rotation.T + offset
        meshes.append(replace(mesh, vertices=vertices.astype(np.float32)))
    return replace(shape, hull=meshes[0], mesh=meshes[1])


def score(mesh: MeshArrays, truth: Truth) -> tuple[float, float, float, float]:
    """Return IoU, Chamfer distance in %, and the F-scores at 1 % and 2 %."""
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)
    samples, _ = sample_triangles(vertices, triangles, SAMPLES, np.random.default_rng(0))
    to_true = nearest_distances(samples, truth.samples)
    from_true = nearest_distances(truth.samples, samples)
    f_scores = []
    for limit in (0.01, 0.02):
        precision = (to_true < limit).mean()
        recall = (from_true < limit).mean()
        f_scores.append(float(2 * precision * recall / max(precision + recall, 1e-9)))
    inside = points_inside(vertices, triangles, truth.tests)
    iou = (inside & truth.inside).sum() / (inside | truth.inside).sum()
    chamfer = 100 * float(to_true.mean() + from_true.mean()) / 2
    return float(iou), chamfer, f_scores[0], f_scores[1]


def nearest_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the distances of some of ``points`` to the nearest of ``others``."""
    step = max(len(points) // QUERIES, 1)
    distances, _ = cKDTree(others).query(points[::step])
    return distances


def main() -> None:
    """Read the command line, and print a row for each set and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--solved", action="store_true", help="with solved cameras, not the true")
    parser.add_argument("--side", type=int, default=DenseSettings().max_side)
    parser.add_argument("--detail", type=int, default=DenseSettings().resolution)
    arguments = parser.parse_args()

    settings = DenseSettings(resolution=arguments.detail, max_side=arguments.side)
    rows = []
    for folder in arguments.sets:
        truth = load_truth(folder)
        began = time.process_time()
        if arguments.solved:
            shape = solve_shape(folder, arguments.views, settings)
        else:
            views = load_views(folder, arguments.views, arguments.side)
            shape = run_to_end(surface_of_views(views, settings))
        seconds = time.process_time() - began
        hull = score(shape.hull, truth)
        fused = score(shape.mesh, truth)
        rows.append((hull, fused))
        closed = "closed" if check_topology(shape.mesh).is_watertight else "OPEN"
        np.savez(folder / "mesh.npz", vertices=shape.mesh.vertices, faces=shape.mesh.faces)
        print(
            f"{folder.name}: {_text(hull)} -> {_text(fused)}, {closed}, {seconds:.0f} s cpu",
            flush=True,
        )
    mean = np.mean(rows, axis=0)
    print(f"mean: {_text(mean[0])} -> {_text(mean[1])}")


def _text(values: tuple[float, float, float, float]) -> str:
    iou, chamfer, first, second = values
    return f"{iou:.3f} / {chamfer:.2f} / {first:.3f} / {second:.3f}"


if __name__ == "__main__":
    main()
