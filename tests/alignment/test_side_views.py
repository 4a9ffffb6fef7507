import numpy as np
import pytest
from maquette.core.alignment.side_views import align_side_cameras
from maquette.core.errors import ImageError


def mask(height, width, box):
    result = np.zeros((height, width))
    left, top, right, bottom = box
    result[top:bottom, left:right] = 1
    return result


def corners_of(extent):
    return (
        np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        * np.array(extent)
        / 2
    )


def test_one_scale_gives_the_box_and_the_images_fit_it():
    masks = {
        "front": mask(100, 100, (20, 10, 60, 90)),
        "right": mask(100, 100, (30, 15, 50, 95)),
        "top": mask(100, 100, (5, 5, 45, 25)),
    }
    cameras = align_side_cameras(masks)
    corners = corners_of((0.5, 0.25, 1.0))
    for name, box in (
        ("front", (20, 10, 60, 90)),
        ("right", (30, 15, 50, 95)),
        ("top", (5, 5, 45, 25)),
    ):
        pixels, _ = cameras[name].project(corners)
        np.testing.assert_allclose((*pixels.min(0), *pixels.max(0)), box, atol=1e-9)


def test_images_of_other_sizes_get_separate_scales():
    masks = {
        "front": mask(100, 100, (20, 10, 60, 90)),
        "right": mask(200, 300, (100, 20, 140, 180)),
    }
    pixels, _ = align_side_cameras(masks)["right"].project(corners_of((0.5, 0.25, 1.0)))
    np.testing.assert_allclose((*pixels.min(0), *pixels.max(0)), (100, 20, 140, 180), rtol=0.02)


def test_a_small_disagreement_is_spread():
    cameras = align_side_cameras(
        {"front": mask(100, 100, (20, 10, 60, 90)), "right": mask(100, 100, (20, 10, 60, 92))}
    )
    top, low = (cameras["right"].project(np.array([(0, 0, z)]))[0][0, 1] for z in (0.5, -0.5))
    assert (top, low) == pytest.approx((10, 92), abs=1e-6)


def test_an_error_names_the_image_with_an_empty_mask():
    with pytest.raises(ImageError, match="right"):
        align_side_cameras({"front": mask(9, 9, (2, 2, 5, 5)), "right": np.zeros((9, 9))})


def test_a_sheet_seen_from_its_edge_has_bounds():
    edge = mask(100, 100, (49, 10, 51, 90)) * 0.45
    cameras = align_side_cameras({"front": mask(100, 100, (20, 10, 60, 90)), "right": edge})
    assert cameras["right"].intrinsics[1, 1] == pytest.approx(80)
    assert cameras["right"].intrinsics[1, 2] == pytest.approx(50)
