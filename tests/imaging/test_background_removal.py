import io

import numpy as np
import pytest
from maquette.core.imaging.background_removal import (
    cuts_nothing_out,
    decontaminate_edges,
    mask_plain_background,
    plain_background_mask,
    remove_specks,
    shown_pixels,
    spread_colors,
)
from maquette.core.model import metrics
from PIL import Image


def picture(background=1.0):
    """A dark ring around a spot of the background's color, on a background with some noise."""
    y, x = np.mgrid[0:90, 0:120]
    radius = np.hypot(x - 60, y - 45)
    color = np.full((90, 120, 3), background) + np.random.default_rng(0).uniform(
        -0.02, 0.02, (90, 120, 3)
    )
    color[(radius < 30) & (radius > 10)] = (0.2, 0.3, 0.1)
    return color.clip(0, 1), radius


@pytest.mark.parametrize("background", (1.0, 0.5, 0.0))
def test_a_hole_is_background_and_a_shaded_spot_is_not(background):
    color, radius = picture(background)
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, (radius < 30) & (radius > 10))
    color[radius <= 10] = abs(background - 0.04)
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, radius < 30)


@pytest.mark.parametrize("quality", (60, 75, 90))
def test_a_hole_that_jpeg_has_made_uneven_is_background_too(quality):
    """Between the bars of a gate; a board of nearly the background's colour is none."""
    y, x = np.mgrid[0:224, 0:224]
    within = (abs(y - 110) < 70) & (abs(x - 110) < 80)
    bars = within & (((x - 30) % 16 < 4) | (y < 46) | (y > 110))
    board = within & (x > 94) & (x < 126) & (y < 111)
    picture = np.full((224, 224, 3), 255, np.uint8)
    picture[board], picture[bars] = 246, (60, 90, 40)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    found = mask_plain_background(np.asarray(Image.open(file), np.float32) / 255) > 0.5
    assert metrics.iou(found, bars | board) > 0.93


def test_small_spots_are_no_holes():
    color, radius = picture()
    color[(radius <= 10) & (radius > 1)] = (0.2, 0.3, 0.1)
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, radius < 30)


def test_a_line_drawing_keeps_what_its_lines_enclose():
    color, radius = picture()
    color[radius < 28] = 1
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, radius < 30)


def test_a_smooth_gradient_is_background_too():
    color, radius = picture()
    y, x = np.mgrid[-1 : 1 : color.shape[0] * 1j, -1 : 1 : color.shape[1] * 1j]
    shade = (0.7 + 0.2 * x - 0.15 * y * y)[..., None] * (1, 0.9, 0.8)
    color = np.where((radius < 30)[..., None], (0.1, 0.2, 0.6), shade)
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, radius < 30)


def test_the_bright_middle_of_a_spotlit_backdrop_is_not_an_object():
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    for shade in (0.1 + 0.8 * np.exp(-(x**2 + y**2)), 0.5 + 0.4 * np.exp(-40 * (x**2 + y**2))):
        assert mask_plain_background(np.repeat(shade[..., None], 3, 2)) is None


def test_a_winding_way_in_is_found():
    color, _ = picture()
    color[44:47, 25:60] = 1
    mask = mask_plain_background(color)
    assert mask[45, 60] == 0 and mask[45, 80] == 1


def test_the_background_is_all_that_is_connected_to_the_border():
    """In a maze of walls, compared with a search by a stack."""
    rng = np.random.default_rng(3)
    dark = np.pad(rng.random((120, 90)) < 0.42, 1)
    dark[50:60, 40:70] = True
    reached, ahead = np.zeros(dark.shape, bool), [(0, 0)]
    while ahead:
        i, j = ahead.pop()
        if not (0 <= i < dark.shape[0] and 0 <= j < dark.shape[1]) or dark[i, j] or reached[i, j]:
            continue
        reached[i, j] = True
        ahead += [(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)]
    assert (~dark & ~reached).sum() > 200
    shade = np.where(
        dark, 0.2, np.where(reached, 1.0, 0.95)
    )  # what is enclosed is shaded, and so no hole
    np.testing.assert_array_equal(
        mask_plain_background(np.repeat(shade[..., None], 3, 2)) > 0, ~reached
    )


def test_a_busy_border_gives_no_mask():
    assert mask_plain_background(np.random.default_rng(0).random((40, 40, 3))) is None


def test_an_empty_picture_has_no_object():
    assert mask_plain_background(np.ones((40, 40, 3))) is None


