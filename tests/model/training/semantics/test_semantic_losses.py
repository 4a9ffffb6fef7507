import torch
from maquette.core.model.networks.semantics import SemanticsConfig
from maquette.core.model.training.dense.losses import part_losses
from maquette.core.model.training.semantics.batches import SemanticBatch
from maquette.core.model.training.semantics.losses import (
    DrawLoss,
    alike_loss,
    view_loss,
)
from maquette.core.procedural.draw_targets import draw_targets
from maquette.core.procedural.object_families import OTHER


def unit_vectors(*angles):
    angles = torch.tensor(angles)
    return torch.stack((angles.cos(), angles.sin()), 1)


def test_right_parts_have_no_loss_and_unlabeled_pixels_do_not_count():
    parts = torch.tensor([[[0, 1], [1, -1]]])
    logits = torch.full((1, 3, 2, 2), -20.0)
    logits[0, 0, 0, 0] = logits[0, 1, 0, 1] = logits[0, 1, 1, 0] = 20.0
    logits[0, 2, 1, 1] = 20.0
    entropy, dice = part_losses(logits, parts, torch.ones(3))
    assert entropy < 1e-4 and dice < 1e-4
    wrong, wrong_dice = part_losses(logits.roll(1, 1), parts, torch.ones(3))
    assert wrong > 5 and wrong_dice > 0.9
    nothing = part_losses(logits, torch.full_like(parts, -1), torch.ones(3))
    assert nothing[0] == 0 and nothing[1] == 0


def test_views_of_one_object_attract_and_those_of_others_repel():
    identities = torch.tensor([0, 0, 1, 1])
    scale = torch.tensor(10.0)
    apart = view_loss(unit_vectors(0.0, 0.1, 3.0, 3.1), identities, scale)
    mixed = view_loss(unit_vectors(0.0, 3.1, 0.1, 3.0), identities, scale)
    assert apart < 0.01 and mixed > 5

    # Another rendering of the same object is no negative.
    vectors = unit_vectors(0.0, 0.1, 0.05, 0.02, 3.0, 3.1)
    same = view_loss(vectors, torch.tensor([0, 0, 0, 0, 1, 1]), scale)
    other = view_loss(vectors, torch.tensor([0, 0, 2, 2, 1, 1]), scale)
    assert same < 0.01 and other > 0.3


def test_objects_of_one_family_attract_unless_it_is_other():
    vectors = unit_vectors(0.0, 0.1, 3.0, 3.1)
    scale = torch.tensor(10.0)
    families = torch.tensor([0, 0, 1, 1])
    known = torch.ones(4, dtype=torch.bool)
    assert alike_loss(vectors, families, known, scale) < 0.01
    assert alike_loss(vectors, torch.tensor([0, 1, 0, 1]), known, scale) > 5
    assert alike_loss(vectors, families, ~known, scale) == 0


def draw_batch(draws, classes):
    nothing = torch.zeros(1)
    return SemanticBatch(
        images=nothing,
        parts=nothing,
        families=nothing,
        known=nothing,
        identities=nothing,
        draws=torch.tensor([draws]),
        classes=torch.tensor([classes]),
    )


def test_draws_that_change_more_weigh_more_and_classes_that_are_none_do_not_count():
    targets = draw_targets()["barrel"]
    addresses = [target.address for target in targets]
    config = SemanticsConfig((1, 1, 1, 1), "", (OTHER,), {"barrel": targets}, ())
    sensitivities = {"barrel": {"radius": 0.4, "wall": 0.0}}
    loss = DrawLoss(config, sensitivities, 0.0)
    radius, wall, hoops = (addresses.index(name) for name in ("radius", "wall", "hoop_count"))

    # Of the radius the right bin is certain, of the wall a wrong one.
    logits = torch.zeros(1, 2, 32)
    logits[0, :, 5] = 20.0
    both = loss(logits, draw_batch([radius, wall], [5, 9]))
    alone = loss(logits[:, :1], draw_batch([radius], [5]))
    assert alone < 1e-4 and 1 < both < 3  # a twelfth of the weight is on a loss of 20

    # A discrete draw has few classes; a large logit beyond them is nothing.
    count = targets[hoops].count
    assert count < 31
    logits = torch.zeros(1, 1, 32)
    logits[0, 0, 31] = 50.0
    value = loss(logits, draw_batch([hoops], [0]))
    assert abs(float(value) - torch.tensor(float(count)).log()) < 1e-3
