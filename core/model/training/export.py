"""Export what a run has trained as a file of weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import DatasetError
from ...jobs.task import run_to_end
from ..inference import weights
from ..networks.foreground import ForegroundNetwork
from ..networks.reconstruction import ReconstructionNetwork
from . import checkpoints
from .calibration import calibrate_confidence, calibrate_level
from .objects import evenly_spaced
from .sampling.placement import load_usable_objects

# Objects on which the level is calibrated.
_LEVEL_OBJECTS = 128
# Objects on which the confidence is calibrated, up to five meshes each: fewer, since a mesh takes
# longer.
_CONFIDENCE_OBJECTS = 48


def export_run(run: Path, datasets: Sequence[Path], target: Path) -> None:
    """Write the moving averages in a run's ``checkpoint.pt`` and ``mask.pt`` as weights.

    A network that the run has not trained is the bundled one. The level and the confidence of a
    trained reconstruction network are calibrated.

    Args:
        run: folder of the run.
        datasets: training sets; their splits "validation" are calibrated on.
        target: file to write, .safetensors.

    Raises:
        DatasetError: nothing has been trained there.
        OutputError: ``target`` cannot be written.
    """
    checkpoint = run / "checkpoint.pt"
    mask_checkpoint = run / "mask.pt"
    if not checkpoint.is_file() and not mask_checkpoint.is_file():
        raise DatasetError(
            f"{run} has neither checkpoint.pt nor mask.pt: train there first (maquette train)"
        )

    reconstruction, foreground = weights.load_weights()
    if mask_checkpoint.is_file():
        foreground = ForegroundNetwork()
        state = checkpoints.read_checkpoint(mask_checkpoint, entries=("average",))
        with checkpoints.blame_checkpoint(mask_checkpoint):
            foreground.load_state_dict(state["average"])
    if checkpoint.is_file():
        reconstruction = _calibrated_network(checkpoint, datasets)

    weights.save_weights(target, reconstruction, foreground)


def _calibrated_network(checkpoint: Path, datasets: Sequence[Path]) -> ReconstructionNetwork:
    """Return the moving average of a checkpoint, calibrated."""
    state = checkpoints.read_checkpoint(checkpoint, entries=("average",))
    network = ReconstructionNetwork(checkpoints.network_config(checkpoint, state))
    with checkpoints.blame_checkpoint(checkpoint):
        network.load_state_dict(state["average"])
    unseen = load_usable_objects(datasets, "validation")
    calibrate_level(network, evenly_spaced(unseen, _LEVEL_OBJECTS))
    run_to_end(calibrate_confidence(network, datasets, _CONFIDENCE_OBJECTS))

    return network
