"""Compare the dense network with the bundled single-view network, both as reconstruction uses them.

    python tests/benchmarks/dense_field.py SET... --checkpoint RUN/checkpoint.pt [--limit 24]

Prints the mean IoU of the field, and of the meshes if asked for, on unseen objects, of the front
and of a free image, by the kind of the set: procedural objects and meshes. Whether validation
objects of meshes are new to the bundled network is not known: it was trained on the same
collections, split by other names.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  makes the package maquette
import torch
from maquette.core.errors import ImageError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation.evaluate import build_case, sample_objects
from maquette.core.model.evaluation.test_cases import INPUT_VARIANTS
from maquette.core.model.inference.pipeline import _build_field, upright_view
from maquette.core.model.inference.weights import load_weights
from maquette.core.model.networks.dense_single_view import DenseSingleViewNetwork
from maquette.core.model.networks.dense_trunk import DenseConfig
from maquette.core.model.networks.ray_volume import RaySingleViewNetwork
from maquette.core.model.training.checkpoints import read_checkpoint
from maquette.core.model.training.dense.config_file import updated

RESOLUTION = 96
VARIANTS = ("front", "free")


def dense_network(checkpoint):
    """Return the moving average of a run."""
    state = read_checkpoint(checkpoint, entries=("average", "config", "step"))
    config = updated(DenseConfig(), state["config"]["network"])
    network = DenseSingleViewNetwork(config)
    network.load_state_dict(state["average"])
    print("step", state["step"], flush=True)
    return network.eval().requires_grad_(False)


def field_iou(case, network):
    """Return the IoU of the field of a case at its points."""
    views = list(case.views)
    points = case.points
    if case.free:
        (given,) = views
        views = [upright_view(given.image, network)]
        rotation = views[0].camera.to_world[:3, :3] @ given.camera.to_world[:3, :3].T
        points = points @ rotation.T
    _, field, scale = run_to_end(_build_field(views, network, RESOLUTION))
    inside = field((points * scale).astype(np.float32)) > 0
    return (inside & case.inside).sum() / max((inside | case.inside).sum(), 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--shift", type=float, default=0.0, help="of the dense network's threshold")
    options = parser.parse_args()
    torch.set_num_threads(1)

    bundled, _ = load_weights()
    bundled_single_view = bundled.single_view
    bundled_shift = bundled.threshold_shift.clone()
    ray_network = RaySingleViewNetwork(dense_network(options.checkpoint))
    variants = [variant for variant in INPUT_VARIANTS if variant.name in VARIANTS]

    rows = []
    for location in sample_objects(options.sets, options.split, options.limit):
        file = location.open_object()
        for variant in variants:
            try:
                case = build_case(file, variant)
            except ImageError:
                continue
            bundled.single_view = bundled_single_view
            bundled.threshold_shift.copy_(bundled_shift)
            before = field_iou(case, bundled)
            bundled.single_view = ray_network
            bundled.threshold_shift.fill_(options.shift)
            after = field_iou(case, bundled)
            rows.append((variant.name, before, after))
            print(f"{file.record.name:44} {variant.name:6} {before:.3f} {after:.3f}", flush=True)

    for name in VARIANTS:
        scores = np.array([row[1:] for row in rows if row[0] == name])
        if len(scores):
            gain = scores[:, 1] - scores[:, 0]
            error = gain.std() / len(gain) ** 0.5
            print(
                f"{name:6} {len(scores)} objects: bundled {scores[:, 0].mean():.3f}, "
                f"dense {scores[:, 1].mean():.3f}, gain {gain.mean():+.3f} +- {error:.3f}"
            )


if __name__ == "__main__":
    main()
