"""Evaluate the model on unseen objects, next to baselines on the same inputs.

The protocol: orthographic views, without any alignment; an unposed view in its own frame, its
camera unknown. A single view leaves the depth unknown, of which only the middle is given. IoU is on
the uniform points of the box grown by 10 %, the prediction's inside by winding number; Chamfer-L1
(half of both directions' means, unsquared), F-scores and normal consistency are between samples of
both surfaces; all lengths are in percent of the longest side.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...alignment.side_views import align_side_cameras, mask_bounds
from ...arrays import MeshArrays, View
from ...atomic_files import write_bytes
from ...dataset.frames import object_frame, view_frame
from ...dataset.index import ObjectLocation, locations_of_split, split_locations
from ...dataset.object_file import ObjectFile
from ...dataset.passes import world_points
from ...errors import DatasetError, ImageError, MeshError
from ...geometry import winding_number
from ...jobs.task import Progress, Task
from .. import metrics
from ..inference import weights
from ..inference.pipeline import reconstruct_views, upright_view
from ..inference.preprocessing import assumed_camera
from ..networks.reconstruction import ReconstructionNetwork
from .baselines import Field, MeanShape, Points, depth_carved_hull, extract_surface, hull_cover
from .test_cases import INPUT_VARIANTS, InputVariant, perturbed_views
from .unseen_side import (
    UnseenSide,
    hidden_from_cameras,
    hidden_surface_scores,
    read_unseen_side,
    silhouette_agreement,
)

# Training objects that the mean shape is of: more hardly change it.
_MEAN_SHAPE_OBJECTS = 400
# Visible surface points on which colors are compared.
_COLOR_POINTS = 2000
# A pixel whose alpha (0 to 255) is above this shows the object and no background.
_OPAQUE = 250
# Percent: Chamfer-L1 of a missing mesh, which could hardly be worse.
_WORST_CHAMFER = 50.0
# Mean squared error below which colors count as equal: 100 dB.
_EQUAL_COLORS = 1e-10


@dataclass(frozen=True)
class Metrics:
    """Scores of one mesh, or means of several. The names are the columns of the CSV file.

    Attributes:
        iou: intersection over union, 0..1.
        chamfer: Chamfer-L1, percent of the longest side.
        f1: F-score at 1 % of the longest side, 0..1.
        f2: F-score at 2 %.
        f5: F-score at 5 %.
        normals: normal consistency, 0..1.
        colour: peak signal-to-noise ratio of the visible surface points, dB; NaN for a mesh without
            colors.
        hidden_f2: F-score at 2 % of the surface that no input shows; NaN if there is none.
        hidden_normals: normal consistency there.
        silhouettes: mean IoU of the silhouettes in five other cameras.
    """

    iou: float
    chamfer: float
    f1: float
    f2: float
    f5: float
    normals: float
    colour: float = float("nan")
    hidden_f2: float = float("nan")
    hidden_normals: float = float("nan")
    silhouettes: float = float("nan")


@dataclass(frozen=True)
class EvaluationCase:
    """Inputs and ground truth of one object, in the frame that inference gives it.

    Attributes:
        views: the inputs.
        points: (P, 3) uniform points.
        inside: (P,) which of them are inside.
        surface: (S, 3) points of the surface.
        normals: (S, 3) their unit normals.
        seen: (Q, 3) points of the surface that the inputs show.
        seen_colors: (Q, 3) their sRGB colors in 0..1.
        to_object: (4, 4) similarity to the object's frame: centered, its longest side 1.
        free: whether the input is an unposed view, whose camera is only assumed.
        unseen: what no input shows.
    """

    views: tuple[View, ...]
    points: Points
    inside: NDArray[np.bool_]
    surface: Points
    normals: Points
    seen: Points
    seen_colors: NDArray[np.floating[Any]]
    to_object: NDArray[np.float64]
    free: bool
    unseen: UnseenSide


@dataclass(frozen=True)
class EvaluationOptions:
    """How to evaluate.

    Attributes:
        limit: number of objects, always the same ones; None for all.
        resolution: cells along the longest side of the model's meshes.
        weights: of the model; None for the bundled ones.
        log: CSV file for every score.
    """

    limit: int | None = None
    resolution: int = 128
    weights: Path | None = None
    log: Path | None = None


_DEFAULT = EvaluationOptions()
# Variant, method, name of the object, its scores.
_Row = tuple[str, str, str, Metrics]


def evaluate_model(
    datasets: Sequence[Path],
    split: str,
    variants: Sequence[InputVariant] = INPUT_VARIANTS,
    options: EvaluationOptions = _DEFAULT,
) -> Task[dict[tuple[str, str], tuple[Metrics, int]]]:
    """Return mean scores and number of objects by (variant, method).

    Methods are "Maquette", "visual hull", "mean shape", and for orthographic views "exact depths",
    see :func:`depth_carved_hull`.

    Args:
        datasets: training sets.
        split: "train", "validation" or "test".
        variants: inputs to evaluate.
        options: number of objects, weights, log.

    Raises:
        DatasetError: a set is missing, damaged, leaks, or the split is empty.
        WeightsError: the weights are missing or damaged.
    """
    network, _ = weights.load_weights(options.weights)
    locations = sample_objects(datasets, split, options.limit)

    # Of training objects: the mean shape must not know the evaluated ones.
    training_locations = sample_objects(datasets, "train", _MEAN_SHAPE_OBJECTS)
    mean_shape = MeanShape.mean_over_objects(training_locations)

    # One row for each object, variant and method.
    rows: list[_Row] = []
    for index, location in enumerate(locations):
        file = location.open_object()
        name = file.record.name
        for variant in variants:
            yield Progress(index / len(locations), f"{name}, {variant.name}")
            try:
                case = build_case(file, variant)
            except ImageError:  # an image of it is empty: training leaves such objects out, too
                continue
            mesh = yield from predict_mesh(case, network, options.resolution)
            rows.append((variant.name, "Maquette", name, score_mesh(mesh, case)))
            for method, field in _baseline_fields(file, variant, case, mean_shape).items():
                scores = score_mesh(extract_surface(field), case, field)
                rows.append((variant.name, method, name, scores))

    if options.log:
        _write_csv(options.log, rows)
    return _means_by_method(rows)


def _baseline_fields(
    file: ObjectFile, variant: InputVariant, case: EvaluationCase, mean_shape: MeanShape
) -> dict[str, Field]:
    """Return the baselines by name."""

    def visual_hull(points: Points) -> NDArray[np.float32]:
        return hull_cover(case.views, points) - np.float32(0.5)

    def mean_field(points: Points) -> NDArray[np.float32]:
        return mean_shape.sample_at(points, case.to_object)

    baselines: dict[str, Field] = {"visual hull": visual_hull, "mean shape": mean_field}
    if variant.sides:
        baselines["exact depths"] = depth_carved_hull(file, variant.sides, case.to_object)
    return baselines


def _means_by_method(rows: Sequence[_Row]) -> dict[tuple[str, str], tuple[Metrics, int]]:
    """Return mean scores and number of objects by (variant, method), in the order of ``rows``."""
    groups: dict[tuple[str, str], list[Metrics]] = {}
    for variant, method, _, scores in rows:
        groups.setdefault((variant, method), []).append(scores)
    return {key: (_mean_metrics(group), len(group)) for key, group in groups.items()}


def _mean_metrics(group: Sequence[Metrics]) -> Metrics:
    """Return the means of the scores that are known; NaN where none is."""
    means = []
    for column in zip(*map(astuple, group), strict=True):
        known = [value for value in column if not np.isnan(value)]
        means.append(float(np.mean(known)) if known else float("nan"))
    return Metrics(*means)


def build_case(file: ObjectFile, variant: InputVariant) -> EvaluationCase:
    """Return inputs and ground truth in the frame that inference gives them.

    That frame is centered, the longest visible side 1, and oriented like the object or, unposed,
    like the view.

    Raises:
        DatasetError: the object lacks a view of ``variant``.
        ImageError: an image is empty.
    """
    record = file.record
    shape = file.read_shape()
    kinds = [view.kind for view in record.views]
    wanted_kinds = variant.sides or ("free",)
    missing = [kind for kind in wanted_kinds if kind not in kinds]
    if missing:
        raise DatasetError(f"{file.path} has no view {missing[0]!r}")
    chosen = [kinds.index(kind) for kind in wanted_kinds]

    # The images, with the cameras that inference gives them.
    images = [file.read_color(index).astype(np.float32) / 255 for index in chosen]
    masks = {kind: image[..., 3] for kind, image in zip(wanted_kinds, images, strict=True)}
    for mask in masks.values():
        mask_bounds(mask)  # raises for an empty image

    if variant.sides:
        cameras = align_side_cameras(masks)
    else:
        cameras = {"free": assumed_camera(masks["free"])}

    clean_views = []
    for kind, image in zip(wanted_kinds, images, strict=True):
        clean_views.append(View(image, cameras[kind]))

    # From world space to the frame of the case, and its rotation alone for the normals.
    transform = _case_transform(file, chosen, masks[wanted_kinds[0]], bool(variant.sides))
    linear = transform[:3, :3]
    offset = transform[:3, 3]
    rotation = linear / np.cbrt(np.linalg.det(linear))
    seen, seen_colors = _sample_visible(file, chosen)

    return EvaluationCase(
        views=perturbed_views(clean_views, variant),
        points=shape.uniform @ linear.T + offset,
        inside=shape.uniform_inside,
        surface=shape.surface @ linear.T + offset,
        normals=shape.surface_normals @ rotation.T,
        seen=seen @ linear.T + offset,
        seen_colors=seen_colors,
        to_object=object_frame(record.bounds) @ np.linalg.inv(transform),
        free=not variant.sides,
        unseen=read_unseen_side(file, chosen, np.linalg.inv(transform)),
    )


def _case_transform(
    file: ObjectFile, views: Sequence[int], mask: NDArray[np.float32], is_posed: bool
) -> NDArray[np.float64]:
    """Return the similarity (4, 4) from world space to the frame of a case.

    Args:
        file: the object.
        views: indices of its views.
        mask: (H, W) of the first view.
        is_posed: whether the views are orthographic.
    """
    # The frame of the view: what inference gives an unposed view.
    record = file.record
    rows, columns = np.nonzero(mask > 0.5)
    camera = record.views[views[0]].camera
    view_transform = view_frame(camera, rows, columns, record.bounds.mean(0))
    if not is_posed:
        return view_transform

    # A single side shows only two lengths, and the longer one counts as 1.
    object_transform = object_frame(record.bounds)
    scale = 1.0
    if len(views) == 1:
        relative = view_transform[:3, :3] @ np.linalg.inv(object_transform[:3, :3])
        scale = np.cbrt(np.linalg.det(relative))
    scaled: NDArray[np.float64] = np.diag((scale, scale, scale, 1.0)) @ object_transform

    return scaled


def _sample_visible(
    file: ObjectFile, views: Sequence[int], count: int = _COLOR_POINTS
) -> tuple[Points, NDArray[np.floating[Any]]]:
    """Return some world-space points (Q, 3) that views show, and their colors (Q, 3) in 0..1."""
    point_parts = []
    color_parts = []
    for index in views:
        view = file.read_view(index)
        is_opaque = view.colour[..., 3] > _OPAQUE
        visible = is_opaque & (view.depth > 0)
        point_parts.append(world_points(view)[visible])
        color_parts.append(view.colour[visible][:, :3] / 255)

    # The same choice each time.
    points = np.concatenate(point_parts)
    colors = np.concatenate(color_parts)
    pick = np.random.default_rng(0).permutation(len(points))[:count]
    return points[pick], colors[pick]


def score_mesh(
    mesh: MeshArrays | None, case: EvaluationCase, field: Field | None = None, count: int = 20_000
) -> Metrics:
    """Compare a mesh with the ground truth.

    Args:
        mesh: in the frame of the case; None, for no mesh at all, gets the worst scores.
        case: with the ground truth.
        field: above 0 inside, if it is known; else the mesh's winding number decides.
        count: samples of the mesh's surface.
    """
    if mesh is None:
        return Metrics(
            iou=0.0,
            chamfer=_WORST_CHAMFER,
            f1=0.0,
            f2=0.0,
            f5=0.0,
            normals=0.0,
            hidden_f2=0.0,
            hidden_normals=0.0,
            silhouettes=0.0,
        )

    triangles = mesh.to_triangles()
    if field:
        inside = field(case.points) > 0
    else:
        inside = winding_number.points_inside(mesh.vertices, triangles, case.points)

    # Samples of the surface, and their normals, against those of the true surface.
    vertices = mesh.vertices.astype(float)
    points, faces = winding_number.sample_triangles(
        vertices, triangles, count, np.random.default_rng(0)
    )
    normals = winding_number.face_normals(vertices, triangles)[faces]
    surface = metrics.compare_surfaces(points, normals, case.surface, case.normals)
    f1, f2, f5 = surface.f_scores

    # The part that no input shows.
    cameras = [view.camera for view in case.views]
    is_hidden = hidden_from_cameras(mesh, cameras, points, normals)
    hidden_f2, hidden_normals = hidden_surface_scores(
        (points, normals), (case.surface, case.normals), (is_hidden, case.unseen.hidden)
    )

    return Metrics(
        iou=metrics.iou(inside, case.inside),
        chamfer=100 * surface.chamfer_l1,
        f1=f1,
        f2=f2,
        f5=f5,
        normals=surface.normal_consistency,
        colour=color_psnr(mesh, case),
        hidden_f2=hidden_f2,
        hidden_normals=hidden_normals,
        silhouettes=silhouette_agreement(mesh, case.unseen),
    )


def color_psnr(mesh: MeshArrays, case: EvaluationCase) -> float:
    """Return the PSNR (dB) between visible points and the nearest vertices; NaN without colors."""
    if mesh.colors is None or not len(case.seen):
        return float("nan")
    _, nearest = metrics.nearest_distance(case.seen, mesh.vertices)
    squared_error = np.mean((mesh.colors[nearest] - case.seen_colors) ** 2)
    return float(-10 * np.log10(max(squared_error, _EQUAL_COLORS)))


def predict_mesh(
    case: EvaluationCase, network: ReconstructionNetwork, resolution: int
) -> Task[MeshArrays | None]:
    """Return the model's mesh in the frame of a case; None if the model sees no solid."""
    try:
        if not case.free:
            return (yield from reconstruct_views(case.views, network, resolution))
        (given,) = case.views
        view = upright_view(given.image, network)
        mesh = yield from reconstruct_views([view], network, resolution)
    except MeshError:
        return None

    # The model turned the object upright; the case is in the frame of the image.
    rotation = view.camera.to_world[:3, :3] @ given.camera.to_world[:3, :3].T
    vertices = (mesh.vertices @ rotation).astype(np.float32)
    return replace(mesh, vertices=vertices, symmetry=None)


