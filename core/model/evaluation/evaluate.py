"""Judges the model on objects that it never saw, beside two baselines on the same inputs, and what those could tell.

The protocol: posed references, no alignment whatever; a free view in its own frame, its camera unknown; one picture
leaves the depth unknown, of which only the middle is given. IoU on the uniform points of the
box grown by 10 %, the prediction's inside by winding number; Chamfer-L1 (half of both directions' means, unsquared),
F-scores and normal consistency between samples of both surfaces; all lengths in percent of the longest side.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...alignment.side_views import align_side_cameras, mask_bounds
from ...arrays import MeshArrays, View
from ...dataset.index import ObjectLocation, locations_of_split
from ...dataset.passes import world_points
from ...dataset.records import ObjectFile
from ...errors import DatasetError, ImageError, MeshError
from ...geometry import winding_number
from ...geometry.silhouette import render_silhouette
from ...geometry.surface_nets import surface_nets
from ...jobs.task import Progress, Task
from .. import metrics
from ..inference import weights
from ..inference.pipeline import (
    ReconstructionSettings,
    reconstruct_views,
    scaled_to,
    segment_foreground,
    upright_view,
)
from ..inference.preprocessing import assumed_camera
from ..networks.reconstruction import BOUND
from ..training.objects import object_frame, view_frame
from .test_cases import INPUT_VARIANTS, InputVariant, perturbed_views

Points = NDArray[np.floating]
Field = Callable[[Points], NDArray[np.float32]]


@dataclass(frozen=True)
class Metrics:
    """Of one object, or means. IoU, F-scores (at 1, 2, 5 %) and normal consistency in 0..1, Chamfer in percent.

    colour: peak signal-to-noise ratio, dB, of the surface points that the pictures show; NaN for what has no colours.
    """

    iou: float
    chamfer: float
    f1: float
    f2: float
    f5: float
    normals: float
    colour: float = float("nan")


@dataclass(frozen=True)
class EvaluationCase:
    """An object in the frame of a question. points: (P, 3), inside: (P,). surface, normals: (S, 3).

    seen: (Q, 3) points of the surface that the pictures show, and seen_colours (Q, 3) their sRGB colours in 0..1.

    to_object: (4, 4) similarity to the object's own frame, centred, its longest side 1.
    free: the camera is only what a free picture is taken to have.
    """

    views: tuple[View, ...]
    points: Points
    inside: NDArray[np.bool_]
    surface: Points
    normals: Points
    seen: Points
    seen_colors: NDArray[np.floating]
    to_object: NDArray[np.float64]
    free: bool


def evaluate_model(
    datasets: Sequence[Path],
    split: str,
    questions: Sequence[InputVariant] = INPUT_VARIANTS,
    limit: int | None = None,
    resolution: int = 128,
    weights_file: Path | None = None,
    log: Path | None = None,
) -> Task[dict[tuple[str, str], tuple[Metrics, int]]]:
    """Mean scores and number of objects by (question, method); method is "Maquette", "visual hull" or "mean shape", and
    of posed pictures "exact depths", see :func:`depth_carved_hull`.

    Args:
        limit: judge the first that many objects of the split (they are in no order that matters).
        log: a CSV file for every single score.

    Raises:
        DatasetError: a set is missing, damaged, leaks, or the split is empty.
    """
    network, _ = weights.load_weights(weights_file)
    places = sample_objects(datasets, split, limit)
    mean = MeanShape.mean_over_objects(sample_objects(datasets, "train", 400))
    rows: list[tuple[str, str, str, Metrics]] = []
    for index, place in enumerate(places):
        file = place.open_object()
        for question in questions:
            yield Progress(index / len(places), f"{file.record.name}, {question.name}")
            try:
                judged = build_case(file, question)
            except ImageError:  # a picture of it is empty: training leaves such objects out too
                continue
            mesh = yield from predict_mesh(judged, network, resolution)
            rows.append((question.name, "Maquette", file.record.name, score_mesh(mesh, judged)))
            baselines: dict[str, Field] = {
                "visual hull": lambda points, judged=judged: hull_cover(judged.views, points) - 0.5,
                "mean shape": lambda points, judged=judged: mean.sample_at(
                    points, judged.to_object
                ),
            }
            if question.sides:
                baselines["exact depths"] = depth_carved_hull(
                    file, question.sides, judged.to_object
                )
            for method, field in baselines.items():
                rows.append(
                    (
                        question.name,
                        method,
                        file.record.name,
                        score_mesh(_extract_surface(field), judged, field),
                    )
                )
    if log:
        _write_csv(log, rows)
    keys = dict.fromkeys((question, method) for question, method, _, _ in rows)
    grouped = {
        key: [scores for question, method, _, scores in rows if (question, method) == key]
        for key in keys
    }
    return {key: (_mean_metrics(group), len(group)) for key, group in grouped.items()}


def _mean_metrics(group: Sequence[Metrics]) -> Metrics:
    """The means of what is known of each."""
    columns = [
        [value for value in column if not np.isnan(value)]
        for column in zip(*map(astuple, group), strict=True)
    ]
    return Metrics(*(float(np.mean(column)) if column else float("nan") for column in columns))


def silhouette_score(
    image: NDArray[np.float32], settings: ReconstructionSettings
) -> Task[tuple[MeshArrays, float]]:
    """Mesh of a free picture (H, W, 4), as ``reconstruct_photo`` gives it, and how far it agrees with the picture.

    Returns:
        The mesh, and the IoU of its silhouette, from the picture's own camera, with the object's mask.

    Raises:
        As ``reconstruct_photo``.
    """
    network, masks = weights.load_weights(settings.weights)
    image = yield from segment_foreground(image, masks)
    view = upright_view(image, network)
    mesh = yield from reconstruct_views([view], network, settings.resolution)
    agreed = metrics.iou(render_silhouette(mesh, view.camera), image[..., 3] > 0.5)
    return scaled_to(mesh, settings.size).on_ground(), agreed


def build_case(file: ObjectFile, question: InputVariant) -> EvaluationCase:
    """The pictures of ``question`` and the truth, in the frame that reconstruction gives them.

    That is centred, the longest side that is seen 1, and turned as the object or, free, as the view.
    """
    record = file.record
    shape = file.read_shape()
    own = object_frame(record.bounds)
    kinds = [view.kind for view in record.views]
    wanted = question.sides or ("free",)
    missing = [kind for kind in wanted if kind not in kinds]
    if missing:
        raise DatasetError(f"{file.path} has no view {missing[0]!r}")
    chosen = [kinds.index(kind) for kind in wanted]
    images = [file.read_color(i).astype(np.float32) / 255 for i in chosen]
    masks = {kind: image[..., 3] for kind, image in zip(wanted, images, strict=True)}
    for mask in masks.values():
        mask_bounds(mask)
    rows, columns = np.nonzero(masks[wanted[0]] > 0.5)
    transform = view_frame(record.views[chosen[0]].camera, rows, columns, record.bounds.mean(0))
    if question.sides:
        cameras = align_side_cameras(masks)
        larger = (
            np.cbrt(np.linalg.det(transform[:3, :3] @ np.linalg.inv(own[:3, :3])))
            if len(chosen) == 1
            else 1.0
        )
        transform = np.diag((larger, larger, larger, 1.0)) @ own
    else:
        cameras = {"free": assumed_camera(masks["free"])}
    views = perturbed_views(
        [View(image, cameras[kind]) for kind, image in zip(wanted, images, strict=True)], question
    )
    linear = transform[:3, :3]
    turn = linear / np.cbrt(np.linalg.det(linear))
    points, surface = (p @ linear.T + transform[:3, 3] for p in (shape.uniform, shape.surface))
    normals = shape.surface_normals @ turn.T
    free = not question.sides
    seen, seen_colors = _sample_visible(file, chosen)
    seen = seen @ linear.T + transform[:3, 3]
    to_object = own @ np.linalg.inv(transform)
    return EvaluationCase(
        views, points, shape.uniform_inside, surface, normals, seen, seen_colors, to_object, free
    )


def _sample_visible(
    file: ObjectFile, chosen: Sequence[int], count: int = 2000
) -> tuple[Points, NDArray[np.floating]]:
    """Some points (Q, 3) that the ``chosen`` views show, in world space, and their colours (Q, 3)."""
    places = []
    colors = []
    for view in map(file.read_view, chosen):
        shown = (view.colour[..., 3] > 250) & (view.depth > 0)
        places.append(world_points(view)[shown])
        colors.append(view.colour[shown][:, :3] / 255)
    pick = np.random.default_rng(0).permutation(sum(map(len, places)))[:count]
    return np.concatenate(places)[pick], np.concatenate(colors)[pick]


def score_mesh(
    mesh: MeshArrays | None, judged: EvaluationCase, field: Field | None = None, count: int = 20_000
) -> Metrics:
    """Scores of ``mesh`` against the truth; None (nothing was found) scores as badly as can be.

    Args:
        field: inside is above 0, if that is known without asking the mesh.
    """
    if mesh is None:
        return Metrics(0.0, 50.0, 0.0, 0.0, 0.0, 0.0)
    if field:
        inside = field(judged.points) > 0
    else:
        inside = winding_number.points_inside(mesh.vertices, mesh.to_triangles(), judged.points)
    iou = metrics.iou(inside, judged.inside)
    vertices = mesh.vertices.astype(float)
    triangles = mesh.to_triangles()
    points, face = winding_number.sample_triangles(
        vertices, triangles, count, np.random.default_rng(0)
    )
    normals = winding_number.face_normals(vertices, triangles)[face]
    found = metrics.compare_surfaces(points, normals, judged.surface, judged.normals)
    return Metrics(
        iou,
        100 * found.chamfer_l1,
        *found.f_scores,
        found.normal_consistency,
        color_psnr(mesh, judged),
    )


def color_psnr(mesh: MeshArrays, judged: EvaluationCase) -> float:
    """dB, between the points of ``judged`` that are seen and the nearest vertices of ``mesh``; NaN without colours."""
    if mesh.colors is None or not len(judged.seen):
        return float("nan")
    _, index = metrics.nearest_distance(judged.seen, mesh.vertices)
    return float(
        -10 * np.log10(max(np.mean((mesh.colors[index] - judged.seen_colors) ** 2), 1e-10))
    )


def hull_cover(views: Sequence[View], points: Points) -> NDArray[np.float32]:
    """The visual hull (Laurentini 1994) softly: the least alpha (P,) that ``points`` (P, 3) fall on in any view."""
    least = np.ones(len(points), np.float32)
    for view in views:
        alpha = np.pad(view.image[..., 3], 1)
        pixels, _ = view.camera.project(points)
        at = (pixels + 0.5).clip(
            0, np.array(view.image.shape[1::-1]) + 0.999
        )  # in the padded picture, of pixel centres
        whole = at.astype(int).clip(0, np.array(alpha.shape[::-1]) - 2)
        (i, j), (u, v) = whole.T, (at - whole).T
        value = (alpha[j, i] * (1 - u) + alpha[j, i + 1] * u) * (1 - v) + (
            alpha[j + 1, i] * (1 - u) + alpha[j + 1, i + 1] * u
        ) * v
        least = np.minimum(least, value)
    return least


def depth_carved_hull(
    file: ObjectFile, sides: Sequence[str], to_object: NDArray[np.floating]
) -> Field:
    """What is behind the masks of ``sides``, orthographic, and not before what they show, each pixel's depth known.

    Depth maps cannot say more (space carving, Curless and Levoy 1996, doi:10.1145/237170.237269): what is still missing
    is hidden from all of them.

    Args:
        to_object: (4, 4) from the frame of the points to the object's own.
    """
    to_world = np.linalg.inv(object_frame(file.record.bounds)) @ to_object
    kinds = [view.kind for view in file.record.views]
    views = [file.read_view(kinds.index(side)) for side in sides]
    depths = [
        np.pad(np.where(v.colour[..., 3] > 127, v.depth, np.inf), 1, constant_values=np.inf)
        for v in views
    ]

    def at(points: Points) -> NDArray[np.float32]:
        world = points @ to_world[:3, :3].T + to_world[:3, 3]
        pixels_behind = []
        for view, shown in zip(views, depths, strict=True):
            pixels, depth = view.camera.project(world)
            i, j = (np.floor(pixels).astype(int) + 1).clip(0, np.array(shown.shape[::-1]) - 1).T
            pixels_behind.append((depth - shown[j, i]) * view.camera.intrinsics[0, 0])
        return (np.min(pixels_behind, axis=0) + 0.5).clip(-9, 9).astype(np.float32)

    return at


class MeanShape:
    """What training objects are on average, in their own frame: a grid of the share that is inside.

    grid: (D, D, D) float32 over the box grown by 10 %. level: the share that counts as inside, best for those objects.
    """

    def __init__(self, grid: NDArray[np.float32], level: float) -> None:
        self.grid = grid
        self.level = level

    @classmethod
    def mean_over_objects(cls, places: Sequence[ObjectLocation], side: int = 24) -> MeanShape:
        """The mean over the objects in ``places``, from their uniform points."""
        hits = np.zeros(side**3)
        counts = np.zeros(side**3)
        shapes = []
        for place in places:
            file = place.open_object()
            shape = file.read_shape()
            (low, high) = file.record.bounds
            cell = _cell_indices((shape.uniform - (low + high) / 2) / (high - low).max(), side)
            hits += np.bincount(cell, shape.uniform_inside, side**3)
            counts += np.bincount(cell, minlength=side**3)
            shapes.append((cell, shape.uniform_inside))
        share = hits / np.maximum(counts, 1)

        def fit(level: float) -> float:
            return float(
                np.mean([metrics.iou(share[cell] > level, inside) for cell, inside in shapes])
            )

        level = max(np.linspace(0.05, 0.6, 23), key=fit)
        return cls(share.reshape(side, side, side).astype(np.float32), float(level))

    def sample_at(self, points: Points, to_object: NDArray[np.float64]) -> NDArray[np.float32]:
        """Share less the level at ``points`` (P, 3) of a frame that ``to_object`` (4, 4) brings into the object's own.

        The mean shape is so told the object's frame and size, which no method is: it is flattered.
        """
        local = points @ to_object[:3, :3].T + to_object[:3, 3]
        value = self.grid.ravel()[_cell_indices(local, len(self.grid))] - self.level
        return np.where((np.abs(local) < BOUND).all(1), value, -self.level).astype(np.float32)


def _cell_indices(points: Points, side: int) -> NDArray[np.int64]:
    i, j, k = ((points / (2 * BOUND) + 0.5) * side).astype(int).clip(0, side - 1).T
    return (i * side + j) * side + k


def predict_mesh(
    judged: EvaluationCase, network: weights.ReconstructionNetwork, resolution: int
) -> Task[MeshArrays | None]:
    """The model's mesh in the frame of ``judged``, None if it sees nothing solid."""
    try:
        if not judged.free:
            return (yield from reconstruct_views(judged.views, network, resolution))
        (given,) = judged.views
        view = upright_view(given.image, network)
        mesh = yield from reconstruct_views([view], network, resolution)
        turn = view.camera.to_world[:3, :3] @ given.camera.to_world[:3, :3].T
        return replace(mesh, vertices=(mesh.vertices @ turn).astype(np.float32))
    except MeshError:
        return None


