"""What is asked of the model, as it may cross to a thread or another process. Imports torch when it runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...errors import MaquetteError
from ...imaging import image_files
from ...jobs import dependencies
from ...jobs.task import Progress, Task, run_to_end

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class ReconstructionRequest:
    """What to reconstruct.

    photo: an image file, or pixels as from ``core.imaging.image_files.read_image``; None where there are sides.
    sides: image files by the names of ``core.cameras.SIDES``.
    resolution, weights, device, fit: see ``core.model.inference.Settings``; the device may also be "auto".
    """

    photo: Path | Pixels | None = None
    sides: dict[str, Path] = field(default_factory=dict)
    resolution: int = 128
    weights: Path | None = None
    device: str = "auto"
    fit: bool = False


def reconstruct_request(request: ReconstructionRequest) -> Task[MeshArrays]:
    """The mesh for ``request``, its longest side 1. Touches no bpy, and does all that takes time.

    Raises:
        ImageError, WeightsError, DependencyError: see ``core.imaging.image_files.read_image`` and ``core.model.inference.pipeline``.
    """
    yield Progress(0.0, "Reading")
    sides = {side: image_files.read_image(path) for side, path in request.sides.items()}
    photo = (
        image_files.read_image(request.photo) if isinstance(request.photo, Path) else request.photo
    )
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the model")
    from ..inference import devices, pipeline  # torch takes seconds to import

    with devices.select_device(request.device) as device:
        settings = pipeline.ReconstructionSettings(
            resolution=request.resolution,
            weights=request.weights,
            device=device.type,
            fit=request.fit,
        )
        if sides:
            return (yield from pipeline.reconstruct_sides(sides, settings))
        assert photo is not None, "a request has a photo or sides"
        return (yield from pipeline.reconstruct_photo(photo, settings))


def export_checkpoint(checkpoint: Path, target: Path) -> Task[Path]:
    """Calibrate what the run of ``checkpoint`` has learned on its own sets, and write it to ``target`` as weights.

    Raises:
        DependencyError; DatasetError, OutputError: see ``core.model.training.export``.
    """
    yield Progress(0.0, "Loading the model")
    dependencies.require_packages(*dependencies.MODEL)
    from ..training import config_file, trainer

    run = checkpoint.parent
    settings = config_file.read_settings(run / "settings.json")
    yield Progress(0.1, "Calibrating")
    partial = target.with_suffix(".partial")
    trainer.export_run(run, settings.datasets, partial)
    partial.replace(target)
    return target


def train_from_settings(settings: str) -> int:
    """Do the run of the file of ``settings``, as a process of its own. Returns the exit code; says why on stderr."""
    try:
        dependencies.require_packages(*dependencies.MODEL)
        from ..training import config_file

        run_to_end(config_file.training_work(config_file.read_settings(Path(settings))))
    except MaquetteError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