def test_the_rim_is_as_opaque_as_it_is_covered():
    y, x = np.mgrid[0:480, 0:480] / 8
    cover = (np.hypot(x - 30.3, y - 29.6) < 20).reshape(60, 8, 60, 8).mean((1, 3))
    color = 0.9 + cover[..., None] * (np.array((0.3, 0.1, 0.5)) - 0.9)
    mask = mask_plain_background(color)
    assert (
        np.abs(mask - cover).max() < 0.15
    )  # what is next to nothing is none, and what is beside it is not all of it
    assert ((mask > 0.5) != (cover > 0.5)).sum() <= 2


def test_the_rim_loses_the_background_from_its_colors():
    y, x = np.mgrid[0:480, 0:480] / 8
    cover = (np.hypot(x - 30.3, y - 29.6) < 20).reshape(60, 8, 60, 8).mean((1, 3))
    own = np.stack(np.broadcast_arrays(0.3, 0.1, 0.5 + 0.2 * (np.arange(60) > 30)), axis=-1)
    mixed = 0.9 + cover[..., None] * (own - 0.9)
    found = decontaminate_edges(mixed, cover, 2)
    apart = (cover > 0) & (
        abs(np.arange(60) - 30.5) > 6
    )  # from where the object itself changes its colour
    assert np.abs(found - own)[apart].max() < 1e-9 and np.abs(mixed - own)[apart].max() > 0.5
    np.testing.assert_array_equal(found[cover == 0], mixed[cover == 0])


def test_what_is_thinner_than_a_rim_keeps_its_colors():
    color, mask = np.random.default_rng(0).random((40, 40, 3)), np.zeros((40, 40))
    mask[10:14] = 1
    np.testing.assert_array_equal(decontaminate_edges(color, mask, 2), color)


@pytest.mark.parametrize("scale", (1, 5))
def test_specks_far_from_the_object_are_left_out(scale):
    """Those in a corner are; a spot next to the object, a large part and soft edges are not."""
    mask = np.zeros((100 * scale, 140 * scale), np.float32)
    mask[30 * scale : 80 * scale, 40 * scale : 90 * scale] = 1
    mask[29 * scale, 40 * scale : 90 * scale] = 0.4
    mask[28 * scale : 30 * scale, 90 * scale : 92 * scale] = 0.9
    mask[10 * scale : 15 * scale, 100 * scale : 105 * scale] = 0.8
    dusty = mask.copy()
    dusty[2 * scale : 4 * scale, 2 * scale : 5 * scale] = 1
    dusty[-1, -1] = 0.7
    np.testing.assert_array_equal(remove_specks(dusty), mask)
    assert remove_specks(mask) is mask


def ellipse(center, radii, shape=(90, 120)):
    """Return the mask of an ellipse; center and radii are (x, y)."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return ((x - center[0]) / radii[0]) ** 2 + ((y - center[1]) / radii[1]) ** 2 < 1


def drawing(truth, background=1.0):
    """Return an object of one color on a background of another, with a handle of a third."""
    color = np.full((*truth.shape, 3), background)
    color[truth] = (0.75, 0.35, 0.15)
    handle = truth & (np.arange(truth.shape[1]) % 30 < 8)
    color[handle] = (0.2, 0.35, 0.2)
    return color


def as_jpeg(color, quality):
    file = io.BytesIO()
    Image.fromarray((color * 255 + 0.5).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), np.float32) / 255


CUT_OFF = {
    "bottom": ellipse((60, 80), (35, 45)),
    "a whole side": ellipse((60, 130), (160, 80)),
    "a corner": ellipse((5, 85), (45, 55)),
    "two opposite sides": np.repeat(abs(np.arange(120) - 50) < 20, 90).reshape(120, 90).T,
    "two whole sides": ellipse((120, 85), (85, 65)),
}


@pytest.mark.parametrize("background", [1.0, 0.9])
@pytest.mark.parametrize("truth", CUT_OFF.values(), ids=CUT_OFF)
def test_an_object_that_the_border_cuts_through_is_whole(truth, background):
    color = drawing(truth, background)
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, truth)
    assert metrics.iou(mask_plain_background(as_jpeg(color, 85)) > 0.5, truth) > 0.95


def test_an_object_cut_off_before_a_gradient_is_whole():
    truth = ellipse((60, 80), (30, 45))
    y, x = np.mgrid[0:1:90j, 0:1:120j]
    color = np.where(truth[..., None], (0.5, 0.2, 0.1), (1 - 0.2 * x - 0.1 * y * y)[..., None])
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, truth)


def test_a_floor_before_a_wall_is_no_object():
    """The wall is not of exactly one color, as none is in a photograph."""
    rng = np.random.default_rng(0)
    color = 0.8 + rng.uniform(-0.02, 0.02, (90, 120, 3))
    color[60:] = 0.4 + rng.uniform(-0.1, 0.1, (30, 120, 3))
    assert mask_plain_background(color) is None


@pytest.mark.parametrize("noise", [4, 6, 10, 15])
@pytest.mark.parametrize("background", [235 / 255, 1.0])
@pytest.mark.parametrize("quality", [None, 90])
def test_a_sensor_s_noise_is_no_object(noise, background, quality):
    truth = ellipse((60, 45), (40, 30)) & ~ellipse((60, 45), (20, 14))
    deviations = np.random.default_rng(1).normal(0, noise / 255, (*truth.shape, 3))
    color = (drawing(truth, background) + deviations).clip(0, 1)
    if quality:
        color = as_jpeg(color, quality)
    assert metrics.iou(mask_plain_background(color) > 0.5, truth) > 0.95


def test_noise_and_the_border_s_cut_together():
    truth = CUT_OFF["bottom"]
    deviations = np.random.default_rng(1).normal(0, 8 / 255, (*truth.shape, 3))
    color = (drawing(truth, 0.9) + deviations).clip(0, 1)
    assert metrics.iou(mask_plain_background(color) > 0.5, truth) > 0.95


def clear_corners(shape, radius):
    """Return an alpha (H, W) with rounded corners."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    inner_rows = rows.clip(radius, shape[0] - 1 - radius)
    inner_columns = columns.clip(radius, shape[1] - 1 - radius)
    return (np.hypot(rows - inner_rows, columns - inner_columns) <= radius).astype(np.float32)


