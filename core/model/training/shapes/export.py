"""From the checkpoint of a run to the file of weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ....jobs.task import Task
from ...inference.meaning_weights import SHAPES, save_part
from ...inference.shapes.shape_space import ShapeSpace, measure_space, shape_space_state
from ...networks.shape_autoencoder import ShapeAutoencoder, ShapeSpaceConfig
from ...networks.shape_generators import BOX_NUMBERS
from ..checkpoints import blame_checkpoint, read_checkpoint
from ..dense.config_file import updated
from ..objects import evenly_spaced
from .latents import encode_shapes
from .store import ShapeStore


def export_shapes(checkpoint: Path, store_folder: Path, weights: Path) -> Task[None]:
    """Write the moving average of a run of the shape space as the part "shapes" of a file.

    Args:
        checkpoint: of the run.
        store_folder: of the shapes, whose latents tell how shapes vary.
        weights: the file, whose other parts are kept.

    Raises:
        DatasetError: it is no checkpoint of the shape space, or there is no store.
        OutputError: the file cannot be written.
    """
    space = yield from load_run_space(checkpoint, ShapeStore(store_folder))
    state = shape_space_state(space)
    save_part(weights, SHAPES, asdict(space.network.config), state)


def load_run_space(checkpoint: Path, store: ShapeStore, most: int = 600) -> Task[ShapeSpace]:
    """Return the shape space of a run.

    Args:
        checkpoint: of the run.
        store: of its shapes.
        most: shapes whose latents are looked at.

    Raises:
        DatasetError: it is no checkpoint of the shape space.
    """
    network = load_average(checkpoint)
    shapes = evenly_spaced(store.of_split("train"), most)

    # The box has no part in how latents vary.
    codes = yield from encode_shapes(network, store, shapes, mirror=False)
    return measure_space(network, codes.codes[:, :-BOX_NUMBERS])


def load_average(checkpoint: Path) -> ShapeAutoencoder:
    """Return the network of the moving average of a run, to evaluate.

    Raises:
        DatasetError: it is no checkpoint of the shape space.
    """
    state = read_checkpoint(checkpoint, "cpu", ("average", "config"))
    with blame_checkpoint(checkpoint):
        config = updated(ShapeSpaceConfig(), state["config"]["network"])
        network = ShapeAutoencoder(config)
        network.load_state_dict(state["average"])
    return network.eval().requires_grad_(False)
