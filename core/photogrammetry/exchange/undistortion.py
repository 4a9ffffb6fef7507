"""Photographs as ideal lenses would have taken them, for programs that know no distortion."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import write_bytes
from ...cameras import Camera
from ...errors import OutputError
from ...imaging import image_files
from ...imaging.color import to_bytes
from ...imaging.resampling import sample_bilinear
from ...jobs.task import Progress, Task
from ..lens import distort_pixels
from ..records import SolvedPhotograph, SolvedScene
from .names import distinct_names

_LARGEST_SIDE = 8192  # pixels; larger photographs are reduced
_ROWS = 256  # that are computed at once, to bound the memory
_KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")
_JPEG_QUALITY = 95
_ZOOM_STEP = 0.005
_MOST_ZOOM = 1.5
_BORDER_SAMPLES = 65  # on each side of the image


def undistort_photographs(folder: Path, scene: SolvedScene) -> Task[SolvedScene]:
    """Write photographs without distortion, upright; return the scene with these.

    Files that need no change are copied. The others are zoomed in until nothing beyond the
    photograph is seen.

    Args:
        folder: To write into.
        scene: With photographs.

    Raises:
        ImageError: A photograph cannot be read.
        OutputError: A photograph would be overwritten, or the folder cannot be written.
    """
    paths = []
    for name in distinct_names([photograph.path for photograph in scene.photographs]):
        suffix = "" if Path(name).suffix.lower() in _KEPT_SUFFIXES else ".png"
        paths.append(folder / f"{name}{suffix}")

    # Nothing is written over a photograph.
    sources = {photograph.path.resolve() for photograph in scene.photographs}
    for path in paths:
        if path.resolve() in sources:
            raise OutputError(f"{path} is one of the photographs: choose another folder")
    written = []
    for index, (path, photograph) in enumerate(zip(paths, scene.photographs, strict=True)):
        yield Progress(index / len(paths), f"Undistorting {index + 1}/{len(paths)}")
        written.append(_write_undistorted(path, photograph))
    return replace(scene, photographs=tuple(written))


def _write_undistorted(path: Path, photograph: SolvedPhotograph) -> SolvedPhotograph:
    is_ideal = not any(photograph.distortion) and not photograph.turned
    if is_ideal and path.suffix == photograph.path.suffix:
        write_bytes(path, photograph.path.read_bytes())
        return replace(photograph, path=path)

    # Pixels of the ideal image, some rows at a time.
    image = image_files.read_image(photograph.path, _LARGEST_SIDE)
    height, width = image.shape[:2]
    shown = photograph.camera.resized(width, height)
    camera = _without_border(shown, photograph.distortion)
    rows = []
    for top in range(0, height, _ROWS):
        band = _ideal_band(image, (shown, camera), photograph.distortion, top)
        rows.append(to_bytes(band))
    write_bytes(path, _encode(np.concatenate(rows), path.suffix.lower()))

    return SolvedPhotograph(path, camera)


def _encode(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    """Return an image (H, W, 4) as a file; a PNG has its alpha, if there is any."""
    from PIL import Image

    buffer = io.BytesIO()
    if suffix != ".png":
        Image.fromarray(pixels[..., :3]).save(buffer, "JPEG", quality=_JPEG_QUALITY)
    elif pixels[..., 3].min() == 255:
        Image.fromarray(pixels[..., :3]).save(buffer, "PNG")
    else:
        Image.fromarray(pixels).save(buffer, "PNG")

    return buffer.getvalue()


def _ideal_band(
    image: NDArray[np.float32],
    cameras: tuple[Camera, Camera],
    distortion: tuple[float, float],
    top: int,
) -> NDArray[np.float64]:
    """Return rows (R, W, 4) of the ideal image from ``top`` on.

    Args:
        image: The photograph.
        cameras: That of the photograph without its distortion, and that of the ideal image.
        distortion: (k1, k2).
        top: First row.
    """
    shown, ideal = cameras
    count = min(_ROWS, ideal.height - top)
    row, column = np.mgrid[top : top + count, 0 : ideal.width] + 0.5
    pixels = np.stack((column.ravel(), row.ravel()), axis=1)
    rays = (pixels - ideal.intrinsics[:2, 2]) / ideal.intrinsics.diagonal()[:2]
    unzoomed = rays * shown.intrinsics.diagonal()[:2] + shown.intrinsics[:2, 2]
    values = sample_bilinear(image, distort_pixels(shown, distortion, unzoomed))
    band: NDArray[np.float64] = values.reshape(count, ideal.width, 4)

    return band


def _without_border(camera: Camera, distortion: tuple[float, float]) -> Camera:
    """Return the camera zoomed in about its principal point until it sees the photograph only."""
    size = np.array((camera.width, camera.height), float)
    steps = np.linspace(0, 1, _BORDER_SAMPLES)
    ends = np.zeros_like(steps)
    corners = [(steps, ends), (steps, ends + 1), (ends, steps), (ends + 1, steps)]
    border = np.concatenate([np.stack(side, axis=1) for side in corners]) * size
    center = camera.intrinsics[:2, 2]
    zoom = 1.0

    while zoom < _MOST_ZOOM:
        pixels = distort_pixels(camera, distortion, (border - center) / zoom + center)
        if ((pixels >= -0.5) & (pixels <= size + 0.5)).all():
            break
        zoom += _ZOOM_STEP

    intrinsics = camera.intrinsics.copy()
    intrinsics[:2, :2] *= zoom
    return replace(camera, intrinsics=intrinsics)
