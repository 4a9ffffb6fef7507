import numpy as np
from maquette.core.jobs.task import run_to_end
from maquette.core.model.evaluation import foreground
from maquette.core.model.photo_compositing import composite_photo, held_out_panorama

PLACES = [np.full((64, 128, 3), value, np.uint8) for value in (40, 90)]


def disc(color=(200, 60, 20)):
    rows, columns = np.mgrid[:96, :96] - 47.5
    image = np.zeros((96, 96, 4), np.uint8)
    image[np.hypot(rows, columns) < 30] = (*color, 255)
    return image


def test_a_photograph_shows_the_whole_object_before_a_place():
    for seed in range(8):
        picture, mask = composite_photo(disc(), PLACES[:1], np.random.default_rng(seed))
        rows, columns = np.nonzero(mask[0] > 0.5)
        assert mask.shape == (1, 96, 96)
        assert (
            0.45 * 96 < np.ptp(columns) + 1 < 0.92 * 96 and abs(np.ptp(rows) - np.ptp(columns)) < 4
        )
        red = picture[0] - picture[2]
        assert red[mask[0] > 0.99].mean() > 0.2 > np.abs(red[mask[0] < 0.01]).mean()


def test_a_coarse_place_has_no_steps_in_a_fine_picture():
    ramp = np.abs(np.linspace(-255, 255, 8))[None, :, None]
    place = np.broadcast_to(ramp, (4, 8, 3)).astype(np.uint8)  # 73 from one column to the next
    pictures = [
        composite_photo(disc(), [place], np.random.default_rng(seed))[0] for seed in range(6)
    ]
    steps = [
        np.abs(np.diff(picture[:, 2:6].mean(1), axis=1)).max() for picture in pictures
    ]  # above the object
    assert max(steps) < 0.1


def test_the_last_of_many_places_is_kept_for_judging():
    assert len(held_out_panorama(PLACES)) == 2 and held_out_panorama([*PLACES] * 4) == PLACES[-1:]


def test_masks_found_before_a_plain_place_are_right(dataset):
    scores = run_to_end(foreground.evaluate_masks([dataset], "test", PLACES[:1]))
    assert len(scores) == 2 and scores.min() > 0.8
    assert foreground.format_mask_scores(np.array([0.5, 1.0])) == (
        "mask IoU of 2 objects: mean 0.750, median 0.750, 50% at 0.9 or better, least 0.500"
    )
