"""A movie as a phone takes it: a walk with some blurred frames, perhaps lying on its side."""

import struct

import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageError, OutputError
from maquette.core.jobs.task import run_to_end
from maquette.core.photogrammetry.movies import FrameRequest
from maquette.core.scene.movie_frames import extract_frames
from PIL import Image, ImageFilter

SIZE = (96, 64)
FRAMES = 24
SHARP = (2, 9, 17)  # numbers from 1 of the frames that are not blurred, one in each third


def write_frames(folder):
    """Write 24 frames of a pattern with a red square at the top left, most of them blurred."""
    folder.mkdir()
    pattern = np.random.default_rng(0).integers(0, 255, (16, 24, 3), np.uint8)
    pattern[:, :, 0] //= 2
    paths = []
    for index in range(FRAMES):
        image = Image.fromarray(np.roll(pattern, index, 1)).resize(SIZE, Image.Resampling.NEAREST)
        if index + 1 not in SHARP:
            image = image.filter(ImageFilter.GaussianBlur(3))
        image.paste((255, 0, 0), (0, 0, 16, 16))
        paths.append(folder / f"{index:03d}.png")
        image.save(paths[-1])
    return paths


def turn_movie(path, turned):
    """Write a copy that demands a quarter turn clockwise, as a phone that is held upright does."""
    data = bytearray(path.read_bytes())
    begin = data.find(b"tkhd") + 4 + 40
    one = 1 << 16
    data[begin : begin + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    turned.write_bytes(data)


@pytest.fixture(scope="module")
def movie(tmp_path_factory, write_movie):
    folder = tmp_path_factory.mktemp("movie")
    write_movie(write_frames(folder / "frames"), folder / "walk.mp4")
    return folder / "walk.mp4"


def request_for(movie, folder, count=3):
    return FrameRequest(movie, folder, count)


def test_the_sharpest_frame_of_each_window_is_written(movie, tmp_path):
    stages = []
    before = {len(bpy.data.images), len(bpy.data.textures)}
    paths = run_to_end(extract_frames(request_for(movie, tmp_path)), stages.append)
    assert [path.name for path in paths] == [f"walk_{frame:05d}.jpg" for frame in SHARP]
    assert {len(bpy.data.images), len(bpy.data.textures)} == before
    assert [stage.stage for stage in stages] == ["Frames 1/3", "Frames 2/3", "Frames 3/3"]

    # Colors and place are those of the movie.
    pixels = np.asarray(Image.open(paths[0]), int)
    assert pixels.shape == (64, 96, 3)
    assert np.abs(pixels[4:12, 4:12] - (255, 0, 0)).max() < 25
    assert pixels[-12:-4, 4:12, 0].max() < 160


def test_a_phone_held_upright_gives_upright_frames(movie, tmp_path):
    turned = tmp_path / "turned.mp4"
    turn_movie(movie, turned)
    paths = run_to_end(extract_frames(request_for(turned, tmp_path / "out")))
    pixels = np.asarray(Image.open(paths[0]), int)
    assert pixels.shape == (96, 64, 3)
    assert np.abs(pixels[4:12, -12:-4] - (255, 0, 0)).max() < 25


def test_frames_are_written_once_for_each_state_of_the_movie(movie, tmp_path):
    copy = tmp_path / "walk.mp4"
    copy.write_bytes(movie.read_bytes())
    folder = tmp_path / "frames"
    paths = run_to_end(extract_frames(request_for(copy, folder)))
    times = [path.stat().st_mtime_ns for path in paths]
    assert run_to_end(extract_frames(request_for(copy, folder))) == paths
    assert [path.stat().st_mtime_ns for path in paths] == times

    # Another number of windows, a frame that was deleted, or another movie: all are written anew.
    more = run_to_end(extract_frames(request_for(copy, folder, 4)))
    assert len(more) == 4 and len(list(folder.glob("*.jpg"))) == 4
    more[0].unlink()
    assert run_to_end(extract_frames(request_for(copy, folder, 4)))[0].is_file()
    copy.touch()
    run_to_end(extract_frames(request_for(copy, folder, 3)))
    assert sorted(folder.glob("*.jpg")) == paths


def test_a_stopped_run_is_continued_in_the_same_folder(movie, tmp_path):
    folder = tmp_path / "frames"
    task = extract_frames(request_for(movie, folder))
    next(task)
    next(task)
    task.close()
    assert len(list(folder.glob("*.jpg"))) == 1
    assert len(bpy.data.images) == 0 and len(bpy.data.textures) == 0
    assert len(run_to_end(extract_frames(request_for(movie, folder)))) == 3


def test_files_of_others_are_left_alone(movie, tmp_path):
    mine = tmp_path / "photo_00001.jpg"
    mine.write_bytes(b"mine")
    with pytest.raises(OutputError, match="no frames of a movie"):
        run_to_end(extract_frames(request_for(movie, tmp_path)))
    assert mine.read_bytes() == b"mine" and list(tmp_path.iterdir()) == [mine]


@pytest.mark.parametrize("content", [b"", b"this is no movie", None])
def test_what_is_no_movie_is_refused(content, tmp_path):
    path = tmp_path / "walk.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageError, match=r"walk\.mp4 cannot be read as a movie|There is no movie"):
        run_to_end(extract_frames(request_for(path, tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_a_movie_with_damaged_frames_gives_those_before(movie, tmp_path):
    path = tmp_path / "half.mp4"
    data = movie.read_bytes()
    begin = data.find(b"mdat") + 4
    size = int.from_bytes(data[begin - 8 : begin - 4], "big") - 8
    middle = begin + size // 2
    path.write_bytes(data[:middle] + bytes(begin + size - middle) + data[begin + size :])
    paths = run_to_end(extract_frames(request_for(path, tmp_path / "out", 8)))
    assert paths[0].name == "half_00002.jpg"
    assert np.asarray(Image.open(paths[0])).mean() > 90
