"""The benchmark of training times what it says, and its parts make the whole."""

import pytest
import torch
from maquette.core.model.networks.dense_trunk import DenseConfig
from maquette.core.model.training.dense.batches import SamplingConfig
from maquette.core.model.training.dense.speed import (
    random_batch,
    step_times,
    training_report,
)
from maquette.core.model.training.dense.trainer import (
    DenseRunConfig,
    DenseTrainer,
    DenseTrainingConfig,
    image_flop,
)

TINY = DenseRunConfig(
    training=DenseTrainingConfig(precision="float32"),
    network=DenseConfig(
        widths=(32, 32, 32, 32), blocks=(1, 1, 1, 1), decoder_blocks=1, head_width=32
    ),
    sampling=SamplingConfig(objects=1, views=2, side=64),
)


def test_parts_of_a_step_make_the_whole():
    times = step_times(DenseTrainer(TINY, torch.device("cpu")), random_batch(2, 64), 1)
    assert times.forward > 0
    assert times.backward > 0
    assert times.forward + times.backward + times.rest == pytest.approx(times.whole, rel=0.01)


def test_the_report_names_images_and_operations_a_second():
    lines = training_report((), TINY, 1).splitlines()
    speeds = {line.split()[-1]: float(line.split()[-2].replace(",", "")) for line in lines[7:9]}
    per_second = speeds["GFLOP/s"] / speeds["images/s"]
    assert per_second == pytest.approx(image_flop(TINY) / 1e9, rel=0.3)
