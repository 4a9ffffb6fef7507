import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.imaging.turnaround_sheet import split_figures
from PIL import Image, ImageDraw, ImageFilter

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


def figures_sheet(shadow=None, shoes=None, pedestal=None, background=(1, 1, 1)):
    """Four figures, 61, 37, 61 and 37 pixels wide and 130 high, on a sheet of 560 x 220 pixels."""
    sheet = Image.new("RGB", (560, 220), tuple(round(255 * value) for value in background))
    draw = ImageDraw.Draw(sheet)
    for index, x in enumerate((80, 210, 340, 470)):
        half = 30 if index % 2 == 0 else 18
        if shadow:
            draw.ellipse((x - 45, 158, x + 45, 178), fill=shadow)
        if pedestal:
            draw.rectangle((x - 45, 171, x + 45, 185), fill=pedestal)
        draw.ellipse((x - 12, 41, x + 12, 65), fill=(220, 170, 140))
        draw.rectangle((x - half, 65, x + half, 125), fill=(60, 90, 180))
        for left, right in ((x - half // 2, x - 3), (x + 3, x + half // 2)):
            draw.rectangle((left, 125, right, 170), fill=(50, 50, 60))
            if shoes:
                draw.ellipse((left - 4, 160, right + 2, 170), fill=shoes)
    return sheet


def as_pixels(sheet):
    return np.dstack((np.asarray(sheet) / 255, np.ones(sheet.size[::-1]))).astype(np.float32)


def sizes_of(sheet):
    return [figure.shape[1::-1] for figure in split_figures(as_pixels(sheet))]


FIGURES = [(61, 130), (37, 130), (61, 130), (37, 130)]


def write_labels(draw):
    for word, x in (("FRONT", 80), ("SIDE", 210), ("BACK", 340), ("LEFT", 470)):
        draw.text((x, 190), word, fill=0, anchor="mt", font_size=16)


def write_title(draw):
    draw.text((8, 6), "Character sheet: Tom, version 2", fill=0, font_size=24)


def write_beside_a_head(draw):
    draw.rectangle((330, 20, 350, 45), fill=(90, 30, 30))  # this figure is taller than the others
    draw.text((80, 24), "A", fill=0, anchor="mt", font_size=10)


def paint_swatches(draw):
    for index, color in enumerate(((220, 170, 140), (60, 90, 180), (50, 50, 60))):
        draw.rectangle((240 + 16 * index, 195, 252 + 16 * index, 207), fill=color)


def paint_touching_swatches(draw):
    for index, color in enumerate(((220, 170, 140), (60, 90, 180), (50, 50, 60), (90, 20, 20))):
        draw.rectangle((240 + 20 * index, 192, 260 + 20 * index, 212), fill=color)


def paint_large_swatches(draw):
    for index, color in enumerate(((220, 170, 140), (60, 90, 180), (50, 50, 60))):
        draw.ellipse((190 + 70 * index, 176, 242 + 70 * index, 216), fill=color)


@pytest.mark.parametrize(
    "write",
    [write_labels, write_title, paint_swatches, paint_touching_swatches, paint_large_swatches],
)
def test_lettering_and_swatches_are_no_figures(write):
    sheet = figures_sheet()
    write(ImageDraw.Draw(sheet))
    assert sizes_of(sheet) == FIGURES


def test_a_letter_above_a_figure_within_the_row_of_taller_ones_is_left_out():
    sheet = figures_sheet()
    write_beside_a_head(ImageDraw.Draw(sheet))
    assert sizes_of(sheet) == [*FIGURES[:2], (61, 151), FIGURES[3]]


@pytest.mark.parametrize("background", [(1, 1, 1), (0.9, 0.9, 0.9), (0.96, 0.92, 0.84)])
@pytest.mark.parametrize("light", [0.8, 0.55])
@pytest.mark.parametrize("blur", [0, 4])
def test_shadows_under_the_feet_are_no_part_of_a_figure(background, light, blur):
    shadow = tuple(round(255 * light * value) for value in background)
    sharp = np.asarray(figures_sheet(background=background))
    is_figure = (sharp != sharp[0, 0]).any(2)

    # The shadows alone, so that the blur takes no color of the figures along.
    both = np.asarray(figures_sheet(shadow, background=background))
    alone = Image.fromarray(np.where(is_figure[..., None], shadow, both).astype(np.uint8))
    empty = np.asarray(figures_sheet(background=background, shadow=shadow))[:156]
    ground = np.asarray(alone).copy()
    ground[:156] = empty[0, 0]
    soft = np.asarray(Image.fromarray(ground).filter(ImageFilter.GaussianBlur(blur)))
    sheet = np.where(is_figure[..., None], sharp, soft)
    assert sizes_of(Image.fromarray(sheet.astype(np.uint8))) == FIGURES


def test_gray_shoes_and_pedestals_belong_to_a_figure():
    assert [height for _, height in sizes_of(figures_sheet(shoes=(190, 190, 190)))] == [130] * 4
    widths = [width for width, _ in sizes_of(figures_sheet(pedestal=(190, 190, 190)))]
    assert widths == [91] * 4


def test_clear_corners_of_a_sheet_leave_its_background():
    pixels = as_pixels(figures_sheet())
    pixels[:4, :4] = 0
    pixels[-4:, -4:] = 0
    assert [figure.shape[1::-1] for figure in split_figures(pixels)] == FIGURES


def test_a_sheet_with_nothing_on_it_is_refused():
    empty = np.zeros((64, 64, 4), np.float32)
    empty[5, 5, 3] = 0.3
    with pytest.raises(ImageError, match="shows no figures"):
        split_figures(empty)
