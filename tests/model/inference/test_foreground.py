import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference import foreground
from maquette.core.model.inference.foreground import segment_foreground, segment_images
from maquette.core.model.inference.weights import load_weights


def boxes(*within):
    """White image (240, 320, 4) with boxes (left, top, right, bottom) of different shades."""
    image = np.ones((240, 320, 4), np.float32)
    for index, (left, top, right, bottom) in enumerate(within):
        image[top:bottom, left:right, :3] = (0.6, 0.3, 0.1 * index)
    return image


@pytest.mark.parametrize("inset", [0, 4])
@pytest.mark.parametrize("wide", [1, 4])
def test_a_frame_is_not_segmented(inset, wide):
    """Neither along the border of a scan, nor with a margin."""
    box = 60, 50, 200, 180
    image = boxes(box)
    image[inset : inset + wide, inset : 320 - inset, :3] = 0
    image[240 - inset - wide : 240 - inset, inset : 320 - inset, :3] = 0
    image[inset : 240 - inset, inset : inset + wide, :3] = 0
    image[inset : 240 - inset, 320 - inset - wide : 320 - inset, :3] = 0
    found = run_to_end(segment_foreground(image, load_weights()[1]))
    np.testing.assert_array_equal(found[..., 3] > 0.5, boxes(box)[..., 1] < 1)


def test_segmentation_can_be_cancelled_between_its_steps():
    busy = np.random.default_rng(0).random((240, 320, 4)).astype(np.float32)
    busy[60:180, 100:220, :3], busy[..., 3] = (0.9, 0.1, 0.1), 1
    task = segment_foreground(busy, load_weights()[1])
    assert [next(task).stage for _ in range(4)] == ["Finding the object"] * 4


@pytest.mark.parametrize(
    "part", [(300, 110, 308, 130), (20, 20, 300, 110)], ids=["handle", "drawer"]
)
def test_a_cupboard_seen_straight_on_is_not_a_frame(part):
    cupboard = 4, 4, 316, 236
    drawn = [cupboard, part] + ([(20, 125, 300, 220)] if part[0] == 20 else [])
    found = run_to_end(segment_foreground(boxes(*drawn), load_weights()[1]))
    np.testing.assert_array_equal(found[..., 3] > 0.5, boxes(cupboard)[..., 1] < 1)


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_an_image_of_one_color_has_no_object(shade):
    image = np.full((64, 64, 4), shade, np.float32) + np.random.default_rng(0).uniform(
        -0.02, 0.02, (64, 64, 4)
    )
    image[..., 3] = 1
    with pytest.raises(ImageError, match="a single color"):
        run_to_end(segment_foreground(image.clip(0, 1), load_weights()[1]))


def test_an_image_without_an_object_is_named():
    blank = np.ones((64, 64, 4), np.float32)
    with pytest.raises(ImageError, match=r"^right: .*a single color"):
        run_to_end(
            segment_images({"front": boxes((60, 50, 200, 180)), "right": blank}, load_weights()[1])
        )


def clear_corner(image):
    image[:5, :5] = 0


def clear_pixel(image):
    image[120, 5, 3] = 0


def clear_strip(image):
    image[:, :14] = 0


@pytest.mark.parametrize("clear", [clear_corner, clear_pixel, clear_strip])
def test_alpha_that_cuts_nothing_out_is_no_mask(clear):
    box = 60, 50, 200, 180
    image = boxes(box)
    clear(image)
    found = run_to_end(segment_foreground(image, load_weights()[1]))
    np.testing.assert_array_equal(found[..., 3] > 0.5, boxes(box)[..., 1] < 1)


def test_a_cupboard_that_is_cut_out_keeps_its_alpha():
    """Its front is plain but for a handle, and it reaches two sides of the image."""
    image = boxes((180, 110, 190, 130))
    image[:, :40] = 0
    image[:, 280:] = 0
    found = run_to_end(segment_foreground(image, load_weights()[1]))
    np.testing.assert_array_equal(found, image)


