import numpy as np
import pytest
from maquette.core.cameras import Camera
from maquette.core.photogrammetry.exchange.lenses import Lens, to_radial
from maquette.core.photogrammetry.lens import distort_pixels

SIZE = (640, 480)
FOCAL = (600.0, 610.0)
CENTER = (322.0, 236.0)


def both_pixels(lens, points):
    """Where a lens shows points (P, 3) in front of it, and where its radial stand-in does."""
    ideal = points[:, :2] / points[:, 2:]
    true = lens.distort(ideal) * lens.focal + lens.center
    radial = to_radial(lens)
    camera = Camera(np.diag((1.0, -1, -1, 1)), radial.intrinsics, *SIZE)
    own = distort_pixels(camera, radial.distortion, camera.project(points)[0])
    inside = ((true >= 0) & (true <= SIZE)).all(1)
    return true[inside], own[inside], radial.error


@pytest.fixture
def points():
    generator = np.random.default_rng(0)
    return generator.uniform((-0.7, -0.6, 1), (0.7, 0.6, 1), (4000, 3))


def test_two_coefficients_are_kept_exactly(points):
    lens = Lens(SIZE, FOCAL, CENTER, "brown", (-0.12, 0.03))
    true, own, error = both_pixels(lens, points)
    np.testing.assert_allclose(own, true, atol=1e-9)
    assert error == 0 and to_radial(lens).distortion == (-0.12, 0.03)


@pytest.mark.parametrize(
    ("kind", "coefficients", "most"),
    [
        ("brown", (-0.1, 0.02, 5e-4, -3e-4), 0.5),
        ("brown", (-0.1, 0.05, 0.0, 0.0, -0.02), 0.2),
        ("fisheye", (0.02, -0.01), 0.5),
    ],
)
def test_others_are_fitted_and_the_error_is_told(points, kind, coefficients, most):
    true, own, error = both_pixels(Lens(SIZE, FOCAL, CENTER, kind, coefficients), points)
    distance = np.linalg.norm(own - true, axis=1)
    assert len(distance) > 1000
    assert distance.max() < 1.15 * error  # corners lie between the samples
    assert 0 < error < most


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("OPENCV", (-0.1, 0.05, 1e-3, 2e-3)),
        ("FULL_OPENCV", (-0.1, 0.05, 1e-3, 2e-3, 0.01, 0.02, 0.01, 0.005)),
        ("OPENCV_FISHEYE", (0.1, 0.05, 1e-3, 2e-3)),
    ],
)
def test_distortion_is_that_of_colmap(points, model, coefficients):
    pycolmap = pytest.importorskip("pycolmap")
    parameters = [*FOCAL, *CENTER, *coefficients]
    theirs = pycolmap.Camera(model=model, width=640, height=480, params=parameters)
    kind = "fisheye" if "FISHEYE" in model else "brown"
    lens = Lens(SIZE, FOCAL, CENTER, kind, coefficients)
    own = lens.distort(points[:50, :2]) * FOCAL + CENTER
    shown = np.array([theirs.img_from_cam(point) for point in points[:50]])
    np.testing.assert_allclose(own, shown, atol=1e-9)


def test_a_wide_fisheye_fits_badly_and_says_so(points):
    lens = Lens(SIZE, (180.0, 180.0), CENTER, "fisheye", (0.0,))
    assert to_radial(lens).error > 2
