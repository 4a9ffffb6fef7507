"""From the checkpoint of a run to the file of weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ...inference.meaning_weights import SHAPES, save_part
from ...networks.shape_autoencoder import ShapeAutoencoder, ShapeSpaceConfig
from ..checkpoints import blame_checkpoint, read_checkpoint
from ..dense.config_file import updated


def export_shapes(checkpoint: Path, weights: Path) -> None:
    """Write the moving average of a run of the shape space as the part "shapes" of a file.

    Args:
        checkpoint: of the run.
        weights: the file, whose other parts are kept.

    Raises:
        DatasetError: it is no checkpoint of the shape space.
        OutputError: the file cannot be written.
    """
    network = load_average(checkpoint)
    save_part(weights, SHAPES, asdict(network.config), network.state_dict())


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
