import numpy as np
from maquette.core.photogrammetry.dense.records import DenseSettings
from maquette.core.photogrammetry.solve import solve_photographs
from maquette.operators.photographs import _preview, solve
from maquette.operators.photographs.solve import PhotographsResult


def test_cameras_and_points_are_drawn_in_the_scene_s_size(addon, capture):
    lines, points = _preview.solved_layers(capture.solved, 2.0)
    assert lines.kind == 'LINES' and points.kind == 'TRIS'
    eyes = lines.positions.reshape(3, 18, 3)[:, 0]
    expected = [2 * each.camera.to_world[:3, 3] for each in capture.solved.photographs]
    np.testing.assert_allclose(eyes, expected, atol=1e-5)
    middles = points.positions.reshape(len(capture.solved.cloud.points), 12, 3).mean(1)
    np.testing.assert_allclose(middles, 2 * capture.solved.cloud.points, atol=1e-5)


def test_the_hull_is_lit_from_the_front(addon, capture):
    layer = _preview.hull_layer(capture.shape.hull, 0.5)
    assert np.ptp(layer.positions[:, 0]) == np.float32(0.5)
    brightness = layer.colors[:, :3].mean(1).reshape(-1, 3)[:, 0]
    corners = layer.positions.reshape(-1, 3, 3)
    front = (corners[..., 1] < -0.1).all(1)
    back = (corners[..., 1] > 0.1).all(1)
    assert front.sum() == back.sum() == 2
    assert brightness[front].min() > 1.5 * brightness[back].max()


def test_layers_are_drawn_until_they_are_hidden(addon, capture):
    import bpy

    layer = _preview.hull_layer(capture.shape.hull, 1.0)
    _preview.show_layers(bpy.context.scene, [layer])
    _preview.show_layers(bpy.context.scene, [layer])
    assert len(_preview.shown_layers()) == 2
    _preview.hide_layers()
    assert not _preview.shown_layers()


class Target:
    """Returns what photographs give, without any work."""

    def __init__(self, capture):
        self.results = {
            "solve_photographs": capture.solved,
            "outline_surface": capture.shape.hull,
            "reconstruct_surface": capture.shape,
        }
        self.calls = []

    def run(self, function, *arguments):
        self.calls.append(function.__name__)
        yield from ()
        return self.results[function.__name__]


def run(task):
    try:
        while True:
            next(task)
    except StopIteration as stop:
        return stop.value


def test_cameras_and_hull_are_handed_over_before_depth_is_measured(addon, capture):
    target = Target(capture)
    previews = []

    def note(preview):
        previews.append((preview, list(target.calls)))

    solving = target.run(solve_photographs)
    result = run(solve._solve(solving, DenseSettings(), target, note))
    assert result == PhotographsResult(capture.solved, capture.shape)
    assert [preview for preview, _ in previews] == [capture.solved, capture.shape.hull]
    assert "reconstruct_surface" not in previews[1][1]


def test_scripts_make_no_preview(addon, capture):
    target = Target(capture)
    run(solve._solve(target.run(solve_photographs), DenseSettings(), target, None))
    assert target.calls == ["solve_photographs", "reconstruct_surface"]