def test_a_busy_image_with_a_clear_corner_is_left_to_the_network():
    """What the network sees where the image is clear is of the image's colors."""
    rng = np.random.default_rng(0)
    image = np.ones((120, 160, 4), np.float32)
    image[..., :3] = rng.random((120, 160, 3)) * 0.4
    image[30:100, 40:120, :3] = (0.9, 0.2, 0.1)
    with_corner = image.copy()
    with_corner[:4, :4] = 0
    network = load_weights()[1]
    whole = run_to_end(segment_foreground(image, network))[..., 3]
    found = run_to_end(segment_foreground(with_corner, network))[..., 3]
    assert np.abs(found - whole).mean() < 0.02


def test_an_object_at_the_border_is_found_without_the_network():
    image = boxes((60, 50, 200, 240))
    found = run_to_end(segment_foreground(image, load_weights()[1]))
    np.testing.assert_array_equal(found[..., 3] > 0.5, image[..., 1] < 1)


def test_a_plain_board_that_is_cut_out_keeps_its_alpha():
    image = np.full((90, 120, 4), 0.4, np.float32)
    image[..., 3] = 1
    image[:, :8] = 0
    found = run_to_end(segment_foreground(image, load_weights()[1]))
    np.testing.assert_array_equal(found, image)


def test_an_object_in_nearly_the_ground_s_color_is_left_to_the_network():
    """By its color alone only its shaded part would be found."""
    rng = np.random.default_rng(0)
    image = np.ones((120, 160, 4), np.float32)
    image[30:100, 40:120, :3] = 0.95
    image[40:100, 60:120, :3] = 0.9
    image[..., :3] -= rng.uniform(0, 0.01, (120, 160, 3)).astype(np.float32)
    stages = []
    task = segment_foreground(image, load_weights()[1])
    try:
        for progress in task:
            stages.append(progress.fraction)
    except ImageError:
        pass
    assert 0.4 in stages, "the network has run"


def test_holes_are_filled_on_demand_but_an_alpha_is_used_as_it_is():
    y, x = np.mgrid[0:120, 0:160]
    radius = np.hypot(x - 80, y - 60)
    ring = (radius < 50) & (radius > 20)
    network = load_weights()[1]
    image = np.ones((120, 160, 4), np.float32)
    image[ring, :3] = (0.6, 0.2, 0.1)
    kept = run_to_end(segment_foreground(image, network))
    filled = run_to_end(segment_foreground(image, network, keep_holes=False))
    np.testing.assert_array_equal(kept[..., 3] > 0.5, ring)
    np.testing.assert_array_equal(filled[..., 3] > 0.5, radius < 50)

    image[..., 3] = ring
    painted = run_to_end(segment_foreground(image, network, keep_holes=False))
    np.testing.assert_array_equal(painted[..., 3] > 0.5, ring)


def test_holes_of_the_network_s_mask_are_filled_on_demand(monkeypatch):
    """Before a busy background, in what the network finds."""
    y, x = np.mgrid[0:96, 0:96]
    ring = (np.hypot(x - 48, y - 48) < 40) & (np.hypot(x - 48, y - 48) > 16)

    def find_ring(color, network, with_mirror):
        top = (96 - color.shape[0]) // 2
        left = (96 - color.shape[1]) // 2
        return ring[top : top + color.shape[0], left : left + color.shape[1]].astype(np.float32)

    monkeypatch.setattr(foreground, "_run_foreground_network", find_ring)
    image = np.ones((96, 96, 4), np.float32)
    image[..., :3] = np.random.default_rng(0).random((96, 96, 3))
    kept = run_to_end(segment_foreground(image, None))
    filled = run_to_end(segment_foreground(image, None, keep_holes=False))
    np.testing.assert_array_equal(kept[..., 3] > 0.5, ring)
    assert (filled[48, 9:88, 3] > 0.5).all()


def test_a_cutout_behind_a_veil_is_used():
    """Its opacity as a layer was lowered; without the background there is nothing else to find."""
    image = boxes((60, 50, 200, 180))
    mask = image[..., 1] < 1
    image[..., 3] = 0.3 * mask
    found = run_to_end(segment_foreground(image, load_weights()[1]))
    np.testing.assert_array_equal(found[..., 3] > 0.5, mask)
