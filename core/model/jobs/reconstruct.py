"""Entry points of the operators that may run in a worker; they import torch when they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...console import print_line
from ...errors import MaquetteError
from ...imaging import image_files
from ...jobs import dependencies
from ...jobs.task import Progress, Task, run_to_end

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class ReconstructionRequest:
    """What to reconstruct, and how.

    Attributes:
        photo: an image file, or pixels as from ``core.imaging.image_files.read_image``; None where
            there are sides.
        sides: image files or pixels by the names of ``core.cameras.SIDES``.
        resolution: cells along the longest side.
        keep_holes: whether the masks that are found may have holes.
        weights: of the model; None for the bundled ones.
        device: "cpu", "cuda", "mps" or "auto".
        fit: whether to fit the surface to the masks afterwards.
    """

    photo: Path | Pixels | None = None
    sides: dict[str, Path | Pixels] = field(default_factory=dict)
    resolution: int = 128
    keep_holes: bool = True
    weights: Path | None = None
    device: str = "auto"
    fit: bool = False


def reconstruct_request(request: ReconstructionRequest) -> Task[MeshArrays]:
    """Reconstruct the mesh of a request; its longest side is 1.

    Does everything that takes time, and does not touch bpy.

    Raises:
        ImageError: an image cannot be read, or no object was found in it.
        MeshError: the model sees no solid.
        WeightsError: the weights are missing or damaged.
        DependencyError: a package is missing.
    """
    yield Progress(0.0, "Reading")
    sides = {side: _read_pixels(image) for side, image in request.sides.items()}
    photo = None
    if request.photo is not None:
        photo = _read_pixels(request.photo)

    # Only now, since an unreadable image is reported without loading anything.
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference import devices, pipeline  # torch takes seconds to import

    with devices.select_device(request.device) as device:
        settings = pipeline.ReconstructionSettings(
            resolution=request.resolution,
            keep_holes=request.keep_holes,
            weights=request.weights,
            device=device.type,
            fit=request.fit,
        )
        if sides:
            return (yield from pipeline.reconstruct_sides(sides, settings))
        assert photo is not None, "a request has a photo or sides"
        return (yield from pipeline.reconstruct_photo(photo, settings))


def _read_pixels(image: Path | Pixels) -> Pixels:
    """Return the pixels of an image, which is read if it is a file.

    Raises:
        ImageError: it cannot be read.
    """
    if isinstance(image, Path):
        return image_files.read_image(image)
    return image


def cut_out_object(
    pixels: Pixels, weights: Path | None, device: str, keep_holes: bool = True
) -> Task[Pixels]:
    """Return an image with the mask that a reconstruction from it would use as its alpha.

    Args:
        pixels: (H, W, 4) sRGB in 0..1 with straight alpha.
        weights: of the model; None for the bundled ones.
        device: "cpu", "cuda", "mps" or "auto".
        keep_holes: whether a mask that is found may have holes.

    Raises:
        ImageError: no object was found in it.
        WeightsError: the weights are missing or damaged.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference import devices, foreground
    from ..inference import weights as weight_files

    with devices.select_device(device) as chosen:
        _, network = weight_files.load_weights(weights, chosen.type)
        return (yield from foreground.segment_foreground(pixels, network, keep_holes))


def export_checkpoint(checkpoint: Path, target: Path) -> Task[Path]:
    """Calibrate the run of a checkpoint on its training sets, and export it.

    Args:
        checkpoint: in the folder of the run.
        target: file of weights to write.

    Returns:
        ``target``.

    Raises:
        DatasetError: there is no run, or see ``core.model.training.export``.
        OutputError: ``target`` cannot be written.
        DependencyError: a package is missing.
    """
    yield Progress(0.0, "Loading the model")
    dependencies.require_packages(*dependencies.MODEL)
    from ..training import config_file, export

    run = checkpoint.parent
    settings = config_file.read_settings(run / "settings.json")
    yield Progress(0.1, "Calibrating")
    export.export_run(run, settings.datasets, target)

    return target


def train_from_settings(settings: str) -> int:
    """Train the run of a file of settings, as a process by itself.

    Args:
        settings: path of the file, see ``core.model.training.config_file``.

    Returns:
        The exit code; after a failure the reason is on stderr.
    """
    try:
        dependencies.require_packages(*dependencies.MODEL)
        from ..training import config_file, trainer

        run_to_end(trainer.train_run(config_file.read_settings(Path(settings))))
    except MaquetteError as error:
        print_line(error, error=True)
        return 1

    return 0