def cleared(window):
    alpha = np.ones((90, 120), np.float32)
    alpha[window] = 0
    return alpha


IDLE = {
    "small corners": clear_corners((90, 120), 6),
    "large corners": clear_corners((90, 120), 20),
    "a pixel": cleared((3, 70)),
    "a pixel at the border": cleared((0, 0)),
    "a strip": cleared(slice(0, 9)),
    "a strip beside": cleared((slice(None), slice(100, None))),
    "strips on two sides": 1 - cleared(slice(12, 78)),
}


@pytest.mark.parametrize("alpha", IDLE.values(), ids=IDLE)
def test_alpha_that_cuts_nothing_out_leaves_the_background(alpha):
    assert cuts_nothing_out(alpha)
    truth = ellipse((55, 45), (25, 30))
    color = drawing(truth) * (alpha > 0)[..., None]  # what is clear is black
    mask = mask_plain_background(color, shown_pixels(alpha))
    np.testing.assert_array_equal(mask > 0.5, truth & (alpha > 0.5))


@pytest.mark.parametrize(
    "alpha",
    [
        ellipse((60, 45), (60, 45)).astype(np.float32),
        np.pad(np.ones((88, 118), np.float32), 1),
        np.pad(np.ones((70, 100), np.float32), 10),
        np.zeros((90, 120), np.float32),
    ],
    ids=["an ellipse that fills the image", "a door with a rim", "a door with a margin", "nothing"],
)
def test_alpha_that_cuts_an_object_out_is_one(alpha):
    assert not cuts_nothing_out(alpha)


def test_colors_spread_over_unknown_pixels():
    color = np.zeros((3, 5, 1))
    color[:, 0] = 0.8
    known = np.zeros((3, 5), bool)
    known[:, 0] = True
    spread = spread_colors(color, known, np.ones((3, 5), bool), 2)
    np.testing.assert_allclose(spread[..., 0], [[0.8, 0.8, 0.8, 0, 0]] * 3)


