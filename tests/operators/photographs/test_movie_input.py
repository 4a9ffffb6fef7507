import bpy
import pytest
from maquette.core.errors import ImageError
from maquette.operators.cli.main import run_command
from maquette.operators.photographs import movie_input

pytest.importorskip("pycolmap")


@pytest.fixture(scope="module")
def movie(photographs, write_movie, tmp_path_factory):
    """A walk of six photographs."""
    folder = tmp_path_factory.mktemp("movie")
    write_movie(list(photographs)[:6], folder / "walk.mp4")
    return folder / "walk.mp4"


def test_a_movie_is_solved_and_its_frames_stay_beside_it(addon, movie):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    chosen = {"folder": str(movie), "frames": 6, "make_mesh": False}
    assert bpy.ops.maquette.solve_photographs(**chosen) == {'FINISHED'}
    summary = bpy.context.scene.maquette_photographs.summary
    assert summary.startswith("6 of 6 photographs used")
    shown = {
        bpy.path.abspath(camera.background_images[0].image.filepath) for camera in bpy.data.cameras
    }
    frames = sorted((movie.parent / "walk_frames").glob("*.jpg"))
    assert shown == {str(path) for path in frames} and len(frames) == 6
    assert cube.name == "Cube" and not bpy.data.textures


def test_the_command_writes_frames_where_it_is_told(addon, movie, tmp_path, capsys):
    output = tmp_path / "out.blend"
    frames = tmp_path / "frames"
    command = ["photographs", str(movie), "-o", str(output), "--no-mesh", "--frames", "5"]
    assert run_command([*command, "--frames-folder", str(frames)]) == 0
    assert "of 5 photographs have cameras" in capsys.readouterr().out
    assert len(list(frames.glob("walk_*.jpg"))) == 5


def test_the_number_of_frames_has_limits(movie, tmp_path, capsys):
    output = str(tmp_path / "a.glb")
    assert run_command(["photographs", str(movie), "-o", output, "--frames", "2"]) == 2
    assert "--frames is 3 to 200" in capsys.readouterr().err


def test_a_movie_may_be_chosen_among_files(movie):
    assert movie_input.find_movie(movie, []) == movie
    assert movie_input.find_movie(movie.parent, [movie.name]) == movie
    assert movie_input.find_movie(movie.parent, ["1.jpg", "2.jpg"]) is None
    assert movie_input.find_movie(movie.parent, []) is None
    with pytest.raises(ImageError, match=r"one movie alone, not walk\.mp4"):
        movie_input.find_movie(movie.parent, ["1.jpg", "walk.mp4"])


def test_a_folder_with_a_movie_alone_names_it(tmp_path):
    (tmp_path / "walk.MOV").write_bytes(b"")
    with pytest.raises(ImageError, match=r"holds no photographs, but walk\.MOV"):
        movie_input.list_inputs(tmp_path)
    (tmp_path / "walk.MOV").unlink()
    with pytest.raises(ImageError, match="contains no images"):
        movie_input.list_inputs(tmp_path)


def test_subfolders_are_rings_one_after_the_other(tmp_path):
    for name in ("ring 10/1.png", "ring 2/b.png", "ring 2/a.png", "masks/a.png", "notes/a.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    rings = [path.relative_to(tmp_path).as_posix() for path in movie_input.list_inputs(tmp_path)]
    assert rings == ["ring 2/a.png", "ring 2/b.png", "ring 10/1.png"]
    (tmp_path / "7.png").touch()
    assert movie_input.list_inputs(tmp_path) == [tmp_path / "7.png"]
