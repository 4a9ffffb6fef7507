import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.imaging.turnaround_sheet import split_figures

BOXES = {
    "front": (10, 20, 50, 120),
    "right": (80, 22, 100, 120),
    "back": (130, 20, 170, 119),
    "top": (60, 150, 100, 170),
}
ALL = tuple(BOXES.values())


def sheet(alpha=False, boxes=ALL):
    """Figures of different colors on white, with a line of lettering below the first row."""
    image = np.ones((190, 200, 4), np.float32)
    image[..., 3] = not alpha
    for index, (left, top, right, bottom) in enumerate((*boxes, (15, 130, 40, 133))):
        image[top:bottom, left:right] = (0.2, 0.1 * index, 0.3, 1)
    return image


@pytest.mark.parametrize("alpha", [False, True])
def test_in_reading_order_without_the_lettering(alpha):
    found = split_figures(sheet(alpha))
    sizes = [(figure.shape[1], figure.shape[0]) for figure in found]
    assert sizes == [(right - left, bottom - top) for left, top, right, bottom in BOXES.values()]
    assert [round(float(figure[0, 0, 1]), 1) for figure in found] == [0.0, 0.1, 0.2, 0.3]
    assert all((figure[..., 3] == 1).all() for figure in found)


def test_nothing_of_the_sheet_is_left_around_a_figure():
    image = sheet()
    image[20:60, 10:20] = 1
    figure = split_figures(image)[0]
    assert figure[0, 0, 3] == 0 and figure[0, 0, :3] == pytest.approx((0.2, 0.0, 0.3))


def test_a_hair_between_an_arm_and_its_body_parts_no_figure():
    image = sheet()
    image[:, 30:32] = 1
    assert len(split_figures(image)) == 4


def test_what_is_no_sheet_is_refused():
    noise = np.random.default_rng(0).random((64, 64, 4)).astype(np.float32)
    noise[..., 3] = 1
    with pytest.raises(ImageError, match="not plain"):
        split_figures(noise)
    with pytest.raises(ImageError, match="1 separate figures"):
        split_figures(sheet(boxes=[(20, 20, 80, 120)]))


def test_a_sheet_may_have_a_frame():
    image = sheet()
    image[[0, 1, -2, -1]] = image[:, [0, 1, -2, -1]] = (0, 0, 0, 1)
    assert len(split_figures(image)) == 4