def faded(margin, shape=(90, 120)):
    """Return an alpha (H, W) that falls to nothing at the border, over ``margin`` pixels."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    row_margin = np.minimum(rows, shape[0] - 1 - rows)
    column_margin = np.minimum(columns, shape[1] - 1 - columns)
    distance = np.minimum(row_margin, column_margin)
    return (distance / margin).clip(0, 1).astype(np.float32)


def shadowed_book():
    """Return the alpha (H, W) of a book with a soft shadow to the right of it and below."""
    alpha = np.zeros((90, 120), np.float32)
    alpha[20:88, 24:118] = 0.3
    alpha[4:76, 6:100] = 1
    return alpha


VEILS = {
    "uniform": np.full((90, 120), 0.4, np.float32),
    "nearly clear": np.full((90, 120), 0.1, np.float32),
    "with clear corners": clear_corners((90, 120), 12) * np.float32(0.6),
    "fading at the border": faded(14),
}


@pytest.mark.parametrize("alpha", VEILS.values(), ids=VEILS)
def test_a_veil_or_a_faded_border_leaves_the_background(alpha):
    assert cuts_nothing_out(alpha)
    shown = shown_pixels(alpha)
    assert shown.mean() > 0.5
    truth = ellipse((55, 45), (25, 25))
    mask = mask_plain_background(drawing(truth), shown)
    np.testing.assert_array_equal(mask > 0.5, truth)


def test_a_soft_shadow_beside_a_box_is_no_faded_border():
    assert not cuts_nothing_out(shadowed_book())


def grid(shape=(120, 160)):
    return np.mgrid[0 : shape[0], 0 : shape[1]]


def printed_bag(patches, shade):
    """Return a brown bag on white, with white patches of a shade (W,); and its mask."""
    y, x = grid()
    truth = (abs(y - 60) < 52) & (abs(x - 80) < 60)
    color = np.ones((*truth.shape, 3))
    color[truth] = (0.6, 0.4, 0.2)
    rows = np.broadcast_to(shade.clip(0, 1)[:, None], color.shape)
    color[truth & patches] = rows[truth & patches]
    return color, truth


def test_white_print_that_is_shaded_in_part_is_no_hole():
    """The light fades from left to right: the first patches are as white as the ground."""
    y, x = grid()
    patches = (y > 16) & (y < 88) & (x < 130) & ((y - 8) % 26 > 8) & ((x - 20) % 30 > 12)
    color, truth = printed_bag(patches, 1.1 - 0.0025 * np.arange(160.0) + 0.05)
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, truth)


def test_white_print_far_apart_is_no_hole():
    """All patches are as white as the ground, and sharp."""
    y, x = grid()
    patches = (abs((y - 28) % 32 - 6) < 6) & (abs((x - 30) % 36 - 8) < 8)
    patches &= (abs(y - 60) < 44) & (abs(x - 76) < 54)
    color, truth = printed_bag(patches, np.ones(160))
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, truth)


def test_the_gaps_of_a_slatted_back_are_holes():
    y, x = grid()
    frame = (abs(y - 60) < 52) & (abs(x - 80) < 60)
    gaps = frame & (abs(y - 60) < 42) & ((x - 24) % 16 > 5)
    truth = frame & ~gaps
    found = mask_plain_background(drawing(truth)) > 0.5
    np.testing.assert_array_equal(found, truth)


def test_a_wide_frame_has_a_hole_that_is_larger_than_itself():
    y, x = grid()
    outer = (abs(y - 60) < 50) & (abs(x - 80) < 70)
    inner = (abs(y - 60) < 36) & (abs(x - 80) < 56)
    truth = outer & ~inner
    assert inner.sum() > 0.5 * outer.sum()
    np.testing.assert_array_equal(mask_plain_background(drawing(truth)) > 0.5, truth)


def test_holes_are_filled_if_they_are_not_to_be_kept():
    truth = ellipse((60, 45), (40, 30)) & ~ellipse((60, 45), (20, 14))
    filled = ellipse((60, 45), (40, 30))
    color = drawing(truth)
    np.testing.assert_array_equal(mask_plain_background(color) > 0.5, truth)
    mask = mask_plain_background(color, keep_holes=False)
    np.testing.assert_array_equal(mask > 0.5, filled)
    assert mask[ellipse((60, 45), (24, 18))].min() == 1


@pytest.mark.parametrize("power", [1, 1.5, 2])
def test_a_lens_that_darkens_the_corners_leaves_the_background_plain(power):
    """By up to 40 %, more than a quadratic that is fitted to the border can tell of the middle."""
    y, x = np.mgrid[-1:1:90j, -1:1:120j]
    falloff = 1 - 0.4 * ((x * x + y * y) / 2) ** power
    truth = ellipse((60, 45), (25, 20))
    color = as_jpeg(drawing(truth, 0.95) * falloff[..., None], 90)
    assert metrics.iou(mask_plain_background(color) > 0.5, truth) > 0.97


def test_an_edge_out_of_focus_is_one():
    """As of a small image of a pale object that was enlarged."""
    truth = ellipse((60, 45), (30, 25))
    color = np.where(truth, 0.75, 0.95)[..., None].repeat(3, 2)
    small = Image.fromarray((color * 255).astype(np.uint8))
    enlarged = small.resize((1200, 900), Image.Resampling.BICUBIC)
    mask = mask_plain_background(np.asarray(enlarged, np.float32) / 255)
    assert mask is not None
    expected = truth.repeat(10, 0).repeat(10, 1)
    assert metrics.iou(mask > 0.5, expected) > 0.95


def test_no_step_of_a_mask_is_long():
    """Between two of them a window can answer: there are several, also without noise."""
    color = drawing(ellipse((60, 45), (30, 25))).astype(np.float32)
    steps = list(plain_background_mask(color))
    assert len(steps) >= 4
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
