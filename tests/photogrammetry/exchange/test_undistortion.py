"""Photographs without distortion: what an ideal lens shows at a pixel is in that pixel."""

from dataclasses import replace

import numpy as np
import pytest
from maquette.core.cameras import Camera, look_at
from maquette.core.errors import OutputError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.exchange.records import empty_cloud
from maquette.core.photogrammetry.exchange.undistortion import undistort_photographs
from maquette.core.photogrammetry.lens import undistort_pixels
from maquette.core.photogrammetry.records import SolvedPhotograph, SolvedScene
from PIL import Image

WIDTH = 160
HEIGHT = 120
EYE = np.array((0.0, -3.0, 0.4))


def painted(camera, pixels):
    """Colors (P, 3) of what a camera sees at ideal pixels (P, 2): they depend on the direction."""
    rays = camera.unproject(pixels, np.ones(len(pixels))) - camera.to_world[:3, 3]
    return 0.5 + 0.4 * np.sin(6 * rays[:, [0, 2, 0]] + (0, 1, 2))


def pixel_centers(width, height):
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    return np.stack((columns.ravel(), rows.ravel()), 1)


def photographed(path, distortion):
    """A photograph with distortion."""
    intrinsics = np.array(((130.0, 0, 84), (0, 130.0, 57), (0, 0, 1)))
    camera = Camera(look_at(EYE, np.zeros(3)), intrinsics, WIDTH, HEIGHT)
    ideal = undistort_pixels(camera, distortion, pixel_centers(WIDTH, HEIGHT))
    color = painted(camera, ideal).reshape(HEIGHT, WIDTH, 3)
    Image.fromarray((color * 255 + 0.5).astype(np.uint8)).save(path, quality=98)
    return SolvedPhotograph(path, camera, distortion)


@pytest.mark.parametrize("distortion", [(-0.2, 0.05), (0.15, 0.02)])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_each_pixel_shows_what_the_ideal_lens_sees(tmp_path, monkeypatch, distortion, name):
    monkeypatch.setattr("maquette.core.photogrammetry.exchange.undistortion._ROWS", 50)
    photograph = photographed(tmp_path / name, distortion)
    scene = SolvedScene((photograph,), empty_cloud())
    (straight,) = run_to_end(undistort_photographs(tmp_path / "images", scene)).photographs
    assert straight.distortion == (0.0, 0.0)
    assert straight.path.name == (name if name != "a.bmp" else "a.bmp.png")
    with Image.open(straight.path) as image:
        color = np.asarray(image, float) / 255
    assert color.shape == (HEIGHT, WIDTH, 3)
    expected = painted(straight.camera, pixel_centers(WIDTH, HEIGHT)).reshape(color.shape)
    assert np.abs(color - expected).max() < 0.06
    assert np.abs(color - expected).mean() < 0.012

    # Nothing beyond the photograph is seen, and nearly all of it is.
    zoom = straight.camera.intrinsics[0, 0] / photograph.camera.intrinsics[0, 0]
    assert (zoom == 1) if distortion[0] < 0 else (1 < zoom < 1.15)


def test_ideal_photographs_are_copied(tmp_path):
    photograph = photographed(tmp_path / "a.jpg", (0.0, 0.0))
    scene = SolvedScene((photograph,), empty_cloud())
    (copy,) = run_to_end(undistort_photographs(tmp_path / "images", scene)).photographs
    assert copy.path.read_bytes() == photograph.path.read_bytes()
    assert copy == replace(photograph, path=copy.path)


def test_photographs_that_exif_turns_are_written_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, :20] = 255  # the top, once it is turned
    Image.fromarray(pixels).save(path, exif=exif)
    camera = Camera(np.eye(4), np.array(((130.0, 0, 60), (0, 130.0, 80), (0, 0, 1))), 120, 160)
    scene = SolvedScene((SolvedPhotograph(path, camera, turned=True),), empty_cloud())
    (upright,) = run_to_end(undistort_photographs(tmp_path / "images", scene)).photographs
    assert not upright.turned
    with Image.open(upright.path) as image:
        assert image.size == (120, 160) and not image.getexif()
        assert np.asarray(image)[:20].min() == 255 and np.asarray(image)[20:].max() == 0


def test_no_photograph_is_overwritten(tmp_path):
    photograph = photographed(tmp_path / "a.jpg", (0.1, 0.0))
    before = photograph.path.read_bytes()
    with pytest.raises(OutputError, match="is one of the photographs"):
        run_to_end(undistort_photographs(tmp_path, SolvedScene((photograph,), empty_cloud())))
    assert photograph.path.read_bytes() == before
