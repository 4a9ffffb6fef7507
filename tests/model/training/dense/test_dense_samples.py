"""Samples of the dense network: images and labels agree with each other and with the object."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.errors import DatasetError
from maquette.core.model.training.dense.images import NOTHING_VARIED, AugmentationConfig
from maquette.core.model.training.dense.objects import load_dense_split
from maquette.core.model.training.dense.samples import ViewChoice, draw_dense_sample

ALL = AugmentationConfig(clean_steps=0)


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(item, view=0, augmentation=NOTHING_VARIED, seed=0, others=(), side=64):
    choice = ViewChoice(view, others)
    return draw_dense_sample(item, choice, rng(seed), augmentation, side)


def points_of(placed):
    """The first surface (P, 3) by depth in the frame of the image, and its normals."""
    sample = placed.sample
    known = sample.shown & np.isfinite(sample.first_depth)
    side = len(known)
    line = np.linspace(-1, 1, 2 * side + 1)[1::2] * 0.55
    depth = sample.first_depth[known].astype(float)
    grow = np.ones_like(depth)
    if sample.field_of_view:
        distance = 0.55 / np.tan(sample.field_of_view / 2)
        grow = (distance + depth) / distance
    right = np.broadcast_to(line, known.shape)[known] * grow
    up = -np.broadcast_to(line[:, None], known.shape)[known] * grow
    return np.stack((right, depth, up), axis=1), sample.front_normal[:, known].T


def equation(item, placed, points):
    """1 on the surface of the stretched ellipsoid, for points of the frame of the image."""
    frame = placed.frame
    local = points / frame.scale @ frame.directions + frame.middle
    return np.linalg.norm(local / (item.half * frame.stretch), axis=1)


STRETCHED = replace(NOTHING_VARIED, stretch=1.0, smaller=1.0, mirror=1.0)


@pytest.mark.parametrize("augmentation", [NOTHING_VARIED, STRETCHED], ids=["plain", "varied"])
@pytest.mark.parametrize("view", [0, 1, 3, 4, 5])
def test_depths_lie_on_the_surface_and_normals_are_its(ellipsoids, view, augmentation):
    item = ellipsoids[0]
    placed = drawn(item, view, augmentation)
    points, normals = points_of(placed)
    assert len(points) > 50
    inner = np.abs(normals[:, 1]) > 0.5  # near the outline a pixel is many depths wide
    assert np.abs(equation(item, placed, points)[inner] - 1).mean() < 0.03

    frame = placed.frame
    local = points / frame.scale @ frame.directions + frame.middle
    gradient = local / (item.half * frame.stretch) ** 2 @ frame.directions.T
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    assert (gradient * normals).sum(1)[inner].mean() > 0.99


def test_one_interval_ends_where_the_ray_leaves_and_its_bins_are_full_until_there(ellipsoids):
    placed = drawn(ellipsoids[0], 4)
    sample = placed.sample
    solid = sample.intervals == 1
    assert solid.sum() > 0.9 * sample.shown.sum()
    exits = sample.layers[0][solid]
    assert np.array_equal(exits, sample.layers[2][solid])
    points = points_of(placed)[0]
    assert points[:, 1].min() < 0
    deep = solid & (np.nan_to_num(sample.layers[0]) > 0.15)
    assert (sample.ray_occupancy[:7, deep] == 255).mean() > 0.97
    assert not sample.ray_occupancy[-1].any()


def test_back_normals_face_away_from_the_camera(ellipsoids):
    sample = drawn(ellipsoids[1], 0).sample
    known = np.abs(sample.back_normal).sum(0) > 0
    assert known.sum() > 50
    assert (sample.back_normal[1][known] > 0).mean() > 0.9


def test_up_is_up_in_the_world(ellipsoids):
    front = drawn(ellipsoids[0], 0).sample
    assert front.up == pytest.approx((0, 0, 1), abs=1e-5)
    top = drawn(ellipsoids[0], 3).sample
    assert top.up == pytest.approx((0, -1, 0), abs=1e-5)  # towards the camera
    assert not front.free
    assert drawn(ellipsoids[0], 4).sample.free


def test_a_mirrored_image_has_mirrored_labels(ellipsoids):
    plain = drawn(ellipsoids[2], 4).sample
    mirrored = drawn(ellipsoids[2], 4, replace(NOTHING_VARIED, mirror=1.0)).sample
    assert np.allclose(mirrored.image[3], plain.image[3][:, ::-1], atol=1e-4)
    flipped = plain.first_depth[:, ::-1]
    both = np.isfinite(flipped) & np.isfinite(mirrored.first_depth)
    assert both.sum() > 0.95 * plain.shown.sum()
    assert np.abs(mirrored.first_depth - flipped)[both].mean() < 0.01
    assert mirrored.up == pytest.approx(plain.up * (-1, 1, 1), abs=1e-5)


def test_the_mask_is_where_the_object_is_shown(ellipsoids):
    for view in (0, 4):
        sample = drawn(ellipsoids[0], view).sample
        mask = sample.image[3].reshape(32, 2, 32, 2).mean((1, 3)) > 0.5
        assert (mask == sample.shown).mean() > 0.97
        assert np.allclose(sample.image[:3, sample.image[3] == 0], 0.5)


def test_other_views_bound_the_depth_and_one_alone_does_not(ellipsoids):
    item = ellipsoids[0]
    alone = drawn(item, 0).sample
    assert set(np.unique(alone.image[4:6])) == {-1.0, 1.0}
    several = drawn(item, 0, others=(1, 3)).sample
    entry, leave = several.image[4:6, ::2, ::2][:, several.shown]
    assert (entry > -1).mean() > 0.9
    depth = several.first_depth[several.shown]
    margin = 0.06
    assert ((depth > entry - margin) & (depth < leave + margin)).mean() > 0.95
    assert several.conditions[3] == pytest.approx(0.5)
    assert not drawn(item, 4, others=(5,)).sample.free


def test_all_that_varies_gives_numbers_in_range(ellipsoids):
    for seed in range(12):
        sample = drawn(ellipsoids[seed % 4], 4 if seed % 2 else 0, ALL, seed).sample
        assert np.isfinite(sample.image).all()
        assert sample.image[:4].min() >= 0 and sample.image[:4].max() <= 1
        assert np.isfinite(sample.first_depth[sample.intervals > 0]).all()


def test_light_changes_the_image_and_not_its_labels(ellipsoids):
    lit = replace(NOTHING_VARIED, relight=1.0)
    one, two = (drawn(ellipsoids[0], 0, lit, seed).sample for seed in (1, 2))
    assert np.abs(one.image[:3] - two.image[:3]).max() > 0.05
    assert np.array_equal(one.first_depth, two.first_depth, equal_nan=True)


def test_the_mirror_plane_is_that_of_the_object(ellipsoids):
    plane = drawn(ellipsoids[0], 0).sample.mirror_plane
    assert plane == pytest.approx((1, 0, 0, 0), abs=1e-4)


def test_sets_without_albedo_or_grid_are_refused(dataset):
    with pytest.raises(DatasetError, match="relightable"):
        load_dense_split([dataset], "train")


def test_a_view_without_normals_keeps_its_colors(ellipsoids, monkeypatch):
    """There is nothing to light anew, and nothing to texture wrongly."""
    item = ellipsoids[0]
    view = item.view(0)
    dark = replace(view, normal=np.zeros_like(view.normal))
    monkeypatch.setattr(type(item), "view", lambda self, index: dark)
    textured = replace(ALL, relight=1.0, clay=0.0, wrong_texture=1.0, drawn=0.0, noise=0.0)
    sample = drawn(item, augmentation=textured).sample
    assert np.isfinite(sample.image).all()
    assert not sample.front_normal.any()


def test_parts_are_those_of_the_pixels_that_show_them(ellipsoids, monkeypatch):
    item = ellipsoids[0]
    assert (drawn(item).sample.parts == -1).all()

    # Two parts, above each other, of which the lower one belongs to no group.
    def parts(index):
        alpha = item.alpha(index)
        lower = np.arange(len(alpha))[:, None] >= len(alpha) // 2
        return np.where(alpha > 0, 1 + lower, 0).astype(np.uint8)

    table = np.full(256, -1)
    table[1] = 7
    monkeypatch.setattr(item, "parts", parts)
    monkeypatch.setattr(item, "part_groups", table)
    sample = drawn(item).sample
    half = len(sample.parts) // 2
    assert (sample.parts[:half][sample.shown[:half]] == 7).all()
    assert (sample.parts[half:] == -1).all()
    assert (sample.parts[~sample.shown] == -1).all()
