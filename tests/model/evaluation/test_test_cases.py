import numpy as np
import pytest
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.model.evaluation.evaluate import build_case
from maquette.core.model.evaluation.test_cases import INPUTS, InputVariant
from maquette.core.model.stylization import STYLES

SIDES = ("front", "right", "back", "top")


@pytest.fixture(scope="module")
def file(dataset):
    return ObjectFile(dataset / "objects/e03.tar")


@pytest.mark.parametrize("question", INPUTS, ids=lambda q: q.name)
def test_the_same_disturbance_each_time(file, question):
    for one, two in zip(
        build_case(file, question).views, build_case(file, question).views, strict=True
    ):
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.camera.to_world, two.camera.to_world)


@pytest.mark.parametrize("style", STYLES)
def test_drawn_pictures_keep_the_mask_and_change_the_colors(file, style):
    for clean, drawn in zip(
        build_case(file, InputVariant("a", SIDES)).views,
        build_case(file, InputVariant("b", SIDES, style=style)).views,
        strict=True,
    ):
        np.testing.assert_array_equal(clean.image[..., 3], drawn.image[..., 3])
        inside = clean.image[..., 3] > 0.9
        assert np.isfinite(drawn.image).all() and 0 <= drawn.image.min() <= drawn.image.max() <= 1
        if style != "toon":  # of one flat colour, as these are, toon has little to change
            assert np.abs(clean.image[inside][:, :3] - drawn.image[inside][:, :3]).mean() > 0.1


def test_line_art_draws_the_outline_dark_and_the_rest_light(file):
    (view,) = build_case(file, InputVariant("front, line art", ("front",), style="line art")).views
    mask, light = view.image[..., 3] > 0.9, view.image[..., :3].mean(2)
    rim = mask & ~(
        np.roll(mask, 1, 1) & np.roll(mask, -1, 1) & np.roll(mask, 1, 0) & np.roll(mask, -1, 0)
    )
    assert light[rim].mean() < 0.4 < 0.7 < np.median(light[mask])


def test_masks_are_off_by_what_is_said(file):
    clean, off = (build_case(file, InputVariant("x", SIDES, mask=mask)).views for mask in (0, 2))
    wide = [int((view.image[64, :, 3] > 0.5).sum()) for view in clean]
    grown = [int((view.image[64, :, 3] > 0.5).sum()) for view in off]
    assert [b - a for a, b in zip(wide, grown, strict=True)] == [4, -4, 4, -4]


def test_cameras_are_turned_by_what_is_said_about_the_middle(file):
    clean, off = (build_case(file, InputVariant("x", SIDES, pose=pose)).views for pose in (0, 3))
    for one, two in zip(clean, off, strict=True):
        turn = one.camera.to_world[:3, :3].T @ two.camera.to_world[:3, :3]
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(3, abs=1e-6)
        middle = np.zeros((1, 3))
        np.testing.assert_allclose(
            one.camera.project(middle)[0], two.camera.project(middle)[0], atol=1e-6
        )
