"""From images to a mesh, as a task.

The steps of a reconstruction, from the functions below:

    segment_foreground     the object's mask in each image            (foreground)
    upright_view           a camera for a single image, or            (preprocessing)
    align_side_cameras     cameras for orthographic views             (alignment.side_views)
    reconstruct_views      features of the views                      (networks.reconstruction)
                           a field that agrees with the masks         (occupancy_field)
                           its surface as a mesh                      (geometry.mise, surface_nets)
                           its symmetry plane                         (geometry.symmetry)
                           vertex colors and confidence               (texture_baking, confidence)
    fit_to_views           optional: match the outlines of the masks  (silhouette_fitting)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...alignment.side_views import align_side_cameras
from ...alignment.view_selection import most_different_views
from ...arrays import MeshArrays, SourceView, View
from ...errors import MeshError
from ...geometry.connectivity import remove_small_components
from ...geometry.mise import evaluate_multiresolution
from ...geometry.surface_nets import surface_nets, taubin_smooth
from ...geometry.symmetry import find_symmetry_plane
from ...geometry.texture_baking import ColorPrediction, vertex_colors_from_views
from ...imaging.image_files import encode_png
from ...jobs.task import Progress, Task, subtask
from ..networks.layers import device_of
from ..networks.projection import camera_matrix
from ..networks.reconstruction import BOUND, Features, ReconstructionNetwork
from . import weights
from .confidence import apply_calibration, occupancy_contrast
from .foreground import segment_foreground, segment_images
from .occupancy_field import CHUNK, HullConstrainedField, Outlines
from .preprocessing import (
    assumed_camera,
    crop_camera,
    crop_mask,
    crop_view,
    median_filter,
    rotate_upright,
)
from .silhouette_fitting import fit_to_views, measure_silhouettes

Pixels = NDArray[np.float32]

# Views that the network looks at, as many as it was trained on; the masks of all bound the object.
_MOST_VIEWS = 4
_MASK_SIZE = 256  # pixels: width and height of the masks that constrain the field

# A component is kept if it has this share of the largest one's volume, or of the longest one's
# length.
_MIN_COMPONENT = 0.01
_MIN_COMPONENT_LENGTH = 0.15

# If the solid leaves the volume on more than this share of the rays, the object is made smaller in
# it, step by step.
_MAX_CUT_SHARE = 0.05
_SHRINK = 0.7
_MIN_FRAME_SCALE = 0.5


@dataclass(frozen=True)
class ReconstructionSettings:
    """How to reconstruct.

    resolution: Cells along each side of the finest grid, 32 to 256; time and memory grow with its
        square.
    weights: A .safetensors file; None for the bundled one.
    device: Where PyTorch computes: "cpu", "cuda" or "mps".
    fit: Whether to finally move the surface so that its silhouettes match the masks.
    keep_holes: Whether the masks that are found may have holes.
    """

    resolution: int = 128
    weights: Path | None = None
    device: str = "cpu"
    fit: bool = False
    keep_holes: bool = True


_DEFAULTS = ReconstructionSettings()


def reconstruct_photo(
    image: Pixels, settings: ReconstructionSettings = _DEFAULTS
) -> Task[MeshArrays]:
    """Return the mesh of the object in one image of unknown camera; its longest side is 1.

    The mesh is upright, turned as in the image, centered in x and y, with its lowest point at z =
    0.

    Args:
        image: (H, W, 4), see :class:`~..arrays.View`; without alpha the object is segmented.
        settings: How to reconstruct.

    Raises:
        ImageError: No object was found.
        WeightsError: The weights are missing or damaged.
        MeshError: The model finds no solid in the image.
    """
    network, foreground_network = weights.load_weights(settings.weights, settings.device)
    segmentation = segment_foreground(image, foreground_network, settings.keep_holes)
    image = yield from subtask(segmentation, 0.0, 0.05)
    views = [upright_view(image, network)]
    mesh = yield from reconstruct_and_fit(views, network, settings.resolution, settings.fit)
    return scaled_to(mesh, 1.0).on_ground()


def reconstruct_sides(
    images: Mapping[str, Pixels], settings: ReconstructionSettings = _DEFAULTS
) -> Task[MeshArrays]:
    """Return the mesh of the object in orthographic views of its sides.

    Its longest side is 1, and its center the origin.

    Args:
        images: (H, W, 4) each, by the names of ``cameras.SIDES``. They need not be framed alike:
            the bounding boxes of the masks are aligned.
        settings: How to reconstruct.

    Raises:
        ImageError: No object was found in one of the images.
        WeightsError: The weights are missing or damaged.
        MeshError: The model finds no solid in the images.
    """
    network, foreground_network = weights.load_weights(settings.weights, settings.device)
    segmented = yield from segment_images(images, foreground_network, settings.keep_holes)

    masks = {name: image[..., 3] for name, image in segmented.items()}
    cameras = align_side_cameras(masks)
    views = [View(image, cameras[name]) for name, image in segmented.items()]

    mesh = yield from reconstruct_and_fit(views, network, settings.resolution, settings.fit)
    return scaled_to(mesh, 1.0)


def upright_view(image: Pixels, network: ReconstructionNetwork) -> View:
    """Return an image of unknown camera as a view in an upright frame: x right, y away.

    The network estimates the up direction, and thereby how far the camera looks down.

    Args:
        image: (H, W, 4), the mask of the object as alpha.
        network: The reconstruction network.

    Raises:
        ImageError: The mask is empty.
    """
    camera = assumed_camera(image[..., 3])
    up = _estimate_up(View(image, camera), network)
    return View(image, rotate_upright(camera, up))


def reconstruct_and_fit(
    views: Sequence[View], network: ReconstructionNetwork, resolution: int, fit: bool
) -> Task[MeshArrays]:
    """Return the mesh of :func:`reconstruct_views`, with its source views for textures.

    Args:
        views: See :func:`reconstruct_views`.
        network: The reconstruction network.
        resolution: Cells along each side of the finest grid.
        fit: Whether to fit the mesh to the masks.

    Raises:
        MeshError: See :func:`reconstruct_views`.
    """
    task = reconstruct_views(views, network, resolution)
    if fit:
        mesh = yield from subtask(task, 0.0, 0.4)
        mesh, agreement = yield from subtask(fit_to_views(mesh, views), 0.4, 1.0)
        silhouettes = [*zip(agreement.before, agreement.after, strict=True)]
    else:
        mesh = yield from task
        silhouettes = [(score, score) for score in measure_silhouettes(mesh, views)]

    source_views = []
    for view, silhouette in zip(views, silhouettes, strict=True):
        source_views.append(SourceView(encode_png(view.image), view.camera, silhouette))
    return replace(mesh, views=tuple(source_views))


def reconstruct_views(
    views: Sequence[View], network: ReconstructionNetwork, resolution: int
) -> Task[MeshArrays]:
    """Return the mesh of the object in ``views``, in the frame of their cameras.

    Args:
        views: The object's longest visible side is 1, about the origin of the cameras' frame.
        network: The reconstruction network.
        resolution: Cells along each side of the finest grid.

    Raises:
        MeshError: The model finds no solid.
    """
    features, field, frame_scale = yield from _build_field(views, network, resolution)
    mesh = yield from _extract_surface(field, resolution)

    contrast = yield from subtask(
        occupancy_contrast(field, mesh), 0.75, 0.8, "Estimating confidence"
    )
    confidence = apply_calibration(contrast, network.calibration_for(features))
    predict = _color_prediction(network, features, mesh.vertices)

    # Back from the field's frame to that of the cameras.
    vertices = mesh.vertices / np.float32(frame_scale)
    mesh = replace(mesh, vertices=vertices, confidence=confidence)

    yield Progress(0.8, "Finding symmetry")
    mesh = replace(mesh, symmetry=find_symmetry_plane(mesh, views))

    # The images give the colors wherever they show the surface. Of one view the network would
    # repeat the front on the back.
    crops = []
    for view in views:
        yield Progress(0.85, "Coloring")
        crops.append(crop_view(view, 2 * resolution))
    cell = 2 * BOUND / resolution / frame_scale
    coloring = vertex_colors_from_views(mesh, crops, cell, predict if len(views) > 1 else None)
    colors = yield from subtask(coloring, 0.85, 1.0, "Coloring")

    return replace(mesh, colors=colors)


def _build_field(
    views: Sequence[View], network: ReconstructionNetwork, resolution: int
) -> Task[tuple[Features, HullConstrainedField, float]]:
    """Return features, the field to extract, and the scale of its frame.

    The scale is relative to the frame of the cameras. It is below 1 if the depth of a single view
    needs more room than the volume has.
    """
    frame_scale = 1.0
    while True:
        scaled_views = []
        for view in views:
            scaled_views.append(View(view.image, view.camera.scaled(frame_scale)))
        features, outlines = yield from _encode_views(scaled_views, network)
        field = HullConstrainedField(network, features, outlines, resolution)

        is_last = len(views) > 1 or frame_scale <= _MIN_FRAME_SCALE
        max_cut_share = 1.0 if is_last else _MAX_CUT_SHARE
        cut_share = yield from subtask(field.prepare(max_cut_share), 0.1, 0.3, "Encoding images")
        if is_last or cut_share <= _MAX_CUT_SHARE:
            return features, field, frame_scale
        frame_scale *= _SHRINK


def _extract_surface(field: HullConstrainedField, resolution: int) -> Task[MeshArrays]:
    """Return the surface of ``field`` as a smoothed mesh in its frame.

    Raises:
        MeshError: The field is empty.
    """
    # The grid is shifted by half a cell. The middle of a thin object, at the origin, is then
    # between two corners of the grid, both of which may be inside, rather than on one corner with
    # both neighbors outside.
    half_cell = BOUND / resolution

    def shifted_field(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return field(points + half_cell)

    evaluation = evaluate_multiresolution(
        shifted_field, resolution, BOUND, seeds=field.seeds - half_cell, reach=field.reach
    )
    values = yield from subtask(evaluation, 0.3, 0.75, "Evaluating shape")

    yield Progress(0.75, "Extracting surface")
    try:
        mesh = surface_nets(values, 0.0, np.full(3, half_cell - BOUND), 2 * half_cell)
        mesh = remove_small_components(mesh, _MIN_COMPONENT, _MIN_COMPONENT_LENGTH)
        return taubin_smooth(mesh)
    except MeshError as error:
        raise MeshError(
            "The model found no solid object in this image. Try another image, or cut out the "
            "object more cleanly"
        ) from error


@torch.inference_mode()
def _estimate_up(view: View, network: ReconstructionNetwork) -> NDArray[np.float32]:
    images, _ = _network_inputs([view], network)
    up: NDArray[np.float32] = network.estimate_up(images)[0].cpu().numpy()
    return up


def _encode_views(
    views: Sequence[View], network: ReconstructionNetwork
) -> Task[tuple[Features, Outlines]]:
    """Return features of ``views``, and the outlines of all of them at a higher resolution."""
    yield Progress(0.05, "Encoding images")
    looked_at = most_different_views([view.camera for view in views], _MOST_VIEWS)
    images, cameras = _network_inputs([views[index] for index in looked_at], network)

    masks = np.stack([crop_mask(view, _MASK_SIZE) for view in views])
    matrices = [camera_matrix(crop_camera(view.camera, _MASK_SIZE)) for view in views]
    device = device_of(network)
    outlines = Outlines(
        masks=torch.from_numpy(masks)[None, :, None].to(device),
        cameras=torch.from_numpy(np.stack(matrices))[None].to(device),
    )

    yield Progress(0.07, "Encoding images")
    with torch.inference_mode():
        features = network.encode_views(images, cameras)
    return features, outlines


def _network_inputs(views: Sequence[View], network: ReconstructionNetwork) -> tuple[Tensor, Tensor]:
    """Return the inputs of ``network``: images (1, N, 4, H, W) and cameras (1, N, 5, 4)."""
    device = device_of(network)
    size = network.config.picture
    images = []
    matrices = []

    for view in views:
        crop = crop_view(view, size)
        pixels = (crop.image * 255 + 0.5).astype(np.uint8)
        images.append(median_filter(pixels))
        matrices.append(camera_matrix(crop.camera))

    channels_first = np.stack(images).transpose(0, 3, 1, 2)
    floats = channels_first[None].astype(np.float32) / 255
    cameras = np.stack(matrices)[None]
    return torch.from_numpy(floats).to(device), torch.from_numpy(cameras).to(device)


def _color_prediction(
    network: ReconstructionNetwork, features: Features, vertices: NDArray[np.float32]
) -> ColorPrediction:
    """Return what predicts the colors of some of ``vertices`` (V, 3) of the field's frame."""
    device = device_of(network)

    def predict(chosen: NDArray[np.int64]) -> Task[NDArray[np.float32]]:
        colors = [np.empty((0, 3), np.float32)]
        for chunk in np.array_split(vertices[chosen], 1 + len(chosen) // CHUNK):
            yield Progress(1.0, "Coloring")
            points = torch.from_numpy(chunk)[None].to(device)
            with torch.inference_mode():
                prediction = network.predict_color(features, points)
                clamped = prediction[0].clamp(0, 1)
            colors.append(clamped.cpu().numpy())
        return np.concatenate(colors)

    return predict


def scaled_to(mesh: MeshArrays, size: float) -> MeshArrays:
    """Return ``mesh``, its bounds centered at the origin, with a longest side of ``size``."""
    low = mesh.vertices.min(0).astype(float)
    high = mesh.vertices.max(0).astype(float)
    return mesh.offset_and_scaled(-(low + high) / 2, size / float((high - low).max()))
