import struct

import pytest
from maquette.core.errors import ImageError
from maquette.core.photogrammetry import movies
from maquette.core.photogrammetry.movies import FrameRequest


def box(kind, content):
    return struct.pack(">I4s", len(content) + 8, kind) + content


def track(matrix, width, height, version=0):
    """Return a box "trak" whose header demands a rotation."""
    times = bytes(20 if version == 0 else 32)
    one = 1 << 16
    rows = [value * one for value in matrix[:2]] + [0] + [value * one for value in matrix[2:]]
    values = struct.pack(">9i", *rows, 0, 0, 0, 1 << 30)
    size = struct.pack(">II", width * one, height * one)
    header = bytes([version, 0, 0, 7]) + times + bytes(16) + values + size
    return box(b"trak", box(b"edts", b"") + box(b"tkhd", header))


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), 1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 3)],
)
def test_rotation_is_that_of_the_track_of_images(matrix, turns, version, tmp_path):
    path = tmp_path / "a.mp4"
    tracks = track((1, 0, 0, 1), 0, 0, version) + track(matrix, 1920, 1080, version)
    path.write_bytes(box(b"ftyp", b"isom") + box(b"mdat", bytes(99)) + box(b"moov", tracks))
    assert movies.read_rotation(path) == (turns, (1920, 1080))


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\0\1moov", box(b"moov", box(b"trak", box(b"tkhd", b"\0"))), bytes(64)]
)
def test_without_a_track_there_is_no_rotation(data, tmp_path):
    path = tmp_path / "a.mov"
    path.write_bytes(data)
    assert movies.read_rotation(path) == (0, (0, 0))


def test_each_window_gives_at_most_six_frames_to_compare():
    windows = movies.compared_frames(300, 10)
    assert [len(frames) for frames in windows] == [6] * 10
    assert windows[0][0] == 1 and windows[-1][-1] == 300
    numbers = [frame for frames in windows for frame in frames]
    assert numbers == sorted(set(numbers))


def test_a_short_movie_has_a_window_for_each_frame():
    assert movies.compared_frames(4, 40) == [[1], [2], [3], [4]]
    assert movies.compared_frames(5, 2) == [[1, 2], [3, 4, 5]]


def test_movies_are_known_by_their_suffix(tmp_path):
    assert movies.is_movie(tmp_path / "Walk.MOV")
    assert not movies.is_movie(tmp_path / "walk.jpg")
    (tmp_path / "folder.mp4").mkdir()
    assert not movies.is_movie(tmp_path / "folder.mp4")
    assert movies.frames_folder(tmp_path / "walk.mp4") == tmp_path / "walk_frames"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"frames": 3}', "\xff"])
def test_a_damaged_index_marks_a_folder_of_frames(text, tmp_path):
    movie = tmp_path / "walk.mp4"
    movie.write_bytes(b"movie")
    request = FrameRequest(movie, tmp_path / "frames", 3)
    movies.prepare_folder(request)
    old = request.folder / movies.frame_name(movie, 7)
    old.write_bytes(b"frame")
    (request.folder / "maquette_frames.json").write_text(text, encoding="latin-1")
    assert movies.written_frames(request) == []
    movies.prepare_folder(request)
    assert not old.exists()


def test_only_files_of_the_folder_are_returned(tmp_path):
    movie = tmp_path / "walk.mp4"
    movie.write_bytes(b"movie")
    (tmp_path / "secret.jpg").write_bytes(b"other")
    request = FrameRequest(movie, tmp_path / "frames", 3)
    movies.prepare_folder(request)
    movies.record_frames(request, [tmp_path / "secret.jpg"])
    index = request.folder / "maquette_frames.json"
    index.write_text(index.read_text().replace("secret.jpg", "../secret.jpg"))
    assert movies.written_frames(request) == []


def test_a_missing_movie_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"There is no movie .*no\.mp4"):
        movies.written_frames(FrameRequest(tmp_path / "no.mp4", tmp_path, 3))
