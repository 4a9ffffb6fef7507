"""``maquette gallery``: a folder with images of which some are bad."""

import os
import shutil

import numpy as np
import pytest


@pytest.fixture
def folder(pictures, tmp_path):
    """A good image, one of a format that is not read, a damaged one and a pipe."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(pictures / "front.png", folder / "стул.png")
    (folder / "phone.heic").touch()
    (folder / "damaged.png").write_text("no image")
    os.mkfifo(folder / "pipe.png")
    return folder


def test_the_good_ones_are_on_the_sheet_and_the_others_are_named(
    addon, weights, folder, tmp_path, capfd
):
    from maquette.operators.cli.main import run_command

    sheet = tmp_path / "sheet.png"
    options = ["--resolution", "32", "--size", "32", "--weights", str(weights)]
    assert run_command(["gallery", str(folder), "-o", str(sheet), *options]) == 1
    output = capfd.readouterr()
    assert "1 of 4 images" in output.out and sheet.exists()
    lines = output.err.splitlines()
    assert len(lines) == 4 and lines[-1].endswith("3 of 4 images could not be reconstructed")
    for name, reason in (("phone", "HEIC"), ("damaged", "not a readable"), ("pipe", "not a file")):
        assert any(name in line and reason in line for line in lines)


@pytest.mark.parametrize("shown", ["texture", "gray"])
def test_textured_and_gray_surfaces_are_shown(addon, weights, pictures, tmp_path, shown):
    """Gray surfaces have no color anywhere, textured ones those of the image."""
    from maquette.core.imaging.image_files import read_image
    from maquette.operators.cli.main import run_command

    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(pictures / "front.png", folder)
    sheet = tmp_path / "sheet.png"
    options = ["--resolution", "32", "--size", "32", "--weights", str(weights), "--show", shown]
    assert run_command(["gallery", str(folder), "-o", str(sheet), *options]) == 0
    image = read_image(sheet)
    surfaces = image[:, image.shape[1] // 5 + 2 :, :3]
    assert (np.ptp(surfaces, axis=2).max() > 0.1) == (shown == "texture")


def test_any_failure_of_one_leaves_the_others(addon, folder, tmp_path, monkeypatch, capfd):
    from maquette.operators.cli import gallery
    from maquette.operators.cli.main import run_command

    def fail(path, arguments):
        raise RecursionError("of a library")

    monkeypatch.setattr(gallery, "_gallery_row", fail)
    assert run_command(["gallery", str(folder), "-o", str(tmp_path / "sheet.png")]) == 1
    error = capfd.readouterr().err
    assert error.count("failed unexpectedly (RecursionError: of a library)") == 2
    assert "4 of 4 images could not be reconstructed" in error
