import numpy as np
from maquette.core.imaging.resampling import sample_bilinear


def test_a_linear_image_is_exact_between_the_centers_of_its_pixels():
    y, x = np.mgrid[0:5, 0:7] + 0.5
    image = np.stack((2 * x - y, x * y), axis=2)
    pixels = np.random.default_rng(0).uniform((0.5, 0.5), (6.5, 4.5), (50, 2))
    expected = np.stack((2 * pixels[:, 0] - pixels[:, 1], pixels[:, 0] * pixels[:, 1]), axis=1)
    np.testing.assert_allclose(sample_bilinear(image, pixels), expected, atol=1e-12)


def test_beyond_the_outermost_centers_it_is_constant():
    image = np.arange(12.0).reshape(3, 4, 1)
    pixels = np.array(((-5.0, 0.2), (9.0, 9.0)))
    np.testing.assert_array_equal(sample_bilinear(image, pixels)[:, 0], (0, 11))


def test_an_image_of_one_pixel():
    assert sample_bilinear(np.full((1, 1, 3), 0.25), np.array(((0.3, 0.9),))).tolist() == [
        [0.25] * 3
    ]