def sample_objects(datasets: Sequence[Path], split: str, limit: int | None) -> list[ObjectLocation]:
    """Return at most ``limit`` objects of a split: the same ones each time, packed or not.

    Raises:
        DatasetError: a set is missing or damaged, or the split is empty.
    """
    keyed = []
    for folder in datasets:
        for location in locations_of_split(folder, split):
            keyed.append((folder, f"{location.name}.tar", location))

    # A small set may have lent objects to its empty validation split.
    if not keyed and split == "validation":
        for location in split_locations(datasets, split):
            keyed.append((location.file.parent, f"{location.name}.tar", location))
    if not keyed:
        names = ", ".join(map(str, datasets))
        raise DatasetError(f"{names} has no objects in the split {split!r}")

    # Sorted by file name, as sets that are not packed list them, then shuffled.
    keyed.sort(key=lambda entry: entry[:2])
    order = np.random.default_rng(0).permutation(len(keyed))[:limit]
    return [keyed[index][2] for index in order]


def _write_csv(path: Path, rows: Sequence[_Row]) -> None:
    """Write all scores; the header is what readers of older files know."""
    buffer = io.StringIO(newline="")
    table = csv.writer(buffer)
    score_names = [field.name for field in fields(Metrics)]
    table.writerow(["question", "method", "object", *score_names])
    for variant, method, name, scores in rows:
        values = [f"{value:.4f}" for value in astuple(scores)]
        table.writerow([variant, method, name, *values])
    write_bytes(path, buffer.getvalue())


def format_table(result: Mapping[tuple[str, str], tuple[Metrics, int]]) -> str:
    """Return the means as text, a line for each variant and method."""
    lines = [
        f"{'views':30}{'method':13}{'objects':>8}{'IoU':>8}{'Chamfer %':>11}"
        f"{'F 1%':>7}{'F 2%':>7}{'F 5%':>7}{'normals':>9}{'color dB':>10}"
        f"{'hidden F 2%':>13}{'hidden normals':>16}{'silhouettes':>13}"
    ]
    for (variant, method), (scores, count) in result.items():
        lines.append(
            f"{variant:30}{method:13}{count:8}{scores.iou:8.3f}{scores.chamfer:11.2f}"
            f"{scores.f1:7.3f}{scores.f2:7.3f}{scores.f5:7.3f}"
            f"{scores.normals:9.3f}{scores.colour:10.2f}"
            f"{scores.hidden_f2:13.3f}{scores.hidden_normals:16.3f}{scores.silhouettes:13.3f}"
        )

    return "\n".join(lines)
