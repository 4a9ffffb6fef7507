"""From pictures to a mesh: the model as a work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...alignment.side_views import align_side_cameras, mask_bounds
from ...arrays import MeshArrays, SourceView, View
from ...errors import ImageError, MeshError
from ...geometry.mise import evaluate_multiresolution
from ...geometry.surface_nets import remove_small_components, surface_nets, taubin_smooth
from ...geometry.texture_baking import vertex_colors_from_views
from ...imaging.background_removal import (
    decontaminate_edges,
    detect_frame,
    mask_plain_background,
    remove_specks,
)
from ...imaging.image_files import encode_png
from ...jobs.task import Progress, Task, subtask
from ..networks.foreground import SIDE, ForegroundNetwork
from ..networks.layers import device_of
from ..networks.projection import camera_matrix
from ..networks.reconstruction import BOUND, Features, ReconstructionNetwork
from . import weights
from .confidence import apply_calibration, occupancy_contrast
from .occupancy_field import CHUNK, HullConstrainedField
from .preprocessing import assumed_camera, crop_mask, crop_view, median_filter, rotate_upright
from .silhouette_fitting import fit_to_views

Pixels = NDArray[np.float32]

_FINDING = "Finding the object"
_MASK_SIDE = 256
_RIM = 2  # pixels: how far a background shows in what is cut out here; JPEG's blocks have it further in than blur
_RIM_SHARE = 256  # or one in so many pixels, in large pictures and in what others have cut out
_WIDEST_RIM = 4
_BLANK = 0.06  # of full scale: what JPEG does to one colour
_IN_FRAME = (
    0.05,
    0.7,
)  # of what is within a frame: what is smaller is a handle, what is larger the panel of a door
_CUT = 0.05  # share of rays: if the solid leaves the volume on more, the picture is looked at from further away
_LEAST_ROOM = 0.5


@dataclass(frozen=True)
class ReconstructionSettings:
    """How to reconstruct.

    resolution: cells along each side of the finest grid: 32 to 256; time and memory grow with its square.
    size: the longest side of the mesh, metres.
    weights: a .safetensors file; None for the bundled one.
    device: where PyTorch computes: "cpu", "cuda" or "mps".
    fit: whether to move the surface afterwards so that its silhouettes match the pictures' masks.
    """

    resolution: int = 128
    size: float = 1.0
    weights: Path | None = None
    device: str = "cpu"
    fit: bool = False


def reconstruct_photo(
    image: Pixels, settings: ReconstructionSettings = ReconstructionSettings()
) -> Task[MeshArrays]:
    """Mesh of the object in one free picture (H, W, 4), see :class:`~..arrays.View`; without alpha the object is found.

    The mesh stands upright, turned as in the picture, centred in x and y, its lowest point at z = 0.

    Raises:
        ImageError: no object was found. WeightsError: the weights are missing or damaged.
        MeshError: the model sees no solid in the picture.
    """
    network, masks = weights.load_weights(settings.weights, settings.device)
    image = yield from subtask(segment_foreground(image, masks), 0.0, 0.05)
    mesh = yield from reconstruct_and_fit(
        [upright_view(image, network)], network, settings.resolution, settings.fit
    )
    return scaled_to(mesh, settings.size).on_ground()


def upright_view(image: Pixels, network: ReconstructionNetwork) -> View:
    """A cut out picture (H, W, 4) of unknown camera as a view in a frame of its own: upright, x right, y away.

    How far it looks down is what the network estimates.

    Raises:
        ImageError: the mask is empty.
    """
    camera = assumed_camera(image[..., 3])
    return View(image, rotate_upright(camera, _estimate_up(View(image, camera), network)))


def reconstruct_sides(
    images: Mapping[str, Pixels], settings: ReconstructionSettings = ReconstructionSettings()
) -> Task[MeshArrays]:
    """Mesh from orthographic pictures of sides, named as in ``cameras.SIDES``, centred in the pictures' common frame.

    Each picture (H, W, 4) may be framed as it likes: the masks' bounding boxes are fitted to each other.

    Raises:
        As :func:`reconstruct_photo`.
    """
    network, masks = weights.load_weights(settings.weights, settings.device)
    found = {}
    for index, (name, image) in enumerate(images.items()):
        finding = subtask(
            segment_foreground(image, masks),
            0.05 * index / len(images),
            0.05,
            f"Finding the object, {name}",
        )
        try:
            found[name] = yield from finding
        except ImageError as error:
            raise ImageError(f"{name}: {error}") from error
    cameras = align_side_cameras({name: image[..., 3] for name, image in found.items()})
    views = [View(found[name], cameras[name]) for name in found]
    mesh = yield from reconstruct_and_fit(views, network, settings.resolution, settings.fit)
    return scaled_to(mesh, settings.size)


def reconstruct_and_fit(
    views: Sequence[View], network: ReconstructionNetwork, resolution: int, fit: bool
) -> Task[MeshArrays]:
    """As :func:`reconstruct_views`, then fitted to the masks if ``fit``; ``views`` are kept for its texture."""
    work = reconstruct_views(views, network, resolution)
    if not fit:
        mesh = yield from work
        agreed = [None] * len(views)
    else:
        mesh = yield from subtask(work, 0.0, 0.4)
        mesh, fitted = yield from subtask(fit_to_views(mesh, views), 0.4, 1.0)
        agreed = list(zip(fitted.before, fitted.after, strict=True))
    kept = [
        SourceView(encode_png(view.image), view.camera, pair)
        for view, pair in zip(views, agreed, strict=True)
    ]
    return replace(mesh, views=tuple(kept))


def reconstruct_views(
    views: Sequence[View], network: ReconstructionNetwork, resolution: int
) -> Task[MeshArrays]:
    """Mesh in the frame of the cameras of ``views``, whose object's longest seen side is 1, about the origin.

    Raises:
        MeshError: the model sees no solid.
    """
    features, field, room = yield from _build_field(views, network, resolution)
    aside = (
        BOUND / resolution
    )  # half a cell: the middle of a thin thing, which is the frame's, lies between corners

    def moved(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return field(points + aside)

    values = yield from subtask(
        evaluate_multiresolution(
            moved, resolution, BOUND, seeds=field.seeds - aside, reach=field.reach
        ),
        0.3,
        0.75,
        "Evaluating shape",
    )
    yield Progress(0.75, "Extracting surface")
    try:
        mesh = surface_nets(values, 0.0, np.full(3, aside - BOUND), 2 * aside)
        mesh = taubin_smooth(remove_small_components(mesh, 0.01, 0.15))
    except MeshError as error:
        raise MeshError(
            "The model found no solid object in this image. Try another image, or cut out the "
            "object more cleanly"
        ) from error
    colors = []
    chunks = np.array_split(mesh.vertices, 1 + len(mesh.vertices) // CHUNK)
    for index, chunk in enumerate(chunks):
        yield Progress(0.8 + 0.1 * index / len(chunks), "Coloring")
        colors.append(_predict_colors(network, features, chunk))
    steep = yield from subtask(occupancy_contrast(field, mesh), 0.9, 0.95, "Estimating confidence")
    sure = apply_calibration(steep, network.calibration_for(features))
    mesh = replace(
        mesh,
        vertices=mesh.vertices / np.float32(room),
        colors=np.concatenate(colors),
        confidence=sure,
    )
    shown = []
    for view in views:
        yield Progress(0.95, "Coloring")
        shown.append(crop_view(view, 2 * resolution))
    seen = yield from subtask(
        vertex_colors_from_views(mesh, shown, 2 * aside / room), 0.95, 1.0, "Coloring"
    )
    return replace(mesh, colors=seen)


def _build_field(
    views: Sequence[View], network: ReconstructionNetwork, resolution: int
) -> Task[tuple[Features, HullConstrainedField, float]]:
    """The field to extract, and the scale of its frame: below 1 where one picture's depth needs the room."""
    room = 1.0
    while True:
        features, masks = yield from _encode_views(
            [View(view.image, view.camera.scaled(room)) for view in views], network
        )
        field = HullConstrainedField(network, features, masks, resolution)
        last = len(views) > 1 or room <= _LEAST_ROOM
        cut = yield from subtask(field.prepare(1.0 if last else _CUT), 0.1, 0.3, "Encoding images")
        if last or cut <= _CUT:
            return features, field, room
        room *= 0.7