def _extract_surface(field: Field, resolution: int = 64) -> MeshArrays | None:
    line = np.linspace(-BOUND, BOUND, resolution + 1)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    values = np.concatenate(
        [field(chunk) for chunk in np.array_split(points, 1 + len(points) // 500_000)]
    )
    try:
        return surface_nets(
            values.reshape((resolution + 1,) * 3).astype(np.float32),
            0.0,
            np.full(3, -BOUND),
            2 * BOUND / resolution,
        )
    except MeshError:
        return None


def sample_objects(datasets: Sequence[Path], split: str, limit: int | None) -> list[ObjectLocation]:
    """Where ``limit`` objects of the split lie, the same ones each time, packed or not."""
    found = [
        (folder, f"{place.name}.tar", place)
        for folder in datasets
        for place in locations_of_split(folder, split)
    ]
    if not found:
        raise DatasetError(f"{', '.join(map(str, datasets))} has no objects in the split {split!r}")
    found.sort(key=lambda each: each[:2])
    return [found[i][2] for i in np.random.default_rng(0).permutation(len(found))[:limit]]


def _write_csv(path: Path, rows: Sequence[tuple[str, str, str, Metrics]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("question", "method", "object", *(field.name for field in fields(Metrics))))
        table.writerows(
            (question, method, name, *(f"{x:.4f}" for x in astuple(scores)))
            for question, method, name, scores in rows
        )


def format_table(result: Mapping[tuple[str, str], tuple[Metrics, int]]) -> str:
    """The means as text, a line a question and method."""
    lines = [
        f"{'views':30}{'method':13}{'objects':>8}{'IoU':>8}{'Chamfer %':>11}"
        f"{'F 1%':>7}{'F 2%':>7}{'F 5%':>7}{'normals':>9}{'color dB':>10}"
    ]
    for (question, method), (s, count) in result.items():
        lines.append(
            f"{question:30}{method:13}{count:8}{s.iou:8.3f}{s.chamfer:11.2f}{s.f1:7.3f}{s.f2:7.3f}{s.f5:7.3f}{s.normals:9.3f}"
            f"{s.colour:10.2f}"
        )
    return "\n".join(lines)
