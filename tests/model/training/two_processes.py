"""Train a tiny network, alone or by torchrun: ``two_processes.py ROOT SET RUN STEPS``."""

import importlib.util
import sys
from pathlib import Path

root, dataset, run, steps = sys.argv[1:]
spec = importlib.util.spec_from_file_location(
    "maquette", f"{root}/__init__.py", submodule_search_locations=[root]
)
module = importlib.util.module_from_spec(spec)
sys.modules["maquette"] = module
spec.loader.exec_module(module)

from maquette.core.jobs.task import run_to_end  # noqa: E402
from maquette.core.model.networks.reconstruction import NetworkConfig  # noqa: E402
from maquette.core.model.training.config_file import TrainingConfig  # noqa: E402
from maquette.core.model.training.trainer import train_network  # noqa: E402

tiny = NetworkConfig(
    picture=64,
    volume=12,
    pyramid=(16, 8),
    pixel_channels=8,
    fine_channels=4,
    depth_bins=4,
    bin_channels=4,
    volume_channels=(8, 16, 16),
    hidden=32,
    tube_channels=(32, 24, 16, 16),
    tube_depths=16,
)
config = TrainingConfig(
    steps=int(steps),
    learning_rate=3e-4,
    eval_every=int(steps),
    warmup=2,
    val_objects=2,
    pretrained=False,
    precision="float32",
)
run_to_end(train_network([Path(dataset)], Path(run), config, tiny))