@torch.inference_mode()
def _estimate_up(view: View, network: ReconstructionNetwork) -> NDArray[np.float32]:
    pictures, _ = _network_inputs([view], network)
    return network.estimate_up(pictures)[0].cpu().numpy()


def _encode_views(
    views: Sequence[View], network: ReconstructionNetwork
) -> Task[tuple[Features, Tensor]]:
    """Features of ``views``, and their masks, finer: (1, N, 1, H, W)."""
    yield Progress(0.05, "Encoding images")
    pictures, cameras = _network_inputs(views, network)
    masks = torch.from_numpy(
        np.stack([crop_mask(view, _MASK_SIDE) for view in views])[None, :, None]
    )
    yield Progress(0.07, "Encoding images")
    with torch.inference_mode():
        features = network.encode_views(pictures, cameras)
    return features, masks.to(device_of(network))


def _network_inputs(views: Sequence[View], network: ReconstructionNetwork) -> tuple[Tensor, Tensor]:
    """What ``network`` looks at: pictures (1, N, 4, H, W) and cameras (1, N, 5, 4)."""
    small = [crop_view(view, network.config.picture) for view in views]
    images = [median_filter((view.image * 255 + 0.5).astype(np.uint8)) for view in small]
    pictures = torch.from_numpy(
        np.stack(images).transpose(0, 3, 1, 2)[None].astype(np.float32) / 255
    )
    cameras = torch.from_numpy(np.stack([camera_matrix(view.camera) for view in small])[None])
    return pictures.to(device_of(network)), cameras.to(device_of(network))


