import torch
from maquette.core.model.evaluation.flops import CostCounter, peak_flops
from maquette.core.model.evaluation.reference_models import occupancy_network, triplane_transformer


def test_counts_what_is_known():
    a, b = torch.randn(32, 64), torch.randn(64, 16)
    with CostCounter() as count:
        c = a @ b
        c.t()  # moves nothing
    assert count.flops == 2 * 32 * 64 * 16
    assert count.bytes == 4 * (32 * 64 + 64 * 16 + 32 * 16)
    assert peak_flops(1) > 1e7


def test_mise_asks_about_the_surface_alone(monkeypatch):
    """And no cell that the ball's surface crosses is left out: what it finds inside is the ball."""
    asked = []

    class Silent(occupancy_network.OccupancyNetwork):
        def decode(self, latent, points):
            asked.append(points[0])

    network = Silent().eval()
    count = occupancy_network.reconstruct_mesh(network, torch.rand(1, 3, 224, 224), 64)
    points = torch.cat(asked)
    assert len(points) == count and len(torch.unique(points, dim=0)) == count
    fine = points[33**3 :]
    cell = 1.1 / 32
    assert (fine.norm(dim=1) - 0.35).abs().max() < 2 * 3**0.5 * cell
    line = torch.linspace(-0.55, 0.55, 65)
    grid = torch.stack(torch.meshgrid(line, line, line, indexing="ij"), dim=-1).reshape(-1, 3)
    near = grid[(grid.norm(dim=1) - 0.35).abs() < 0.2 * cell]
    assert torch.cdist(near, points).min(1).values.max() < 1e-3
    assert count < 0.4 * 65**3


def test_the_architectures_are_of_their_size():
    weights = sum(value.numel() for value in occupancy_network.OccupancyNetwork().parameters())
    assert 11e6 < weights < 16e6
    assert 380e6 < triplane_transformer.parameter_count() < 480e6


def test_planes_are_asked_at_points():
    field = triplane_transformer.PlaneField().eval()
    planes = field.upsample_planes(torch.randn(1, 3072, 1024))
    assert planes.shape == (3, 40, 64, 64)
    assert field(planes, torch.rand(7, 3) * 2 - 1).shape == (7, 4)
