"""Training of the shape space as the command line asks for it. Imports torch when it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...jobs import dependencies
from ...jobs.task import Progress, Task


@dataclass(frozen=True)
class ShapeRequest:
    """The shapes to train on.

    Attributes:
        store: folder of the shapes, which is made first if it is missing.
        datasets: training sets with grids.
        made: number of procedural objects to train on besides them.
        left_out: families of objects that are not trained on.
    """

    store: Path
    datasets: Sequence[Path]
    made: int
    left_out: Sequence[str] = ()


def train_shape_space(
    run: Path,
    request: ShapeRequest,
    given: Mapping[str, Any],
    weights: Path | None,
) -> Task[Path]:
    """Train a run of the shape space, or continue it.

    Args:
        run: folder of the run.
        request: the shapes.
        given: settings of ``training.shapes.trainer.ShapeTrainingConfig`` that come before those
            of the run's own ``config.json``, or before the defaults in a new run.
        weights: file of weights to write the part "shapes" to; None for none.

    Returns:
        The checkpoint.

    Raises:
        DatasetError: see ``training.shapes.trainer``.
        OutputError: a file cannot be written.
        DependencyError: a package is missing.
    """
    dependencies.require_packages(*dependencies.MODEL)
    yield Progress(0.0, "Loading the network")
    from ..training.shapes import config_file, export, store, trainer

    own = run / "config.json"
    settings = trainer.ShapeRunConfig()
    if own.is_file():
        settings = config_file.read_shape_config(own)
    settings = replace(settings, training=replace(settings.training, **given))
    shapes = store.StoreRequest(request.store, request.datasets, request.made, request.left_out)
    checkpoint = yield from trainer.train_shapes(run, settings, shapes)
    if weights:
        export.export_shapes(checkpoint, weights)
    return checkpoint
