"""A network of another kind than ours learns from a set by way of the stream: how a surface bulges, from a picture."""

import torch
from maquette.core.model.loader import TrainingStream
from torch import nn
from torch.utils.data import DataLoader

SIZE = 32
STEPS = 160


def small_depth_network():
    layers = [(nn.Conv2d(4, 16, 4, 2, 1)), nn.Conv2d(16, 32, 4, 2, 1), nn.Conv2d(32, 32, 4, 2, 1)]
    layers += [nn.ConvTranspose2d(32, 32, 4, 2, 1), nn.ConvTranspose2d(32, 16, 4, 2, 1)]
    steps = [step for layer in layers for step in (layer, nn.ReLU())]
    return nn.Sequential(*steps, nn.ConvTranspose2d(16, 1, 4, 2, 1))


def pictures(batch):
    """Colour (B, 4, H, W) in 0..1, how far before its mean each pixel lies in longest sides (B, H, W), and the mask."""
    colour = batch["colour"].flatten(0, 1)
    depth = batch["depth"].flatten(0, 1)
    step = colour.shape[-1] // SIZE
    colour, depth = colour[..., ::step, ::step] / 255.0, depth[..., ::step, ::step]
    longest = (batch["bounds"][:, 1] - batch["bounds"][:, 0]).amax(1).repeat_interleave(batch["depth"].shape[1])
    mask = depth > 0
    mean = depth.sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)
    return colour, torch.where(mask, (mean[:, None, None] - depth) / longest[:, None, None], 0), mask


def error(guess, truth, mask):
    return (guess - truth)[mask].abs().mean()


def test_a_depth_network_beats_chance_on_objects_it_never_saw(dataset):
    torch.manual_seed(0)
    network = small_depth_network()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    stream = TrainingStream(dataset, "train", points=1)
    for epoch in range(2):
        stream.set_epoch(epoch)
        for batch in DataLoader(stream, batch_size=8):
            colour, truth, mask = pictures(batch)
            for _ in range(STEPS // 2):
                pick = torch.randperm(len(colour))[:16]
                loss = error(network(colour[pick])[:, 0], truth[pick], mask[pick])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
    (batch,) = DataLoader(TrainingStream(dataset, "validation", points=1), batch_size=8)
    colour, truth, mask = pictures(batch)
    with torch.no_grad():
        own = error(network(colour)[:, 0], truth, mask)
    chance = error(torch.zeros_like(truth), truth, mask)
    assert own < 0.6 * chance
