import bpy
import numpy as np
import pytest
from maquette.core.photogrammetry.records import SolvedScene
from maquette.operators import _compute
from maquette.operators.photographs import write_masks
from PIL import Image, ImageDraw


def draw(path, box, mode="RGB", ground=(200, 200, 200)):
    """A dark box before a plain ground."""
    image = Image.new(mode, (96, 64), ground)
    ImageDraw.Draw(image).rectangle(box, fill=(60, 30, 20))
    image.save(path)


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        draw(tmp_path / f"{index}.png", (30 + index, 20, 60, 50))
    return tmp_path


def read(path):
    return np.asarray(Image.open(path)) > 127


def test_masks_of_a_plain_ground_are_written_and_painted_ones_stay(addon, folder):
    (folder / "masks").mkdir()
    painted = folder / "masks/1.png"
    Image.new("L", (96, 64), 255).save(painted)
    before = painted.read_bytes()
    (folder / "note.jpg").write_text("no image")
    assert bpy.ops.maquette.write_masks(folder=str(folder)) == {'FINISHED'}
    assert painted.read_bytes() == before
    names = sorted(path.name for path in (folder / "masks").iterdir())
    assert names == ["0.png.png", "1.png", "2.png.png"]
    mask = read(folder / "masks/2.png.png")
    assert mask.shape == (64, 96)
    inside = np.zeros_like(mask)
    inside[20:51, 32:61] = True
    assert (mask & inside).sum() > 0.95 * (mask | inside).sum()


def test_before_a_pattern_the_cameras_are_solved_first(addon, tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    for index in range(3):
        pixels = generator.integers(0, 255, (64, 96, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    calls = []

    def run(_, function, *arguments):
        calls.append(function.__name__)
        yield from ()
        return SolvedScene((), None) if function.__name__ == "solve_photographs" else 0

    monkeypatch.setattr(_compute.ComputeTarget, "run", run)
    monkeypatch.setattr(_compute.ComputeTarget, "run_anew", run)
    assert bpy.ops.maquette.write_masks(folder=str(tmp_path)) == {'FINISHED'}
    assert calls == ["solve_photographs", "write_solved_masks"]
    assert not (tmp_path / "masks").exists()


def test_a_changed_mask_makes_another_solve(folder):
    paths = sorted(folder.glob("*.png"))
    before = write_masks.solve_settings(paths, True)
    (folder / "masks").mkdir()
    Image.new("L", (96, 64), 255).save(folder / "masks/0.png")
    after = write_masks.solve_settings(paths, True)
    assert before.masks == () and after.masks == (folder / "masks/0.png",)
    key = _compute._cache_key(None, "solve", (paths, after))
    Image.new("L", (96, 64), 0).save(folder / "masks/0.png", compress_level=0)
    assert key != _compute._cache_key(None, "solve", (paths, after))


def test_without_a_folder_it_says_what_to_choose(addon):
    with pytest.raises(RuntimeError, match="Choose the folder"):
        bpy.ops.maquette.write_masks()


def test_masks_of_a_movie_are_those_of_its_frames(addon, folder):
    movie = folder / "walk.mp4"
    movie.write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"walk\.mp4 has no frames yet"):
        bpy.ops.maquette.write_masks(folder=str(movie))
    frames = folder / "walk_frames"
    frames.mkdir()
    for path in sorted(folder.glob("*.png")):
        path.rename(frames / path.name)
    assert bpy.ops.maquette.write_masks(folder=str(movie)) == {'FINISHED'}
    assert len(list((frames / "masks").iterdir())) == 3