@torch.inference_mode()
def _predict_colors(
    network: ReconstructionNetwork, features: Features, points: NDArray[np.float32]
) -> NDArray[np.float32]:
    there = torch.from_numpy(points)[None].to(device_of(network))
    return network.predict_color(features, there)[0].clamp(0, 1).cpu().numpy()


def segment_foreground(image: Pixels, network: ForegroundNetwork) -> Task[Pixels]:
    """``image`` (H, W, 4) with the object's mask as its alpha: its own alpha, or what stands before a plain
    background, or what the network finds.

    Raises:
        ImageError: no object was found.
    """
    yield Progress(0.0, _FINDING)
    if image[..., 3].min() < 0.5:
        return _apply_mask(image, image[..., 3], 0)
    if np.ptp(image[..., :3], axis=(0, 1)).max() < _BLANK:
        raise ImageError("No object was found because the image has a single color")
    plain = mask_plain_background(image[..., :3])
    yield Progress(0.2, _FINDING)
    if plain is not None:
        framed = detect_frame(plain)
        found = (
            None if framed is None else (yield from _segment_inside_frame(image, framed, network))
        )
        return _apply_mask(image, plain, _RIM) if found is None else found
    rough = remove_specks(_run_foreground_network(image[..., :3], network, mirrored=False))
    low, high = mask_bounds(rough)
    margin = 0.12 * float((high - low).max()) + 2
    left, top = np.floor(np.maximum(low - margin, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(high + margin, rough.shape[::-1])).astype(int)
    mask = np.zeros_like(rough)
    yield Progress(0.4, _FINDING)
    mask[top:bottom, left:right] = _run_foreground_network(
        image[top:bottom, left:right, :3], network, mirrored=True
    )
    mask_bounds(mask)
    yield Progress(0.8, _FINDING)
    return _apply_mask(image, mask, _RIM)


def _segment_inside_frame(
    image: Pixels, within: tuple[slice, slice], network: ForegroundNetwork
) -> Task[Pixels | None]:
    """:func:`segment_foreground` of what is ``within`` a frame; None if nothing in it is clear of it: then it was no frame, but
    the plain background of something rectangular that is seen straight on.
    """
    try:
        found = yield from segment_foreground(image[within], network)
    except ImageError:
        return None
    solid = found[..., 3] > 0.5
    if (
        solid[[0, -1]].any()
        or solid[:, [0, -1]].any()
        or not _IN_FRAME[0] < solid.mean() < _IN_FRAME[1]
    ):
        return None
    whole = np.concatenate((image[..., :3], np.zeros_like(image[..., 3:])), axis=2)
    whole[within] = found
    return whole


def _apply_mask(image: Pixels, mask: NDArray[np.float32], least: int) -> Pixels:
    """``image`` with ``mask`` less its specks, and without the background in the colours of the rim, at least ``least``
    pixels wide.
    """
    mask = remove_specks(mask)
    rim = int(np.clip(max(mask.shape) / _RIM_SHARE, least, _WIDEST_RIM))
    color = decontaminate_edges(image[..., :3], mask, rim) if rim else image[..., :3]
    return np.concatenate((color, mask[..., None]), axis=2)


@torch.inference_mode()
def _run_foreground_network(
    color: Pixels, network: ForegroundNetwork, mirrored: bool
) -> NDArray[np.float32]:
    """Mask (H, W) in 0..1 of ``colour`` (H, W, 3), which is brought into the network's square.

    Args:
        mirrored: whether to ask for the mirror image as well, and take the mean.
    """
    height, width = color.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    picture = torch.from_numpy(color.transpose(2, 0, 1)[None].copy())
    picture = F.interpolate(picture, size, mode="bilinear", antialias=True)
    pad = SIDE - size[0], SIDE - size[1]
    picture = F.pad(
        picture,
        (pad[1] // 2, pad[1] - pad[1] // 2, pad[0] // 2, pad[0] - pad[0] // 2),
        mode="replicate",
    )
    picture = picture.to(device_of(network))
    logits = network(picture)
    if mirrored:
        logits = (logits + network(picture.flip(3)).flip(3)) / 2
    logits = logits.cpu()
    logits = logits[:, :, pad[0] // 2 : pad[0] // 2 + size[0], pad[1] // 2 : pad[1] // 2 + size[1]]
    return F.interpolate(logits, (height, width), mode="bicubic")[0, 0].sigmoid().numpy()


def scaled_to(mesh: MeshArrays, size: float) -> MeshArrays:
    """``mesh`` centred, its longest side ``size``."""
    low = mesh.vertices.min(0).astype(float)
    high = mesh.vertices.max(0).astype(float)
    return mesh.offset_and_scaled(-(low + high) / 2, size / float((high - low).max()))
